"""A configuration with all that exports carry: sellers, formats, files, local engines, aliases."""

import json

from modelscan_catalog.router.config import parse_config
from modelscan_catalog.router.emit import default_policy


def sample_config():
    """Three sellers, a local engine and a disabled one; two chat models and an embedding model."""
    providers = [
        {"name": "acme", "type": "api", "base_url": "https://api.acme.example/v1", "key": "env:ACME_API_KEY"},
        {
            "name": "claude",
            "type": "api",
            "base_url": "https://api.claude.example/v1",
            "format": "anthropic",
            "key": "env:CLAUDE_API_KEY",
        },
        {"name": "filed", "type": "api", "base_url": "https://f.example/v1", "key": "file:~/key"},
        {
            "name": "local/big/vllm",
            "type": "local",
            "base_url": "http://127.0.0.1:8000/v1",
            "model": "lab/big",
        },
        {"name": "local/off/vllm", "type": "local", "base_url": "http://127.0.0.1:8001/v1", "enabled": False},
    ]
    prices = {"input_price": 1.5, "output_price": 6.0, "cached_input_price": 0.15}
    models = [
        {
            "id": "lab/big",
            "aliases": ["big"],
            "context": 131072,
            "input": ["text", "image"],
            "output": ["text"],
            "targets": [
                {"provider": "local/big/vllm", "model": "big", "context": 65536},
                {"provider": "acme", "model": "lab-big", "priority": 1, "weight": 2.0, **prices},
                {"provider": "filed", "model": "big", "priority": 2},
                {"provider": "local/off/vllm", "model": "big", "priority": 3},
            ],
            "fallbacks": ["lab/other"],
            "lossy_fallbacks": ["lab/other"],
        },
        {"id": "lab/other", "targets": [{"provider": "claude", "model": "other-1", **prices}]},
        {"id": "lab/embed", "task": "embedding", "targets": [{"provider": "acme", "model": "embed"}]},
    ]
    document = {
        "routing": {"direct": {"providers": providers}},
        "models": models,
        "default_model": "lab/big",
        "policy": default_policy().model_dump(),
    }
    return parse_config(json.dumps(document).encode())
