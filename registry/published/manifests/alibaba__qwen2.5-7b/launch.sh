vllm serve Qwen/Qwen2.5-7B --revision=f6372b91960ed7c2bddf3d01039255197ffc7366 --served-model-name=qwen2.5-7b --host=127.0.0.1 --port=8000 --max-model-len=131072
