"""How each gateway is started before the same two engines: command, environment, key."""

import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.router.engine import MODEL


@dataclass(frozen=True)
class Peer:
    """A gateway's process; ``key`` is what its clients must send."""

    command: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    key: str = "unused"


Starter = Callable[[Path, int, Sequence[int], Path], Peer]
"""(virtual environment of the gateways, port, ports of the engines, empty folder) -> the process to start."""


def modelscan(venv: Path, port: int, engines: Sequence[int], work: Path) -> Peer:
    """This router with all it does: two keys a provider with windows, weights, fallback, usage on disk."""
    del venv
    limits = {"requests_per_minute": 10**8, "tokens_per_minute": 10**10, "requests_per_day": 10**10}
    providers = [
        {
            "name": f"engine{number}",
            "type": "local",
            "base_url": f"http://127.0.0.1:{engine}/v1",
            "keys": ["env:BENCH_KEY_1", "env:BENCH_KEY_2"],
            "key_limits": limits,
        }
        for number, engine in enumerate(engines)
    ]
    prices = {"input_price": 1.0, "output_price": 2.0, "cached_input_price": 0.1}
    targets = [{"provider": p["name"], "model": MODEL, **prices} for p in providers]
    policy = json.loads(Path("registry/router/policy.json").read_bytes())
    config = {
        "routing": {"mode": "direct", "direct": {"providers": providers}},
        "models": [
            {"id": MODEL, "context": 131072, "input": ["text"], "targets": targets, "fallbacks": ["spare"]},
            {"id": "spare", "context": 131072, "input": ["text"], "targets": targets},
        ],
        "policy": policy,
    }
    path = work / "router.json"
    path.write_text(json.dumps(config))
    command = [sys.executable, "-m", "modelscan_catalog.router", "--config", str(path), "--port", str(port)]
    keys = {f"BENCH_KEY_{number}": f"sk-bench-{number}-{secrets.token_hex(8)}" for number in (1, 2)}
    return Peer([*command, "--usage", str(work / "usage.sqlite")], keys)


def nginx(venv: Path, port: int, engines: Sequence[int], work: Path) -> Peer:
    """``proxy_pass`` without looking at the request: the floor that C sets."""
    del venv
    servers = " ".join(f"server 127.0.0.1:{engine};" for engine in engines)
    folders = " ".join(
        f"{kind}_temp_path {work}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = work / "nginx.conf"
    config.write_text(
        f"""daemon off; worker_processes 2; pid {work}/pid; error_log {work}/errors;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 10000000; {folders}
  upstream engines {{ {servers} keepalive 128; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://engines; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
    )
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise FileNotFoundError("nginx is not installed (Debian: apt-get install nginx-light)")
    return Peer([found, "-e", f"{work}/start", "-c", str(config)])


def vllm_router(venv: Path, port: int, engines: Sequence[int], work: Path) -> Peer:
    """vLLM's router, in Rust."""
    del work
    workers = [f"http://127.0.0.1:{engine}" for engine in engines]
    command = [
        str(venv / "bin/vllm-router"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--policy",
        "round_robin",
    ]
    command += ["--worker-urls", *workers, "--log-level", "error"]
    return Peer([*command, "--prometheus-host", "127.0.0.1", "--prometheus-port", str(port + 100)])


def smg(venv: Path, port: int, engines: Sequence[int], work: Path) -> Peer:
    """Shepherd Model Gateway, in Rust: an OpenAI-compatible gateway with policies, retries and breakers."""
    workers = [f"http://127.0.0.1:{engine}" for engine in engines]
    command = [str(venv / "bin/smg"), "launch", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--policy", "round_robin", "--worker-urls", *workers, "--log-level", "error"]
    command += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(port + 100)]
    return Peer([*command, "--disable-tokenizer-autoload", "--log-dir", str(work)])


def litellm(venv: Path, port: int, engines: Sequence[int], work: Path) -> Peer:
    """LiteLLM's proxy with one worker and its defaults."""
    key = f"sk-{secrets.token_hex(24)}"
    models = [
        {
            "model_name": MODEL,
            "litellm_params": {
                "model": f"openai/{MODEL}",
                "api_base": f"http://127.0.0.1:{engine}/v1",
                "api_key": "x",
            },
        }
        for engine in engines
    ]
    path = work / "litellm.yaml"
    path.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": key}}))
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
    command = [str(venv / "bin/litellm"), "--config", str(path), "--host", "127.0.0.1", "--port", str(port)]
    return Peer([*command, "--telemetry", "False"], {**env, "PATH": f"{venv}/bin:{os.environ['PATH']}"}, key)


def pass_through(venv: Path, port: int, engines: Sequence[int], work: Path) -> Peer:
    """The least that a gateway on aiohttp does; see ``pass_through.py``."""
    del venv, work
    return Peer([sys.executable, "-m", "benchmarks.router.pass_through", str(port), *map(str, engines)])


def static(venv: Path, port: int, engines: Sequence[int], work: Path) -> Peer:
    """This router's HTTP server without a router; see ``floor.py``."""
    del venv, work, engines
    return Peer([sys.executable, "-m", "benchmarks.router.floor", str(port)])


def relay(venv: Path, port: int, engines: Sequence[int], work: Path) -> Peer:
    """This router's server and client without a router between them; see ``floor.py``."""
    del venv, work
    return Peer([sys.executable, "-m", "benchmarks.router.floor", str(port), *map(str, engines)])


PEERS: dict[str, Starter] = {
    "modelscan": modelscan,
    "nginx": nginx,
    "vllm-router": vllm_router,
    "smg": smg,
    "aiohttp": pass_through,
    "litellm": litellm,
}
PARTS: dict[str, Starter] = {"static": static, "relay": relay}
"""No gateways: what this one is built of, for ``--peers modelscan,static,relay``."""
