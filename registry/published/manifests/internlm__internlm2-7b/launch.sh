vllm serve internlm/internlm2-7b --revision=36669d2acbdde8958fd0fb034d77eaf75aaccb44 --served-model-name=internlm2-7b --host=127.0.0.1 --port=8000 --max-model-len=32768
