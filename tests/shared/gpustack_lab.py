"""What the tests against a real GPUStack share: weights to deploy, a breakable way to it, recordings."""

import json
import os
import signal
import socket
import struct
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from modelscan_catalog.fit.known import known_config
from modelscan_catalog.settings import REPOSITORY_ROOT

RECORDED = REPOSITORY_ROOT / "tests" / "unit" / "deploy" / "recorded"
ENGINES = Path(os.environ.get("LAB_HOME", Path.home() / ".cache" / "modelscan-lab")) / "gpustack" / "engines"
KEPT = {
    "id", "name", "items", "pagination", "totalPage", "source", "huggingface_repo_id", "local_path",
    "meta", "model_scope_model_id", "replicas", "categories", "backend", "cluster_id", "state",
    "download_progress", "restart_count", "compatible", "error", "vram", "ram", "resource_claim",
    "results", "backend_name", "model_id", "enabled", "default_version", "versions", "version", "index",
    "total", "worker_name", "compute_capability", "memory", "is_default", "data", "code", "reason",
    "choices", "message", "content", "restarted", "state_message", "compatibility_messages",
    "scheduling_messages", "error_message", "modelscan", "body_sha256", "model", "checkpoint", "gpu",
}  # fmt: skip
"""Facts that the client reads; all else of an answer is left out of a recording."""


class Recorder(httpx.BaseTransport):
    """Passes requests on and keeps the exchanges; writes them as facts, without the server's prose."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()
        self.exchanges: list[dict[str, Any]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        response.read()
        body = json.loads(response.content) if response.content.strip() else None
        path = urllib.parse.unquote(request.url.raw_path.decode())
        self.exchanges.append(
            {"ask": f"{request.method} {path}", "status": response.status_code, "answer": _facts(body)}
        )
        return response

    def close(self) -> None:
        self._inner.close()

    def write(self, name: str) -> None:
        """One exchange a line, in order; of equal answers in a row to one question two are kept."""
        RECORDED.mkdir(parents=True, exist_ok=True)
        last: dict[str, tuple[str, int]] = {}
        lines = []
        for exchange in self.exchanges:
            if not exchange["ask"].startswith("GET"):
                last.clear()
            line = json.dumps(exchange, sort_keys=True, separators=(",", ":"))
            before, times = last.get(exchange["ask"], ("", 0))
            times = times + 1 if line == before else 1
            last[exchange["ask"]] = (line, times)
            if times <= 2:
                lines.append(line)
        text = "\n".join(lines).replace(str(weights_dir()), "/weights")
        (RECORDED / f"{name}.jsonl").write_text(text + "\n")


def _facts(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        if name == "modelscan":
            return "(as sent)"
        return {key: _facts(inner, key) for key, inner in value.items() if key in KEPT}
    if isinstance(value, list):
        return [_facts(inner, name) for inner in value[:8]]
    if isinstance(value, str) and "message" in name and value:
        return f"({name})"  # the wording is the server's
    return value


def weights_dir() -> Path:
    """Where ``write_weights`` puts its files: the same place in every run."""
    return Path(os.environ.get("TMPDIR", "/tmp")) / "modelscan-lab-weights"


def write_weights(context: int = 40960) -> Path:
    """A directory that passes for the weights of Qwen3-8B: its config and a tensor file without tensors."""
    known = known_config("Qwen/Qwen3-8B")
    assert known is not None
    folder = weights_dir()
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**known.config, "max_position_embeddings": context}))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    return folder


@contextmanager
def dying_engines() -> Iterator[None]:
    """Within the block every engine that the lab's worker starts is killed at once, by its recorded pid."""
    stopped = threading.Event()

    def kill() -> None:
        while not stopped.wait(0.05):
            for record in ENGINES.glob("*.json"):
                with suppress(OSError, ValueError, KeyError):
                    pid = json.loads(record.read_text())["pid"]
                    # Only a session leader of this record can still be the engine.
                    if os.getsid(pid) == pid:
                        os.killpg(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@contextmanager
def breakable(url: str) -> Iterator[tuple[str, Any]]:
    """An address that leads to ``url`` until the given function is called."""
    target = urllib.parse.urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    sockets: set[socket.socket] = {listener}
    stopped = threading.Event()

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while not stopped.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection((target.hostname, target.port))
            sockets.update((client, server))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

    def cut() -> None:
        stopped.set()
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    port = listener.getsockname()[1]
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}", cut
    finally:
        cut()
