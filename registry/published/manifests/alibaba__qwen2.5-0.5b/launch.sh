vllm serve Qwen/Qwen2.5-0.5B --revision=1ad6b864d5652ef9cba59bfe83495bd82012f210 --served-model-name=qwen2.5-0.5b --host=127.0.0.1 --port=8000 --max-model-len=32768
