HF_TOKEN="${HF_TOKEN:?set it}" vllm serve google/gemma-2-2b-it --revision=20650771f5fba77b111a27615c3926cbbcc9d6fd --served-model-name=gemma-2-2b-it --host=127.0.0.1 --port=8000 --max-model-len=8192
