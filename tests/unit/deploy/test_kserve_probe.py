"""Claims about probes: bounded, never redirected, and only hosts that are this machine's or the cluster's."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from modelscan_catalog.deploy.kserve.probe import ping, try_model
from modelscan_catalog.errors import FitInputError


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def says(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def resolving(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    def found(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_a_good_answer_is_good_and_its_body_is_not_told() -> None:
    with answering(says(200, b"secret")) as url:
        health = ping(f"{url}/health")
    assert (health.answers, "secret" in health.message) == (True, False)


@pytest.mark.parametrize("status", [301, 307, 401, 404, 503])
def test_any_other_status_is_no_answer_and_redirects_are_not_followed(status: int) -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        says(status, location="/elsewhere")(handler)

    with answering(answer) as url:
        health = ping(f"{url}/health")
    assert (health.answers, asked) == (False, ["/health"])
    assert f"answered {status}" in health.message


def test_nobody_there_is_an_answer_too() -> None:
    assert "127.0.0.1:9" in ping("http://127.0.0.1:9/").message


def test_an_endless_answer_ends_at_its_bound() -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(600):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    begun = time.monotonic()
    with answering(drip) as url:
        ping(url, timeout_s=0.3)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("localhost", "10.0.0.1"), ("localhost", "169.254.169.254"), ("llm.ai.svc", "127.0.0.1"),
        ("llm.ai.svc", "169.254.169.254"), ("llm.ai.svc.cluster.local", "8.8.8.8"), ("llm.ai.svc", "0.0.0.0"),
        ("listed.example", "169.254.169.254"), ("listed.example", "0.0.0.0"),
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, host: str, address: str
) -> None:
    resolving(monkeypatch, address)
    with pytest.raises(FitInputError, match="is not asked") as refused:
        ping(f"http://{host}:8080/", hosts=["listed.example"])
    assert refused.value.field == "readiness_url"


def test_a_name_is_looked_up_once_and_asked_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts: list[str | None] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        hosts.append(handler.headers["host"])
        says(200)(handler)

    with answering(answer) as url:
        port = url.rpartition(":")[2]
        real = socket.getaddrinfo
        names: list[str] = []

        def once(host: str, *rest: Any, **options: Any) -> Any:
            names.append(host)
            return real("127.0.0.1", *rest, **options)

        monkeypatch.setattr(socket, "getaddrinfo", once)
        assert ping(f"http://listed.example:{port}/", hosts=["listed.example"]).answers
    assert (hosts, names[0], set(names[1:]) <= {"127.0.0.1"}) == (
        [f"listed.example:{port}"],
        "listed.example",
        True,
    )


def test_a_name_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any, **__: Any) -> Any:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", none)
    with pytest.raises(FitInputError, match="has no address"):
        ping("http://llm.ai.svc/")


@pytest.mark.parametrize(
    ("models", "status", "choices", "message"),
    [
        (b'{"data": [{"id": "m"}]}', 200, b'{"choices": [{}]}', "m gave one token"),
        (b'{"data": [{"id": "other"}]}', 200, b"", "lists other, not m"),
        (b'{"data": null}', 200, b"", "lists nothing, not m"),
        (b"<html>", 200, b"", "lists nothing, not m"),
        (b'{"data": [{"id": "m"}]}', 500, b"boom", "chat/completions: answered 500"),
        (b'{"data": [{"id": "m"}]}', 200, b"[]", "chat/completions: answered 200"),
    ],
)
def test_a_model_answers_when_it_is_listed_and_gives_a_token(
    models: bytes, status: int, choices: bytes, message: str
) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "GET":
            says(200, models)(handler)
        else:
            handler.rfile.read(int(handler.headers["content-length"]))
            says(status, choices)(handler)

    with answering(answer) as url:
        health = try_model(f"{url}/v1", "m")
    assert (health.answers, message in health.message) == (message == "m gave one token", True), (
        health.message
    )
