vllm serve llava-hf/llava-1.5-7b-hf --revision=680b1529480da5656a29dcb173881260b8683442 --served-model-name=llava-1.5-7b-hf --host=127.0.0.1 --port=8000 --max-model-len=4096
