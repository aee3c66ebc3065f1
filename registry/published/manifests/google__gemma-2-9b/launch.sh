HF_TOKEN="${HF_TOKEN:?set it}" vllm serve google/gemma-2-9b --revision=8f51fcd7ad42dcebb92ed0f5022032be51a885e1 --served-model-name=gemma-2-9b --host=127.0.0.1 --port=8000 --max-model-len=8192
