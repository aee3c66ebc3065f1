"""LiteLLM as a client, LiteLLM's proxy on our export, and the Anthropic SDK: unmodified, beside the router.

They live in an environment of their own (``make test-gateways``); without it these claims are skipped.
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
from test_router_openai_more import Upstream

from modelscan_catalog.router.app import Router
from modelscan_catalog.router.config import RouterConfig
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.export import litellm
from modelscan_catalog.router.local_upstream import LocalUpstream
from modelscan_catalog.router.server import serving

GATEWAYS = os.environ.get("MODELSCAN_GATEWAYS")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(GATEWAYS is None, reason="MODELSCAN_GATEWAYS is not set: make test-gateways"),
]

CLIENT = """
import json, sys, litellm
base, seen = sys.argv[1], {}
messages = [{"role": "user", "content": "hello"}]
ask = dict(model="openai/lab/echo", api_base=base, api_key="any", messages=messages)
seen["plain"] = litellm.completion(**ask).choices[0].message.content
stream = litellm.completion(**ask, stream=True)
seen["streamed"] = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
try:
    litellm.completion(**{**ask, "model": "openai/lab/none"})
except litellm.NotFoundError as error:
    seen["refused"] = "model_not_found" in str(error) or "no model" in str(error)
print(json.dumps(seen))
"""

ANTHROPIC = """
import json, sys, anthropic
client = anthropic.Anthropic(base_url=sys.argv[1], api_key="any", max_retries=0, timeout=20)
schema = {"type": "object", "properties": {"city": {"type": "string"}}}
tools = [{"name": "weather", "description": "now", "input_schema": schema}]
source = {"type": "base64", "media_type": "image/png", "data": "AA=="}
seen = {}
for model in ("lab/engine", "lab/claude"):
    content = [{"type": "text", "text": "weather?"}, {"type": "image", "source": source}]
    ask = dict(model=model, max_tokens=50, messages=[{"role": "user", "content": content}])
    plain = client.messages.create(**ask)
    called = client.messages.create(**ask, tools=tools)
    call = next(block for block in called.content if block.type == "tool_use")
    seen[model] = [plain.content[0].text, plain.usage.output_tokens, called.stop_reason, call.input["city"]]
for model in ("lab/echo", "lab/claude"):
    ask = dict(model=model, max_tokens=50, messages=[{"role": "user", "content": "hello"}])
    with client.messages.stream(**ask) as stream:
        seen[f"{model} streamed"] = ["".join(stream.text_stream), stream.get_final_message().stop_reason]
for model, kind in (("lab/none", anthropic.NotFoundError), ("lab/broken", anthropic.InternalServerError)):
    try:
        client.messages.create(model=model, max_tokens=5, messages=[{"role": "user", "content": "x"}])
    except kind as error:
        seen[model] = error.body["type"]
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


def test_given_litellm_as_a_client_when_it_asks_then_chat_stream_and_error_are_understood():
    async def asking():
        async with (
            LocalUpstream().running() as base_url,
            serving(Router(lambda: configuration(base_url))) as port,
        ):
            return await run_script(CLIENT, f"http://127.0.0.1:{port}/v1")

    seen = asyncio.run(asking())
    assert seen == {"plain": "hello", "streamed": "".join(f"hello{n}" for n in range(5)), "refused": True}


def test_given_the_anthropic_sdk_when_it_asks_both_kinds_of_target_then_all_answers_are_its_own_types():
    async def asking():
        other = Upstream()
        async with other.running() as engine, LocalUpstream().running() as local:
            providers = [
                {"name": "engine", "type": "local", "base_url": engine},
                {"name": "claude", "type": "local", "base_url": engine, "format": "anthropic"},
                {"name": "local", "type": "local", "base_url": local},
            ]
            named = {
                "lab/engine": ("engine", "e"),
                "lab/claude": ("claude", "c"),
                "lab/echo": ("local", "echo"),
                "lab/broken": ("local", "status-500"),
            }
            config = RouterConfig.model_validate(
                {
                    "routing": {"direct": {"providers": providers}},
                    "models": [
                        {"id": name, "targets": [{"provider": provider, "model": model}]}
                        for name, (provider, model) in named.items()
                    ],
                    "policy": default_policy().model_dump(),
                }
            )
            async with serving(Router(lambda: config)) as port:
                return await run_script(ANTHROPIC, f"http://127.0.0.1:{port}")

    assert asyncio.run(asking()) == {
        "lab/engine": ["seen", 2, "tool_use", "Bern"],
        "lab/claude": ["Looking.", 2, "tool_use", "Bern"],
        "lab/echo streamed": ["".join(f"hello{n}" for n in range(5)), "end_turn"],
        "lab/claude streamed": ["Looking.", "end_turn"],
        "lab/none": "error",
        "lab/broken": "error",
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
