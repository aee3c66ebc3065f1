vllm serve Qwen/Qwen2.5-3B --revision=d8bc4531ffbff22eb58402324d8db9a66104d5dd --served-model-name=qwen2.5-3b --host=127.0.0.1 --port=8000 --max-model-len=32768
