vllm serve Qwen/Qwen3-VL-30B-A3B-Instruct --revision=2804dd7252ea1154f2f2366588e828154c9215c0 --served-model-name=qwen3-vl-30b-a3b-instruct --host=127.0.0.1 --port=8000 --max-model-len=262144
