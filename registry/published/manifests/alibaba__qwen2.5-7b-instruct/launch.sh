vllm serve Qwen/Qwen2.5-7B-Instruct --revision=4f99ac8bd2a72c76895dca0bb782c04ae1389cf6 --served-model-name=qwen2.5-7b-instruct --host=127.0.0.1 --port=8000 --max-model-len=32768
