"""The plan that the claims about manifests start from: an FP8 checkpoint on two H100 cards."""

from modelscan_catalog.manifests.plan_input import LaunchPlan

PLAN = LaunchPlan(
    model_id="qwen/qwen3-8b",
    variant_id="Qwen/Qwen3-8B-FP8",
    repo="Qwen/Qwen3-8B-FP8",
    revision="0123456789abcdef0123456789abcdef01234567",
    engine="vllm",
    engine_version="0.33.0",
    served_model_name="qwen3-8b",
    gpu_profile_id="h100-80gb",
    gpu_vendor="nvidia",
    gpu_count=2,
    tensor_parallel=2,
    max_model_len=32768,
    reasoning_parser="qwen3",
    env={"HF_TOKEN": "env:HF_TOKEN"},
)
