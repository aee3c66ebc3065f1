vllm serve Qwen/Qwen3-Coder-30B-A3B-Instruct --revision=8cefd27e664cff91bbe4d4154de457234f5fdfdd --served-model-name=qwen3-coder-30b-a3b-instruct --host=127.0.0.1 --port=8000 --max-model-len=262144
