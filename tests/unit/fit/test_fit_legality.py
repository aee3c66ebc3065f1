"""Legality: what a weight format does on a card, and which splits over cards the engines accept."""

import csv
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.architecture import Architecture, Attention, Dense, Experts, LatentAttention, Layer
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.known import known_config
from modelscan_catalog.fit.legality import (
    LEVELS,
    engine_support,
    kv_cache_support,
    legality_document,
    quantization_support,
    rule_scheme,
    scheme_of,
    split_issue,
    tensor_parallel_issue,
    version_key,
    weight_block,
)
from modelscan_catalog.fit.matrix_terms import choose_split
from modelscan_catalog.fit.profiles import find_profile, load_profiles
from modelscan_catalog.fit.quantization import scheme_of as stored_scheme
from modelscan_catalog.fit.tables import REGISTRY


def architecture(
    heads: int = 32, kv_heads: int = 8, feed_forward: Dense | Experts | None = None
) -> Architecture:
    """A plain decoder of four equal layers."""
    attention = Attention(kind="full", heads=heads, kv_heads=kv_heads, head_dim=128, value_dim=128)
    layer = Layer(mixer=attention, feed_forward=feed_forward or Dense(intermediate=14336))
    return Architecture(
        model_type="llama",
        name="LlamaForCausalLM",
        layers=(layer,) * 4,
        draft_layers=(),
        draft_elements=0,
        hidden=4096,
        vocabulary=128256,
        tied=False,
        intermediate=14336,
        context=131072,
        dtype_bytes=2,
        rope=None,
        vision=None,
    )


@pytest.mark.parametrize(
    ("quantization", "gpu", "engine", "version", "level"),
    [
        ("fp8", "a100-80gb", "vllm", "0.33.0", "weight_only"),
        ("fp8", "h100-80gb", "vllm", "0.33.0", "native"),
        ("fp8", "l4", "vllm", "0.33.0", "native"),
        ("fp8", "t4", "vllm", "0.33.0", "weight_only"),
        ("fp8", "t4", "vllm", "0.11.0", "unsupported"),
        ("fp8", "a100-80gb", "sglang", "0.5.23", "weight_only"),
        ("nvfp4", "h100-80gb", "vllm", "0.33.0", "weight_only"),
        ("nvfp4", "b200", "vllm", "0.33.0", "native"),
        ("nvfp4", "gb10", "vllm", "0.33.0", "native"),
        ("nvfp4", "a100-80gb", "sglang", "0.5.23", "weight_only"),
        ("mxfp4", "h100-80gb", "vllm", "0.33.0", "weight_only"),
        ("mxfp4", "t4", "vllm", "0.33.0", "unsupported"),
        ("mxfp4", "mi355x", "vllm", "0.33.0", "native"),
        ("awq", "t4", "vllm", "0.33.0", "weight_only"),
        ("awq", "v100-32gb", "vllm", "0.11.0", "unsupported"),
        ("gptq", "v100-32gb", "vllm", "0.11.0", "weight_only"),
        ("none", "t4", "vllm", "0.33.0", "native"),
        ("none", "t4", "sglang", "0.5.23", "unsupported"),
        ("none", "v100-32gb", "vllm", "0.33.0", "unsupported"),
        ("none", "v100-32gb", "vllm", "0.8.5", "native"),
        ("none", "p40", "vllm", None, "unsupported"),
        ("w8a8-int8", "a100-80gb", "vllm", "0.33.0", "native"),
        ("w8a8-int8", "rtx-5090", "vllm", "0.33.0", "unsupported"),
        ("w4a8", "h100-80gb", "vllm", "0.33.0", "native"),
        ("w4a8", "l40s", "vllm", "0.33.0", "unsupported"),
        ("bitsandbytes", "rtx-4090", "vllm", "0.11.0", "weight_only"),
        ("bitsandbytes", "rtx-4090", "vllm", "0.33.0", "plugin"),
        ("bitsandbytes", "rtx-4090", "sglang", "0.5.23", "weight_only"),
        ("gguf", "rtx-4090", "vllm", "0.33.0", "plugin"),
        ("gguf q8_0", "rtx-4090", "llama.cpp", None, "native"),
        ("none", "rtx-4090", "llama.cpp", None, "unsupported"),
        ("fp8", "mi300x", "vllm", "0.33.0", "native"),
        ("fp8", "mi210", "vllm", "0.33.0", "unsupported"),
        ("fp8", "rx-7900-xtx", "vllm", "0.33.0", "unsupported"),
        ("nvfp4", "mi300x", "vllm", "0.33.0", "unsupported"),
        ("none", "rx-6800", "vllm", "0.33.0", "unsupported"),
        ("none", "strix-halo-128gb", "vllm", "0.33.0", "native"),
        ("none", "910b1", "vllm", "0.33.0", "plugin"),
        ("fp8", "910b1", "vllm", "0.33.0", "unsupported"),
        ("modelslim", "910b1", "mindie", None, "native"),
        ("modelslim", "h100-80gb", "vllm", "0.33.0", "unsupported"),
        ("none", "apple-m2-ultra-192gb", "vllm", "0.33.0", "unsupported"),
        ("gguf", "apple-m2-ultra-192gb", "llama.cpp", None, "native"),
        ("none", "gaudi3", "vllm", "0.33.0", "plugin"),
        ("awq", "arc-pro-b60", "vllm", "0.33.0", "weight_only"),
        ("none", "h100-80gb", "mindie", None, "unsupported"),
        ("compressed-tensors", "h100-80gb", "vllm", "0.33.0", "unknown"),
    ],
)
def test_formats_do_on_cards_what_the_engines_own_tables_say(
    quantization: str, gpu: str, engine: str, version: str | None, level: str
) -> None:
    support = quantization_support(quantization, find_profile(gpu), engine, version)
    assert support.level == level
    if level not in ("native", "weight_only"):
        assert support.reason


