vllm serve internlm/internlm2-7b-reward --revision=73931646fee3c88d5f2349167ac565962f7fc799 --served-model-name=internlm2-7b-reward --host=127.0.0.1 --port=8000 --max-model-len=32768
