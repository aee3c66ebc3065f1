vllm serve mistralai/Mistral-7B-v0.1 --revision=00bf336c0365f6eca78408128ab7da8d7ebddc6a --served-model-name=mistral-7b-v0.1 --host=127.0.0.1 --port=8000 --max-model-len=32768
