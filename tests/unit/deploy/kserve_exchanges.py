"""HTTP exchanges with an API server: recorded through a proxy, replayed in order to whoever asks the same."""

import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

RECORDED = Path(__file__).parent / "recorded_kserve"
Exchange = dict[str, Any]
"""``asked`` (method and path with query), ``type`` and ``body`` of the request, ``status`` and ``answer``."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, exchange: Exchange) -> tuple[int, Any]:
        raise AssertionError

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            self.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def _handle(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        exchange: Exchange = {"asked": f"{self.command} {self.path}"}
        if size:
            exchange |= {
                "type": self.headers.get("content-type"),
                "body": json.loads(self.rfile.read(size)),
            }
        status, answer = self.server.answer(exchange)
        raw = json.dumps(answer).encode() if not isinstance(answer, str) else answer.encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            self.send_header("retry-after", "0")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
        self.wfile.flush()

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _handle  # noqa: N815 - names that http.server looks for

    def log_message(self, *_: Any) -> None:
        pass


class Replay(_Server):
    """Answers what was recorded, in order; what differs is answered with 599 and kept in ``strange``."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        super().__init__()
        self.left = list(exchanges)
        self.strange: list[str] = []

    def answer(self, exchange: Exchange) -> tuple[int, Any]:
        expected = self.left.pop(0) if self.left else {"asked": "nothing more"}
        for key in ("asked", "type", "body"):
            if exchange.get(key) != expected.get(key):
                self.strange.append(f"{key}: {exchange.get(key)} instead of {expected.get(key)}")
                return 599, {"message": self.strange[-1]}
        return expected["status"], expected["answer"]


class Routes(_Server):
    """Answers by method and path alone, as ``table`` says; all else is 404 without a Status object."""

    def __init__(self, table: dict[str, tuple[int, Any]]) -> None:
        super().__init__()
        self.table = table
        self.asked: list[str] = []

    def answer(self, exchange: Exchange) -> tuple[int, Any]:
        self.asked.append(exchange["asked"])
        return self.table.get(exchange["asked"].partition("?")[0], (404, "404 page not found"))


class Recorder(_Server):
    """A proxy to a real API server that keeps what went through, without what nobody reads."""

    unread: ClassVar = {"managedFields", "storageVersionHash", "categories", "shortNames", "verbs"}

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self.upstream = upstream
        self.kept: list[Exchange] = []
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def answer(self, exchange: Exchange) -> tuple[int, Any]:
        method, _, path = exchange["asked"].partition(" ")
        body = json.dumps(exchange["body"]).encode() if "body" in exchange else None
        headers = {"content-type": exchange["type"]} if body else {}
        request = urllib.request.Request(self.upstream + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20, context=self._context) as found:
                status, text = found.status, found.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        answer = self._bare(json.loads(text))
        self.kept.append({**exchange, "status": status, "answer": answer})
        return status, answer

    def _bare(self, thing: Any) -> Any:
        if isinstance(thing, list):
            return [self._bare(item) for item in thing]
        if not isinstance(thing, dict):
            return thing
        return {key: self._bare(value) for key, value in thing.items() if key not in self.unread}

    def write(self, name: str) -> None:
        lines = [json.dumps(exchange, separators=(",", ":"), sort_keys=True) for exchange in self.kept]
        (RECORDED / f"{name}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")


def kubeconfig(folder: Path, url: str) -> str:
    """A kubeconfig for the server at ``url``, in ``folder``."""
    path = folder / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": "not-a-real-one"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    return str(path)


class FakeApi(_Server):
    """Objects by path, kept as they were applied: an API server without rules, for what is not about those.

    It has KServe's kinds, the namespace that is asked for, ``runtimes``, and no nodes, secrets or claims. A
    generation counts the changes of a spec.
    """

    def __init__(self, runtimes: tuple[str, ...]) -> None:
        super().__init__()
        self.runtimes = runtimes
        self.objects: dict[str, dict[str, Any]] = {}
        self._made = 0

    def answer(self, exchange: Exchange) -> tuple[int, Any]:
        method, _, asked = exchange["asked"].partition(" ")
        path, _, query = asked.partition("?")
        dry = "dryRun" in query or "dryRun" in exchange.get("body", {})
        if method == "GET":
            return self._read(path)
        if method == "DELETE":
            found = self.objects.get(path) if dry else self.objects.pop(path, None)
            return (200, found) if found else (404, {"message": "not found"})
        if method == "POST":
            return 201, exchange["body"]
        if path.endswith("/status"):
            self.objects[path.removesuffix("/status")]["status"] = exchange["body"]["status"]
            return 200, self.objects[path.removesuffix("/status")]
        before = self.objects.get(path)
        made = _merged(before or {}, exchange["body"])
        self._made += 1
        own = {"uid": f"uid-{self._made}", "generation": 1, "resourceVersion": str(self._made)}
        made["metadata"] |= {"uid": before["metadata"]["uid"]} if before else own
        if before:
            same = made.get("spec") == before.get("spec")
            made["metadata"]["generation"] = before["metadata"]["generation"] + (0 if same else 1)
        made["metadata"]["resourceVersion"] = str(self._made)
        if not dry:
            self.objects[path] = made
        return 200, made

    def _read(self, path: str) -> tuple[int, Any]:
        kinds = {
            "/apis/serving.kserve.io/v1beta1": "inferenceservices",
            "/apis/serving.kserve.io/v1alpha2": "llminferenceservices",
            "/api/v1": "namespaces",
        }
        if path in kinds:
            return 200, {"resources": [{"name": kinds[path]}]}
        if path.startswith("/api/v1/namespaces/") and path.count("/") == 4:
            return 200, {"metadata": {"name": path.rpartition("/")[2]}}
        if "/clusterservingruntimes/" in path and path.rpartition("/")[2] in self.runtimes:
            return 200, {"spec": {"supportedModelFormats": [{"name": "vLLM"}]}}
        if path.endswith(("/inferenceservices", "/llminferenceservices", "/servingruntimes")):
            return 200, {
                "items": [found for key, found in self.objects.items() if key.startswith(path + "/")]
            }
        found = self.objects.get(path)
        return (200, found) if found else (404, {"message": "not found", "details": {"name": "it"}})


def _merged(before: Any, after: Any) -> Any:
    """``after`` over ``before``; nobody owns a field here, so none is taken away."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    kept = {key: value for key, value in before.items() if key not in after}
    return kept | {key: _merged(before.get(key), value) for key, value in after.items()}
