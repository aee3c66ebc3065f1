"""Starts a router process on a configuration, talks to it as a client would, and stops it."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from modelscan_catalog.errors import CheckFailedError
from modelscan_catalog.router.config import RouterConfig, config_bytes, parse_config
from modelscan_catalog.router.local_upstream import PIECES, LocalUpstream
from modelscan_catalog.settings import REPOSITORY_ROOT

_STOP_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class RouterCheck:
    """One claim about the running router and whether it held."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class RouterReport:
    """What ``check_router`` saw."""

    checks: tuple[RouterCheck, ...]
    start_s: float
    models_listed: int

    @property
    def passed(self) -> bool:
        """Whether every check held."""
        return all(check.passed for check in self.checks)


def check_router(config: RouterConfig, *, timeout_s: float = 60.0) -> RouterReport:
    """Serve ``config`` in a process of its own, with two local models added, and check the process.

    Only the added models are called, on loopback. The process is stopped by its id in every case. Raises
    ``CheckFailedError`` when it does not start or does not finish within ``timeout_s``.
    """
    try:
        return asyncio.run(asyncio.wait_for(_check(config), timeout_s))
    except TimeoutError:
        raise CheckFailedError(f"the router did not finish its checks within {timeout_s:g} s") from None


@asynccontextmanager
async def router_process(config_path: Path, env: dict[str, str] | None = None) -> AsyncIterator[str]:
    """A router process on a free loopback port; gives its base URL and stops it at the end.

    Raises ``CheckFailedError`` with the process's own words when it does not start.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "modelscan_catalog.router",
        "--config",
        str(config_path),
        "--port",
        "0",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
        cwd=REPOSITORY_ROOT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = (await process.stdout.readline()).decode()
        if "listening on " not in line:
            told = (await process.stderr.read()).decode(errors="replace").strip()
            raise CheckFailedError(f"the router did not start: {told[-500:]}")
        drained = asyncio.create_task(process.stderr.read())
        yield line.strip().rpartition("listening on ")[2]
        process.terminate()
        await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
        await drained
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _check(config: RouterConfig) -> RouterReport:
    upstream = LocalUpstream()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "router.json"
        async with upstream.running() as base_url:
            path.write_bytes(config_bytes(_with_check_models(config, base_url)))
            started = time.perf_counter()
            async with (
                router_process(path) as url,
                aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=20)) as session,
            ):
                start_s = time.perf_counter() - started
                client = _Client(session, path)
                claims: list[tuple[str, Callable[[], Awaitable[str]]]] = [
                    ("lists its models", client.lists),
                    ("answers a chat", client.plain),
                    ("streams a chat", client.streams),
                    ("falls back from an upstream that answers 500", client.falls_back),
                    ("explains a decision", client.decides),
                    ("counts its calls", client.counts),
                    ("sends a split's sessions to its canary, and counts them apart", client.splits),
                    ("tells Prometheus", client.measures),
                    ("refuses malformed JSON and unknown models in the OpenAI shape", client.refuses),
                    ("keeps serving when a new configuration is bad", client.survives_bad_config),
                ]
                checks = [await _claim(name, claim) for name, claim in claims]
    return RouterReport(tuple(checks), round(start_s, 3), client.listed)


class _Client:
    """The requests of the checks; each returns what it saw or raises ``AssertionError``."""

    def __init__(self, session: aiohttp.ClientSession, config_path: Path) -> None:
        self._session = session
        self._config_path = config_path
        self.listed = 0

    async def lists(self) -> str:
        async with self._session.get("/v1/models") as answer:
            ids = [row["id"] for row in (await answer.json())["data"]]
        self.listed = len(ids)
        return _expect("check/echo" in ids, f"{len(ids)} models listed")

    async def plain(self) -> str:
        _, document = await self._ask({"model": "check/echo", "messages": _messages("hello")})
        content = document["choices"][0]["message"]["content"]
        return _expect(content == "hello", f"answer {content!r}")

    async def streams(self) -> str:
        body = {"model": "check/echo", "messages": _messages("x"), "stream": True}
        async with self._session.post("/v1/chat/completions", json=body) as answer:
            events = [line async for line in answer.content if line.startswith(b"data: ")]
        whole = len(events) == PIECES + 2 and events[-1].strip() == b"data: [DONE]"
        return _expect(whole, f"{len(events)} events")

    async def falls_back(self) -> str:
        status, _ = await self._ask({"model": "check/fallback", "messages": _messages("y")})
        return _expect(status == 200, f"status {status}")

    async def decides(self) -> str:
        async with self._session.post("/route", json={"query": "hello", "model": "check/echo"}) as answer:
            decision = await answer.json()
        return _expect(decision["target"] == "check/echo", f"target {decision['target']}")

    async def counts(self) -> str:
        async with self._session.get("/api/stats", params={"model": "check/echo"}) as answer:
            [row] = (await answer.json())["models"]
        return _expect(row["requests"] >= 2, f"{row['requests']} calls")

    async def splits(self) -> str:
        body = {"model": "check/split", "messages": _messages("x")}
        async with self._session.post("/v1/chat/completions", json=body) as answer:
            target = answer.headers.get("X-ModelScan-Target")
        async with self._session.get("/api/stats", params={"model": "check/echo"}) as answer:
            arms = {row["arm"]: row["requests"] for row in (await answer.json())["arms"]}
        return _expect((target, arms.get("canary")) == ("check/echo", 1), f"{target}, {arms}")

    async def measures(self) -> str:
        async with self._session.get("/metrics") as answer:
            text = await answer.text()
        told = sum(line.startswith("modelscan_router_upstream_calls_total{") for line in text.splitlines())
        return _expect(told >= 2, f"{told} kinds of calls")

    async def refuses(self) -> str:
        bad = await self._ask(b"{nonsense")
        unknown = await self._ask({"model": "check/none", "messages": _messages("z")})
        codes = [(status, document["error"]["code"]) for status, document in (bad, unknown)]
        return _expect(codes == [(400, "invalid_json"), (404, "model_not_found")], str(codes))

    async def survives_bad_config(self) -> str:
        self._config_path.write_text('{"routing": {}}', "utf-8")
        async with self._session.post("/refresh") as answer:
            refused = answer.status
        status, _ = await self._ask({"model": "check/echo", "messages": _messages("still")})
        return _expect((refused, status) == (422, 200), f"refresh {refused}, chat {status}")

    async def _ask(self, body: dict[str, Any] | bytes) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self._session.post("/v1/chat/completions", data=data) as answer:
            return answer.status, await answer.json()


async def _claim(name: str, claim: Callable[[], Awaitable[str]]) -> RouterCheck:
    try:
        return RouterCheck(name, True, await claim())
    except (AssertionError, aiohttp.ClientError, KeyError, ValueError, TimeoutError) as error:
        return RouterCheck(name, False, f"{type(error).__name__}: {error}")


def _expect(held: bool, seen: str) -> str:
    if not held:
        raise AssertionError(seen)
    return seen


def _messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def _with_check_models(config: RouterConfig, base_url: str) -> RouterConfig:
    document = config.model_dump(mode="json")
    document["routing"]["direct"]["providers"].append(
        {"name": "check", "type": "local", "base_url": base_url, "model": "check/echo"}
    )
    working = {"provider": "check", "model": "echo", "priority": 1}
    failing = {"provider": "check", "model": "status-500"}
    document["models"] += [
        {"id": "check/echo", "targets": [working]},
        {"id": "check/fallback", "targets": [failing, working]},
        {"id": "check/split", "targets": [failing]},
    ]
    document["splits"] = {"check/split": {"canary": {"model": "check/echo", "share": 1.0}}}
    return parse_config(json.dumps(document).encode(), "the configuration with check models")
