"""Connections to upstreams: TLS checked, kept alive, given back, answers of every framing."""

import asyncio
import contextlib
import io
import json
import shutil
import ssl
import subprocess

import aiohttp
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from router_serving import ANSWER, CHAT, OK, RawUpstream, answering, chat, configuration, routed, run

from modelscan_catalog.router.app import Router
from modelscan_catalog.router.server import serving
from modelscan_catalog.router.upstream import Address, UpstreamError, Upstreams

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CUT = "closed before the end of its answer"
HEAD = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


async def answered(raw, *, close=False):
    """The body that comes of ``raw`` bytes, or the reason why none does."""

    async def behave(upstream, writer):
        for piece in raw if isinstance(raw, list) else [raw]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return not close

    async with RawUpstream(behave).running() as url:
        pool = Upstreams(1.0, 10)
        try:
            answer = await pool.ask(Address.of(url), HEAD, b"{}", 1.0)
            try:
                return answer.status, await answer.whole(1.0, 10**6)
            finally:
                answer.release()
        except UpstreamError as error:
            return error.reason
        finally:
            await pool.close()


@pytest.mark.parametrize(
    ("raw", "close", "got"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", False, (200, b"hi")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n",
            False,
            (200, b"hi"),
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", True, (200, b"hi")),
        (b"HTTP/1.0 200 OK\r\n\r\nhi", True, (200, b"hi")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, (204, b"")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", False, (200, b"hi")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", True, CUT),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
            True,
            "closed before the end of its answer",
        ),
        (CHUNKED + b"zz\r\n", False, "its answer is not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 9_000_000,
            False,
            "its answer exceeds 1000000 bytes",
        ),
    ],
)
def test_given_an_answer_of_any_framing_when_read_then_it_is_whole_or_the_reason_is_told(raw, close, got):
    assert run(answered(raw, close=close)) == got


@settings(deadline=None, max_examples=20)
@given(st.binary(max_size=300), st.integers(1, 50))
def test_given_any_body_cut_anywhere_when_read_then_it_is_the_same(body, size):
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    raw = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + raw
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert run(answered(pieces)) == (200, body)


def test_given_answers_read_to_their_end_when_asked_again_then_one_connection_serves_them_all():
    async def asking():
        async with routed(answering()) as (session, _, [up]):
            for _ in range(10):
                await chat(session)
            assert up.connections == 1

    run(asking())


def test_given_unasked_bytes_on_a_kept_connection_when_asked_again_then_it_is_not_used():
    async def behave(upstream, writer):
        writer.write(OK + (OK if upstream.connections == 1 else b""))
        await writer.drain()
        return True

    async def asking():
        async with routed(behave) as (session, _, [up]):
            for _ in range(3):
                assert (await chat(session))[0] == 200
                await asyncio.sleep(0.02)
            assert up.connections == 2

    run(asking())


def test_given_the_bound_on_connections_when_reached_then_the_next_is_refused():
    async def hangs(upstream, writer):
        await asyncio.sleep(30)
        return False

    async def asking():
        async with RawUpstream(hangs).running() as url:
            pool = Upstreams(1.0, 2)
            asked = [asyncio.create_task(pool.ask(Address.of(url), HEAD, b"{}", 5.0)) for _ in range(2)]
            await asyncio.sleep(0.1)
            with pytest.raises(UpstreamError, match="2 upstream connections are open"):
                await pool.ask(Address.of(url), HEAD, b"{}", 5.0)
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            await asyncio.sleep(0.05)
            with pytest.raises(UpstreamError, match="no answer in time"):
                await pool.ask(Address.of(url), HEAD, b"{}", 0.1)
            await pool.close()

    run(asking())


@pytest.fixture
def certificate(tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    command = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "cert.pem", tmp_path / "key.pem"


@contextlib.asynccontextmanager
async def tls_upstream(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    upstream = RawUpstream(answering())
    server = await asyncio.start_server(upstream._serve, "localhost", 0, ssl=context)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_given_a_tls_upstream_when_its_certificate_is_trusted_then_it_answers_and_else_it_never_sees_a_key(
    certificate, monkeypatch, runner
):
    monkeypatch.setenv("K", "sk-never-to-strangers")

    async def asking():
        async with tls_upstream(certificate) as url:
            statuses, trusting = [], ssl.create_default_context(cafile=certificate[0])
            for trusted in (False, True):
                if trusted:
                    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
                router = Router(lambda: configuration([url], provider={"key": "env:K"}))
                async with (
                    serving(router) as port,
                    aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
                ):
                    statuses += [(await chat(session))[0] for _ in range(2)]
            return statuses

    assert runner(asyncio.wait_for(asking(), 20)) == [502, 502, 200, 200]


def test_given_a_large_prompt_when_the_upstream_reads_slowly_then_all_of_it_arrives():
    async def asking():
        async with routed(answering()) as (session, _, [up]):
            content = "long " * 1_000_000
            body = {"model": "m", "messages": [{"role": "user", "content": content}]}
            sent = io.BytesIO(json.dumps(body).encode())
            async with session.post("/v1/chat/completions", data=sent) as answer:
                assert (answer.status, await answer.json()) == (200, json.loads(ANSWER))
            assert json.loads(up.bodies[0])["messages"] == body["messages"]
            assert (await chat(session, CHAT))[0] == 200

    run(asking())
