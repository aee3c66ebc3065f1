vllm serve stabilityai/stablelm-3b-4e1t --revision=82b8be3105f994dba5855c666ccc84bde57ea23e --served-model-name=stablelm-3b-4e1t --host=127.0.0.1 --port=8000 --max-model-len=4096
