vllm serve Qwen/Qwen3-Embedding-8B --revision=f16c4e30b905f35000aca314328ca91580c49088 --served-model-name=qwen3-embedding-8b --host=127.0.0.1 --port=8000 --max-model-len=40960
