vllm serve Qwen/Qwen2-VL-7B-Instruct --revision=a971b1be2c521156259e60a71bce36d71b148277 --served-model-name=qwen2-vl-7b-instruct --host=127.0.0.1 --port=8000 --max-model-len=32768
