"""Exchanges with a real GPUStack 2.3.0, answered again in order; ``make test-gpustack`` records them."""

import json
import struct
import urllib.parse
from pathlib import Path
from typing import Any

import httpx

from modelscan_catalog.fit.known import known_config

RECORDED = Path(__file__).parent / "recorded"


class Replay(httpx.BaseTransport):
    """Writes (every method but GET) must come in the recorded order; reads between two of them may repeat.

    A read gets the recorded answers of its stretch one by one and then the last again, as a poll does. The
    mark by which ModelScan knows its own is not recorded: it is what the client sent last.
    """

    def __init__(self, name: str) -> None:
        lines = (RECORDED / f"{name}.jsonl").read_text().splitlines()
        self._left = [json.loads(line) for line in lines]
        self._last: dict[str, dict[str, Any]] = {}
        self._meta: dict[str, Any] = {}
        self.sent: list[tuple[str, Any]] = []
        """Every write with its body."""
        self.gone_once = ""
        """With the first answer that has this in it the server goes away, until this is cleared."""
        self._gone = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        ask = f"{request.method} {urllib.parse.unquote(request.url.raw_path.decode())}"
        body = json.loads(request.content) if request.content else None
        if self._gone and self.gone_once:
            raise httpx.ConnectError("Connection refused", request=request)
        if request.method == "GET":
            exchange = self._read(ask)
            self._gone = bool(self.gone_once) and self.gone_once in json.dumps(exchange)
        else:
            self.sent.append((ask, body))
            if isinstance(body, dict) and "meta" in body:
                self._meta[body["name"]] = body["meta"]["modelscan"]
            exchange = self._write(ask)
        return httpx.Response(exchange["status"], json=self._marked(exchange["answer"]))

    def _read(self, ask: str) -> dict[str, Any]:
        for place, exchange in enumerate(self._left):
            if not exchange["ask"].startswith("GET"):
                break
            if exchange["ask"] == ask:
                self._last[ask] = self._left.pop(place)
                break
        assert ask in self._last, f"{ask} was not recorded here"
        return self._last[ask]

    def _write(self, ask: str) -> dict[str, Any]:
        while self._left and self._left[0]["ask"].startswith("GET"):
            passed = self._left.pop(0)
            self._last[passed["ask"]] = passed
        assert self._left, f"{ask}: nothing more was recorded"
        exchange = self._left.pop(0)
        assert exchange["ask"] == ask
        return dict(exchange)

    def _marked(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._marked(one) for one in value]
        if isinstance(value, dict):
            if value.get("meta") == {"modelscan": "(as sent)"}:
                return value | {"meta": {"modelscan": self._meta[value["name"]]}}
            return {key: self._marked(inner) for key, inner in value.items()}
        return value


def write_weights(folder: Path) -> Path:
    """A directory that passes for the weights of Qwen3-8B: its config and a tensor file without tensors."""
    known = known_config("Qwen/Qwen3-8B")
    assert known is not None
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(dict(known.config)))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    return folder
