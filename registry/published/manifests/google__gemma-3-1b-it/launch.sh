HF_TOKEN="${HF_TOKEN:?set it}" vllm serve google/gemma-3-1b-it --revision=c407cb1f4ce44ca529c86ea5a6e4a0f77925d530 --served-model-name=gemma-3-1b-it --host=127.0.0.1 --port=8000 --max-model-len=32768
