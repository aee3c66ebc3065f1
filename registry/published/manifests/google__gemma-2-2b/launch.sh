HF_TOKEN="${HF_TOKEN:?set it}" vllm serve google/gemma-2-2b --revision=d81aa57a3051ef5dc0946bb5bb1dc09c965873c9 --served-model-name=gemma-2-2b --host=127.0.0.1 --port=8000 --max-model-len=8192
