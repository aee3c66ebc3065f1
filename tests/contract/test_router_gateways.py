"""LiteLLM as a client, and LiteLLM's proxy on our export: unmodified, beside the router.

It lives in an environment of its own (``make test-gateways``); without it these claims are skipped.
"""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import time
from pathlib import Path

import aiohttp
import pytest
import yaml
from router_engines import router_before_engines

from modelscan_catalog.router.config import RouterConfig
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.export import litellm
from modelscan_catalog.router.local_upstream import LocalUpstream

GATEWAYS = os.environ.get("MODELSCAN_GATEWAYS")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(GATEWAYS is None, reason="MODELSCAN_GATEWAYS is not set: make test-gateways"),
]

CLIENT = """
import asyncio, json, sys, litellm
base, seen = sys.argv[1], {}
messages = [{"role": "user", "content": "hello"}]
image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
schema = {"type": "object", "properties": {"city": {"type": "string"}}}
tool = {"type": "function", "function": {"name": "weather", "parameters": schema}}
def ask(model, **more):
    asked = dict(model=f"openai/{model}", api_base=base, api_key="any", messages=messages, num_retries=0)
    return asked | more
async def leave(model):
    stream = await litellm.acompletion(**ask(model, stream=True, max_tokens=9000))
    async for _ in stream:
        break
for model in ("lab/engine", "lab/claude"):
    plain = litellm.completion(**ask(model))
    stream = litellm.completion(**ask(model, stream=True, max_tokens=50))
    called = litellm.completion(**ask(model, tools=[tool]))
    content = [{"type": "text", "text": "?"}, image]
    looked = litellm.completion(**ask(model, messages=[{"role": "user", "content": content}]))
    seen[model] = [
        plain.choices[0].message.content,
        plain.usage.completion_tokens,
        "".join(chunk.choices[0].delta.content or "" for chunk in stream),
        json.loads(called.choices[0].message.tool_calls[0].function.arguments)["city"],
        looked.choices[0].message.content,
    ]
found = litellm.embedding(
    model="openai/lab/engine", api_base=base, api_key="any", input=["a", "b"], encoding_format="float"
)
seen["embedded"] = [row["embedding"] for row in found.data]
errors = {
    "lab/none": litellm.NotFoundError,
    "lab/broken": litellm.BadGatewayError,
    "lab/limited": litellm.RateLimitError,
}
for model, kind in errors.items():
    try:
        litellm.completion(**ask(model))
    except Exception as error:
        seen[model] = isinstance(error, kind) or f"{type(error).__name__}: {error}"
asyncio.run(leave("lab/engine"))
print(json.dumps(seen))
"""


def configuration(base_url):
    models = [
        {
            "id": "lab/echo",
            "aliases": ["echo"],
            "targets": [{"provider": "up", "model": "echo"}],
            "fallbacks": [],
        },
        {
            "id": "lab/broken",
            "targets": [{"provider": "up", "model": "status-500"}],
            "fallbacks": ["lab/echo"],
        },
    ]
    providers = [{"name": "up", "type": "local", "base_url": base_url}]
    return RouterConfig.model_validate(
        {
            "routing": {"direct": {"providers": providers}},
            "models": models,
            "policy": default_policy().model_dump(),
        }
    )


async def run_script(script, *arguments):
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    child = await asyncio.create_subprocess_exec(
        str(Path(GATEWAYS) / "bin" / "python"),
        "-c",
        script,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    try:
        out, told = await asyncio.wait_for(child.communicate(), 90)
    finally:
        if child.returncode is None:
            child.kill()
    assert child.returncode == 0, told.decode()[-2000:]
    return json.loads(out.decode().splitlines()[-1])


def test_given_litellm_as_a_client_when_it_asks_then_answers_calls_and_errors_are_understood():
    async def asking():
        async with router_before_engines() as (port, upstream):
            seen = await run_script(CLIENT, f"http://127.0.0.1:{port}/v1")
            await asyncio.wait_for(upstream.cancelled.wait(), 10)
            return seen

    assert asyncio.run(asking()) == {
        "lab/engine": ["seen", 2, "seen", "Bern", "seen"],
        "lab/claude": ["Looking.", 2, "Looking.", "Bern", "Looking."],
        "embedded": [[0.5, 0.0], [0.5, 1.0]],
        "lab/none": True,
        "lab/broken": True,
        "lab/limited": True,
    }


@contextlib.asynccontextmanager
async def proxy(tmp_path, config):
    """LiteLLM's proxy on our export of ``config``; gives its address and key."""
    path = tmp_path / "litellm.yaml"
    path.write_text(yaml.safe_dump(litellm(config).documents[0]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    key = f"sk-{secrets.token_hex(24)}"
    with (tmp_path / "log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            str(Path(GATEWAYS) / "bin" / "litellm"),
            *("--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"),
            stdout=log,
            stderr=log,
            env={
                **os.environ,
                "LITELLM_MASTER_KEY": key,
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "PATH": f"{GATEWAYS}/bin:{os.environ['PATH']}",
            },
        )
    try:
        yield f"http://127.0.0.1:{port}", key
    finally:
        child.terminate()
        await child.wait()


def test_given_our_export_when_litellms_proxy_loads_it_then_models_aliases_and_fallbacks_answer(tmp_path):
    async def asking():
        async with (
            LocalUpstream().running() as base_url,
            proxy(tmp_path, configuration(base_url)) as (url, key),
            aiohttp.ClientSession() as session,
        ):
            headers = {"Authorization": f"Bearer {key}"}
            until = time.monotonic() + 90
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/v1/models", headers=headers) as answer:
                        if answer.status == 200:
                            listed = {row["id"] for row in (await answer.json())["data"]}
                            break
                assert time.monotonic() < until, (tmp_path / "log").read_text()[-2000:]
                await asyncio.sleep(0.5)
            said = {}
            for model in ("lab/echo", "echo", "lab/broken"):
                body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
                async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as answer:
                    document = await answer.json()
                    assert answer.status == 200, document
                    said[model] = document["choices"][0]["message"]["content"]
            return listed, said

    listed, said = asyncio.run(asking())
    assert {"lab/echo", "lab/broken"} <= listed
    assert said == dict.fromkeys(("lab/echo", "echo", "lab/broken"), "hello")