def test_every_rule_cites_a_listed_source_and_uses_known_words() -> None:
    document = legality_document()
    schemes = {*document["known_schemes"], "*", "auto"}
    for rule in [*document["engines"], *document["rules"], *document["kv_cache"]]:
        assert rule["source"] in document["sources"]
        assert rule["support"] in LEVELS
        assert rule.get("scheme", "*") in schemes
    assert set(document["labels"].values()) <= schemes


@pytest.mark.parametrize("scheme", legality_document()["known_schemes"])
@pytest.mark.parametrize("engine", ["vllm", "sglang", "llama.cpp", "mindie"])
def test_every_scheme_gets_an_answer_from_a_rule_on_every_card(scheme: str, engine: str) -> None:
    for profile in load_profiles().values():
        assert quantization_support(scheme, profile, engine).source


@given(st.integers(min_value=50, max_value=130), st.integers(min_value=50, max_value=130))
def test_a_newer_nvidia_card_never_loses_fp8(first: int, second: int) -> None:
    older, newer = sorted((first, second))
    cards = sorted(
        (profile for profile in load_profiles().values() if profile.sm and older <= profile.sm <= newer),
        key=lambda profile: profile.sm or 0,
    )
    ranks = [LEVELS.index(quantization_support("fp8", card).level) for card in cards]
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize(
    ("gpu", "level"),
    [("h100-80gb", "native"), ("a100-80gb", "weight_only"), ("t4", "unsupported"), ("mi300x", "native")],
)
def test_an_fp8_kv_cache_follows_the_card(gpu: str, level: str) -> None:
    assert kv_cache_support("fp8_e4m3", find_profile(gpu)).level == level
    assert kv_cache_support("auto", find_profile(gpu)).level == "native"


def test_an_unknown_label_engine_or_version_names_its_field() -> None:
    with pytest.raises(FitInputError, match="quantization: 'q17'"):
        scheme_of("q17")
    with pytest.raises(FitInputError, match="engine: 'tgi'"):
        engine_support(find_profile("l4"), "tgi")
    with pytest.raises(FitInputError, match="engine_version: 'newest'"):
        engine_support(find_profile("l4"), "vllm", "newest")


@given(st.text(max_size=20))
def test_any_text_is_a_version_or_an_error_of_ours(text: str) -> None:
    try:
        assert version_key(text)
    except FitInputError as error:
        assert error.field == "engine_version"  # noqa: PT017


