vllm serve Qwen/Qwen2.5-72B --revision=75a51b2b35c7fdd48e16e8da8915a11ba075cabc --served-model-name=qwen2.5-72b --host=127.0.0.1 --port=8000 --tensor-parallel-size=4 --max-model-len=131072
