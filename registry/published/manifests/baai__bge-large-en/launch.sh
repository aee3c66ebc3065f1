vllm serve BAAI/bge-large-en --revision=40a7c9a0375d87440b7767cde7afe48cf9f3b979 --served-model-name=bge-large-en --host=127.0.0.1 --port=8000 --max-model-len=512
