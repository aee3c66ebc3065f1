vllm serve Qwen/Qwen2.5-32B --revision=9d5247caab5daf6f1213c061894293c4d79ff816 --served-model-name=qwen2.5-32b --host=127.0.0.1 --port=8000 --max-model-len=131072
