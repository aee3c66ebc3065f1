vllm serve microsoft/Phi-3.5-MoE-instruct --revision=1eaeb7e82446938161a872304e08989be489c7a0 --served-model-name=phi-3.5-moe-instruct --host=127.0.0.1 --port=8000 --max-model-len=131072
