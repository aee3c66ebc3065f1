vllm serve Qwen/Qwen3-VL-2B-Instruct --revision=c277f857337b7eca672bd1098f5663d8b9657957 --served-model-name=qwen3-vl-2b-instruct --host=127.0.0.1 --port=8000 --max-model-len=262144
