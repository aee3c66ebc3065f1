vllm serve HuggingFaceTB/SmolLM-1.7B --revision=531128e612cf0bf62461cc25a9890642fb304bbb --served-model-name=smollm-1.7b --host=127.0.0.1 --port=8000 --max-model-len=2048
