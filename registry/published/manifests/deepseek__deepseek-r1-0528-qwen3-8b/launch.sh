vllm serve deepseek-ai/DeepSeek-R1-0528-Qwen3-8B --revision=1e13fa6ec58cf3baf63d6b508b0048724df30e06 --served-model-name=deepseek-r1-0528-qwen3-8b --host=127.0.0.1 --port=8000 --max-model-len=40960
