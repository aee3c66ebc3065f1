vllm serve nvidia/Llama-3.1-70B-Instruct-FP8 --revision=d62471a3d8bf17dd46c9dd9df479d3aedb69fe11 --served-model-name=llama-3.1-70b-instruct --host=127.0.0.1 --port=8000 --max-model-len=131072
