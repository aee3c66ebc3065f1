vllm serve microsoft/Phi-3-vision-128k-instruct --revision=617d8468309f9ea7cb015e72cf5d2c932b44049e --served-model-name=phi-3-vision-128k-instruct --host=127.0.0.1 --port=8000 --max-model-len=131072
