HF_TOKEN="${HF_TOKEN:?set it}" vllm serve google/gemma-7b --revision=3d51cb0ad740d54ed72a5e0cd11c46b0b0bac121 --served-model-name=gemma-7b --host=127.0.0.1 --port=8000 --max-model-len=8192
