vllm serve intfloat/e5-mistral-7b-instruct --revision=60f2a3c699897e57192a55ed3b1dc34ddd463eb2 --served-model-name=e5-mistral-7b-instruct --host=127.0.0.1 --port=8000 --max-model-len=32768
