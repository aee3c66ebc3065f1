vllm serve mistralai/Mixtral-8x7B-v0.1 --revision=364f00d9965a89d777bd6c91ac58c2334a34346d --served-model-name=mixtral-8x7b-v0.1 --host=127.0.0.1 --port=8000 --max-model-len=32768
