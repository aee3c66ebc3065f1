vllm serve nvidia/Nemotron-H-56B-Base-8K --revision=aa6658353761a3ea2c0bb67c2d438c5fab898293 --served-model-name=nemotron-h-56b-base-8k --host=127.0.0.1 --port=8000 --max-model-len=8192
