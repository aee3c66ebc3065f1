vllm serve XiaomiMiMo/MiMo-7B-Base --revision=9a3f1ff8dc64ca382cd8db044f6c72b0a10d98d2 --served-model-name=mimo-7b-base --host=127.0.0.1 --port=8000 --max-model-len=32768
