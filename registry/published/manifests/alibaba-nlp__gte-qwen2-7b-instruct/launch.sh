vllm serve Alibaba-NLP/gte-Qwen2-7B-instruct --revision=34a3fb78cc921fee3d21009981a118d7a1f12690 --served-model-name=gte-qwen2-7b-instruct --host=127.0.0.1 --port=8000 --max-model-len=131072
