vllm serve deepseek-ai/deepseek-coder-33b-base --revision=b20db7a1af6b8ed2040ac728ea8e9f67458729a9 --served-model-name=deepseek-coder-33b-base --host=127.0.0.1 --port=8000 --max-model-len=16384
