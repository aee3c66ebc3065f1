vllm serve deepseek-ai/DeepSeek-V2-Lite --revision=579dd282c04bcd4b284f757dc069d266252fa587 --served-model-name=deepseek-v2-lite --host=127.0.0.1 --port=8000 --max-model-len=163840
