vllm serve deepseek-ai/deepseek-vl2-tiny --revision=141338ffd2a2a91bbb6ce4564976a59314e91899 --served-model-name=deepseek-vl2-tiny --host=127.0.0.1 --port=8000 --max-model-len=4096
