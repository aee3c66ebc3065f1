"""A small web site on loopback whose pages a test makes up, faults included."""

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.settings import HttpLimits, Settings


@dataclass
class Page:
    """One answer; ``pieces`` are sent with ``pause_s`` between them, ``claim`` as the Content-Length."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0
    pieces: int = 1
    claim: int | None = None
    reset: bool = False


@dataclass
class Asked:
    """What a client sent."""

    path: str
    headers: dict[str, str]


class Site:
    """Pages by path (query left off); a callable gets the request's number, from 0, for that path."""

    def __init__(self) -> None:
        self.pages: dict[str, Page | Callable[[int], Page]] = {}
        self.asked: list[Asked] = []
        self.open_now = 0
        self.open_most = 0
        self.sent_bytes = 0
        self.lock = threading.Lock()
        self.url = ""

    def put_json(self, path: str, value: Any, **options: Any) -> None:
        self.pages[path] = Page(json.dumps(value).encode(), **options)

    def put_gzip(self, path: str, body: bytes) -> None:
        self.pages[path] = Page(gzip.compress(body), headers={"Content-Encoding": "gzip"})

    def count(self, path: str) -> int:
        return sum(asked.path.partition("?")[0] == path for asked in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        site, path = self.site, self.path.partition("?")[0]
        with site.lock:
            number = site.count(path)
            site.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}))
            site.open_now += 1
            site.open_most = max(site.open_most, site.open_now)
        try:
            page = site.pages.get(path, Page(b"no such page", 404))
            self._send(page(number) if callable(page) else page)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with site.lock:
                site.open_now -= 1

    def _send(self, page: Page) -> None:
        if page.reset:
            self.close_connection = True
            self.connection.close()
            return
        etag = page.headers.get("ETag")
        if etag and self.headers.get("If-None-Match") == etag:
            page = Page(b"", 304, {"ETag": etag})
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        if page.status != 304:
            self.send_header("Content-Length", str(len(page.body) if page.claim is None else page.claim))
        self.end_headers()
        step = -(-len(page.body) // page.pieces) or 1
        for start in range(0, len(page.body), step):
            self.wfile.write(page.body[start : start + step])
            self.site.sent_bytes += step
            time.sleep(page.pause_s)
        if page.claim is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address


@pytest.fixture
def new_site() -> Iterator[Callable[[], Site]]:
    """Starts sites on free ports of loopback; all stop with the test."""
    servers: list[ThreadingHTTPServer] = []

    def start() -> Site:
        site = Site()
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        return site

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def site(new_site: Callable[[], Site]) -> Site:
    return new_site()


@pytest.fixture
def make_page() -> type[Page]:
    return Page


@pytest.fixture
def make_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings with all four sources at one URL, short limits, and folders of their own."""
    for name in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "MODELSCAN_MODELS_DEV_URL", "MODELSCAN_GPUSTACK_URL"):
        monkeypatch.delenv(name, raising=False)

    def make(url: str = "http://127.0.0.1:9", **changes: Any) -> Settings:
        limits = {
            "connect_timeout_s": 2,
            "read_timeout_s": 2,
            "total_timeout_s": 3,
            "source_deadline_s": 30,
            "max_attempts": 2,
            "max_retry_wait_s": 3,
            **changes.pop("http", {}),
        }
        return Settings(
            **{
                "registry_dir": tmp_path / "registry",
                "data_dir": tmp_path / "data",
                "models_dev_url": url,
                "gpustack_url": url,
                "huggingface_url": url,
                "modelscope_url": url,
                "popular_repos_per_task": 2,
                "http": HttpLimits(**limits),
                **changes,
            }
        )

    return make
