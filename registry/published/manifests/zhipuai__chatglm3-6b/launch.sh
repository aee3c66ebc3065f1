vllm serve THUDM/chatglm3-6b --revision=b6d1d998dfe1b388391ad3ecd531a19d403852e3 --served-model-name=chatglm3-6b --host=127.0.0.1 --port=8000 --max-model-len=8192
