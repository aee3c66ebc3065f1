vllm serve microsoft/Phi-3-mini-128k-instruct --revision=58118370dfe90a3f36c59065412be317ed88a62a --served-model-name=phi-3-mini-128k-instruct --host=127.0.0.1 --port=8000 --max-model-len=131072
