vllm serve codellama/CodeLlama-34b-Instruct-hf --revision=65bc6a4895c7a81211f47282e579d2a215795aac --served-model-name=codellama-34b-instruct-hf --host=127.0.0.1 --port=8000 --max-model-len=16384
