vllm serve deepseek-ai/DeepSeek-V2.5 --revision=b4ea3d34c8170488541a02275c871883f3235184 --served-model-name=deepseek-v2.5 --host=127.0.0.1 --port=8000 --tensor-parallel-size=8 --max-model-len=163840
