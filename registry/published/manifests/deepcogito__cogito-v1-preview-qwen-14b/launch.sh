vllm serve deepcogito/cogito-v1-preview-qwen-14B --revision=30e3b5175d1c0f513b62505b9eec735228f75cc8 --served-model-name=cogito-v1-preview-qwen-14b --host=127.0.0.1 --port=8000 --max-model-len=131072
