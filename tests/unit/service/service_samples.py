"""A service over a small registry and a local upstream, in this process or as its own."""

import asyncio
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp

from modelscan_catalog.router.config import RouterConfig, config_bytes
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.server import listening
from modelscan_catalog.service.service import Service
from modelscan_catalog.settings import REPOSITORY_ROOT, Loaded, Settings

ROWS = REPOSITORY_ROOT / "tests" / "unit" / "registry" / "published_rows.json"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Upstream:
    """An OpenAI-compatible server that answers after ``wait`` is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.wait = asyncio.Event()
        self.wait.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
                await reader.readexactly(int(lengths[0].partition(b":")[2]) if lengths else 0)
                self.asked += 1
                await self.wait.wait()
                message = {"role": "assistant", "content": "hi"}
                body = json.dumps({"choices": [{"message": message}], "usage": {"prompt_tokens": 1}}).encode()
                writer.write(_HEAD % len(body) + body)
                await writer.drain()
        writer.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve, and give the base URL."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        finally:
            server.close()


def publish(root: Path, upstream: str | None = None) -> Path:
    """The example rows as a published registry, with a router configuration where there is an upstream."""
    for folder in ("offers", "fit"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, value in json.loads(ROWS.read_text("utf-8")).items():
        text = "".join(json.dumps(row) + "\n" for row in value) if name.endswith("l") else json.dumps(value)
        (root / name).write_text(text, "utf-8")
    (root / "fit" / "rtx-4090.json").write_text('{"columns": [], "rows": []}')
    if upstream is not None:
        (root / "router.json").write_bytes(config_bytes(router_config(upstream)))
    index = json.loads((root / "index.json").read_text())
    index["files"] = [
        {
            "path": path.relative_to(root).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(root.rglob("*.json*"))
        if path.name != "index.json"
    ]
    (root / "index.json").write_text(json.dumps(index))
    return root


def router_config(upstream: str) -> RouterConfig:
    """One model ``m`` behind one local provider."""
    provider = {"name": "here", "type": "local", "base_url": upstream}
    return RouterConfig.model_validate(
        {
            "routing": {"direct": {"providers": [provider]}},
            "models": [{"id": "m", "targets": [{"provider": "here", "model": "x"}]}],
            "policy": default_policy().model_dump(),
        }
    )


@contextlib.asynccontextmanager
async def serving(
    load: Callable[[], Loaded], drain_s: float = 5.0
) -> AsyncIterator[tuple[aiohttp.ClientSession, Service]]:
    """A running service of this process and a session that asks it."""
    service = Service(load)
    await service.start()
    try:
        async with (
            listening(service, default_policy(), "127.0.0.1", 0, drain_s) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):
            yield session, service
    finally:
        await service.stop()


def loader(folder: Path, *warnings: str, **settings: Any) -> Callable[[], Loaded]:
    """Settings of a service whose registry and data lie in ``folder``."""
    known = {"catalog_root": folder / "published", "data_dir": folder / "data", **settings}
    return lambda: Loaded(Settings(**known), warnings)


@contextlib.asynccontextmanager
async def process(
    folder: Path, *arguments: str, **environment: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """``modelscan serve`` as a process of its own, and its address."""
    command = [sys.executable, "-c", "from modelscan_catalog.cli.main import main; main()", "serve"]
    command += ["--port", "0", "--registry", str(folder / "published"), *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODELSCAN_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    child = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY_ROOT,
        env={**kept, "MODELSCAN_DATA_DIR": str(folder / "data"), **environment},
    )
    assert child.stdout is not None
    try:
        line = (await child.stdout.readline()).decode()
        yield child, line.partition("serving on ")[2].partition(" ")[0]
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