@pytest.mark.parametrize(
    ("heads", "kv_heads", "tp", "legal"),
    [
        (32, 8, 8, True),
        (32, 8, 16, True),
        (32, 8, 3, False),
        (14, 2, 4, False),
        (40, 8, 8, True),
        (48, 6, 8, False),
    ],
)
def test_heads_divide_and_kv_heads_divide_or_are_replicated(
    heads: int, kv_heads: int, tp: int, legal: bool
) -> None:
    assert (tensor_parallel_issue(architecture(heads, kv_heads), tp) is None) is legal


def test_latent_attention_needs_only_its_heads_to_divide() -> None:
    mixer = LatentAttention(heads=128, query_rank=1536, kv_rank=512, nope_dim=128, rope_dim=64, value_dim=128)
    plain = architecture()
    mla = Architecture(
        **{name: getattr(plain, name) for name in plain.__slots__} | {"layers": (Layer(mixer, None),)}
    )
    assert tensor_parallel_issue(mla, 16) is None
    assert "128 attention heads" in (tensor_parallel_issue(mla, 24) or "")


def test_fp8_blocks_must_stay_whole_unless_experts_do() -> None:
    moe = architecture(feed_forward=Experts(experts=128, top_k=8, intermediate=768))
    assert tensor_parallel_issue(moe, 4, weight_block=None) is None
    assert tensor_parallel_issue(moe, 2, weight_block=128) is None
    assert "768 over 4" in (tensor_parallel_issue(moe, 4, weight_block=128) or "")
    assert tensor_parallel_issue(moe, 4, weight_block=128, expert_parallel=True) is None


def test_mig_instances_and_unified_desktops_do_not_work_as_one() -> None:
    for gpu in ("h100-80gb-mig-3g.40gb", "strix-halo-128gb", "apple-m3-ultra-512gb"):
        assert "one of them" in (split_issue(architecture(), find_profile(gpu), 2, 1) or "")
        assert split_issue(architecture(), find_profile(gpu), 1, 1) is None


def test_pipeline_stages_fill_in_where_heads_do_not_divide() -> None:
    assert choose_split(architecture(heads=12, kv_heads=4), 8, None) == (4, 2)
    assert choose_split(architecture(), 8, None) == (8, 1)


CARDS = {
    "80GB class": "h100-80gb",
    "80GB class (A100/H100)": "a100-80gb",
    "80GB class (H100)": "h100-80gb",
    "24GB class": "rtx-4090",
    "A10/L4-24GB": "a10",
    "L4-24GB": "l4",
    "A100-40GB": "a100-40gb",
    "GB10 (DGX Spark, UMA)": "gb10",
    "H100-80GB": "h100-80gb",
    "H200-141GB": "h200-141gb",
    "RTX 2060-12GB": "rtx-2060-12gb",
    "RTX 2080Ti-22GB class": "rtx-2080-ti-22gb",
    "RTX 4070 laptop-8GB": "rtx-4070-laptop",
    "RX 9070 XT-16GB (ROCm)": "rx-9070-xt",
    "T4-16GB": "t4",
    "V100-32GB": "v100-32gb",
}
"""Cards as the logs name them."""
RUNS = [
    row
    for row in csv.DictReader((REGISTRY / "fit" / "measured_runs.csv").read_text("utf-8").splitlines())
    if row["gpu"] in CARDS and known_config(row["model"]) is not None
]


def test_the_measured_runs_are_there_to_be_judged() -> None:
    assert len(RUNS) > 30


@pytest.mark.parametrize("run", RUNS, ids=lambda run: str(run["id"]))
def test_no_run_that_was_logged_is_called_illegal(run: dict[str, str]) -> None:
    known = known_config(run["model"])
    assert known is not None
    profile = find_profile(CARDS[run["gpu"]])
    scheme = stored_scheme(known.config, label=run["quant"], model=run["model"])
    number = re.search(r"\d+(\.\d+)+", run["version"])
    version = number.group(0) if number else None
    assert quantization_support(rule_scheme(scheme), profile, run["engine"], version).runs
    parsed = parse_architecture(known.config)
    assert isinstance(parsed, Architecture)
    assert tensor_parallel_issue(parsed, int(run["tp"] or 1), weight_block(scheme)) is None
