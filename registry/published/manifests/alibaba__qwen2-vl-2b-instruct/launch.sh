vllm serve Qwen/Qwen2-VL-2B-Instruct --revision=3a8a4e745fdad4a9c4295ef157543f3e446c8050 --served-model-name=qwen2-vl-2b-instruct --host=127.0.0.1 --port=8000 --max-model-len=32768
