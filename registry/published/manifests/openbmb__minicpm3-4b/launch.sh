vllm serve openbmb/MiniCPM3-4B --revision=36c1cabf1c557e6e82e9a290678da4ac0b6b35dc --served-model-name=minicpm3-4b --host=127.0.0.1 --port=8000 --max-model-len=32768
