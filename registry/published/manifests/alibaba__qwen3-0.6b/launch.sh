vllm serve Qwen/Qwen3-0.6B --revision=75cab638002054fd84c980262b26708ac636c9b3 --served-model-name=qwen3-0.6b --host=127.0.0.1 --port=8000 --max-model-len=40960 --reasoning-parser=deepseek_r1
