vllm serve Qwen/Qwen2.5-VL-7B-Instruct --revision=b54f2f1ca82c2111913d21413f1d125581227850 --served-model-name=qwen2.5-vl-7b-instruct --host=127.0.0.1 --port=8000 --max-model-len=128000
