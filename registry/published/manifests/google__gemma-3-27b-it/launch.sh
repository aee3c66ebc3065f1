vllm serve RedHatAI/gemma-3-27b-it-quantized.w4a16 --revision=f4229a597e6027c0747c739b93b41026f0852cb7 --served-model-name=gemma-3-27b-it --host=127.0.0.1 --port=8000 --max-model-len=131072
