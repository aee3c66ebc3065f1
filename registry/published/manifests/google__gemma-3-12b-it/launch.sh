vllm serve abhishekchohan/gemma-3-12b-it-quantized-W4A16 --revision=b55d705e43bd15df04e2b06088727f06c844f456 --served-model-name=gemma-3-12b-it --host=127.0.0.1 --port=8000 --max-model-len=131072
