vllm serve Qwen/Qwen3-30B-A3B-Instruct-2507 --revision=5b2ae972c09edf812f87bf52277dbe22e71e95c3 --served-model-name=qwen3-30b-a3b-instruct-2507 --host=127.0.0.1 --port=8000 --max-model-len=262144
