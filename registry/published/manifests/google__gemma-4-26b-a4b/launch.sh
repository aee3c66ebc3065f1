vllm serve google/gemma-4-26B-A4B --revision=29dda0c2104c5868dfada80d31dfe169a1c0f3f9 --served-model-name=gemma-4-26b-a4b --host=127.0.0.1 --port=8000 --max-model-len=262144
