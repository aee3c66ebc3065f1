VLLM_USE_MODELSCOPE=1 vllm serve swift/Meta-Llama-3-70B-Instruct-GPTQ-Int8 --served-model-name=meta-llama-3-70b-instruct --host=127.0.0.1 --port=8000 --max-model-len=8192
