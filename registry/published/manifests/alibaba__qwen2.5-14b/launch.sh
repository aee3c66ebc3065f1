vllm serve Qwen/Qwen2.5-14B --revision=3876d016eb74ad38badb82e74381467e75cffb68 --served-model-name=qwen2.5-14b --host=127.0.0.1 --port=8000 --max-model-len=131072
