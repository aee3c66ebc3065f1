vllm serve Qwen/Qwen2-7B-Instruct --revision=8b79ca25bd99f800a70bf0c5655c06065c82a901 --served-model-name=qwen2-7b-instruct --host=127.0.0.1 --port=8000 --max-model-len=131072
