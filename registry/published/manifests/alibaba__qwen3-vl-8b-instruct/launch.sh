vllm serve Qwen/Qwen3-VL-8B-Instruct --revision=e445ad24fc0dd1e8a7be5b6b1944c96dd22c8968 --served-model-name=qwen3-vl-8b-instruct --host=127.0.0.1 --port=8000 --max-model-len=262144
