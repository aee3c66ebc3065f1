vllm serve Qwen/Qwen2.5-1.5B --revision=36a6e87e0d2f446588e0ebe097e1958394a4007e --served-model-name=qwen2.5-1.5b --host=127.0.0.1 --port=8000 --max-model-len=131072
