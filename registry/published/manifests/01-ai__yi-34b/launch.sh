vllm serve 01-ai/Yi-34B --revision=68a48b74efa558ebf65e6bfb8ec08a33b8bd8479 --served-model-name=yi-34b --host=127.0.0.1 --port=8000 --max-model-len=4096
