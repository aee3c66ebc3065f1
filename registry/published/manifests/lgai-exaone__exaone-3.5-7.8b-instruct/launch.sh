vllm serve LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct --revision=1d2cc60370959d73c7480b32097b55fa5aa4ea6a --served-model-name=exaone-3.5-7.8b-instruct --host=127.0.0.1 --port=8000 --max-model-len=32768
