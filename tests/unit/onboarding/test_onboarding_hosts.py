"""Only public hosts are asked, at the address that was looked at, and without a key."""

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from scripted_model import ScriptedModel

from modelscan_catalog.errors import FetchError
from modelscan_catalog.onboarding.probe import probe
from modelscan_catalog.onboarding.texts import read_bytes
from modelscan_catalog.sdk.interface import Endpoint, ProviderInterface


def test_a_probe_asks_public_hosts_only_and_only_when_live() -> None:
    chat = Endpoint(operation="chat", method="POST", path="/chat/completions")
    inside = ProviderInterface(
        provider="x", name="X", base_url="https://169.254.169.254/v1", endpoints=(chat,)
    )
    assert probe(inside, live=False).answers is None
    assert probe(inside, live=True).answers is False


def test_a_probe_sends_no_key_and_tells_an_endpoint_from_a_wrong_address() -> None:
    chat = Endpoint(operation="chat", method="POST", path="/chat/completions")
    for status, answers in ((401, True), (404, False)):
        with ScriptedModel(status).running() as server:
            interface = ProviderInterface(
                provider="x", name="X", base_url=f"{server.base_url}/v1", endpoints=(chat,)
            )
            found = probe(interface, live=True, allow_loopback=True)
        assert found.answers is answers
        assert server.keys == [""]


def test_a_host_is_asked_at_the_address_that_was_found_public_whatever_its_name_says_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = iter(["8.8.8.8", "127.0.0.1"])
    resolved: list[str] = []
    connected: list[tuple[str, str, object]] = []

    def resolve(host: str, *_: object, **__: object) -> list[Any]:
        resolved.append(host)
        return [(2, 1, 6, "", (next(said), 0))]

    def send(_: object, request: httpx.Request) -> httpx.Response:
        sni = request.extensions.get("sni_hostname")
        connected.append((request.url.host, request.headers["host"], sni))
        return httpx.Response(401)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", send)
    chat = Endpoint(operation="chat", method="POST", path="/chat/completions")
    interface = ProviderInterface(
        provider="x", name="X", base_url="https://api.rebinds.ai/v1", endpoints=(chat,)
    )
    assert probe(interface, live=True).answers is True
    assert probe(interface, live=True).answers is False, "now it is this machine"
    assert connected == [("8.8.8.8", "api.rebinds.ai", "api.rebinds.ai")]
    assert resolved == ["api.rebinds.ai"] * 2, "once a request"


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest", "file:///etc/passwd", "//[::1"])
def test_a_page_that_leads_inside_is_not_followed(location: str) -> None:
    with redirecting(location) as url, pytest.raises(FetchError, match="docs"):
        read_bytes(f"{url}/docs", live=True, allow_loopback=True)


@contextmanager
def redirecting(location: str) -> Iterator[str]:
    """A server that sends everybody to ``location``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
