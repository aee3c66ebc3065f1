vllm serve casperhansen/llama-3.3-70b-instruct-awq --revision=8fb1e942d1d0abf43e028612982b363fdb3ca3c6 --served-model-name=llama-3.3-70b-instruct --host=127.0.0.1 --port=8000 --max-model-len=131072
