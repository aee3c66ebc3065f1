"""The router as a process: quick and small to start, nothing lost when ended, little when killed."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sqlite3
import sys
import time
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest
from router_serving import CHAT, OK, RawUpstream, answering, configuration, run

from modelscan_catalog.router.config import config_bytes
from modelscan_catalog.settings import REPOSITORY_ROOT

START_CPU_S = 1.0
"""The start in CPU seconds, as other work on the machine changes those of the clock."""
IDLE_MIB = 120


@contextlib.asynccontextmanager
async def process(tmp_path, urls, **changes):
    path = tmp_path / "router.json"
    path.write_bytes(config_bytes(configuration(urls, **changes)))
    command = [sys.executable, "-m", "modelscan_catalog.router", "--config", str(path), "--port", "0"]
    command += ["--usage", str(tmp_path / "usage.sqlite")]
    child = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=REPOSITORY_ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    )
    try:
        line = (await child.stdout.readline()).decode()
        yield child, line.strip().rpartition("listening on ")[2]
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def stored(tmp_path):
    store = sqlite3.connect(tmp_path / "usage.sqlite")
    try:
        return store.execute("SELECT COALESCE(SUM(requests), 0) FROM usage").fetchone()[0]
    finally:
        store.close()


def test_given_a_router_when_started_then_it_has_cost_less_than_a_second_and_is_small(tmp_path):
    async def starting():
        async with process(tmp_path, ["http://127.0.0.1:9/v1"]) as (child, url):
            async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz") as answer:
                assert answer.status == 200
            started = psutil.Process(child.pid)
            assert sum(started.cpu_times()[:2]) < START_CPU_S
            assert started.memory_info().rss / 2**20 < IDLE_MIB

    run(starting())


async def ask_until(url, stop, answers):
    async with aiohttp.ClientSession(url) as session:
        while not stop.is_set():
            try:
                async with session.post("/v1/chat/completions", json=CHAT) as answer:
                    await answer.read()
                    answers.append((time.monotonic(), answer.status))
            except aiohttp.ClientError:
                return


def test_given_sigterm_under_load_when_the_process_ends_then_every_answer_is_counted(tmp_path):
    async def ending():
        async with RawUpstream(answering()).running() as up, process(tmp_path, [up]) as (child, url):
            answers, stop = [], asyncio.Event()
            clients = [asyncio.create_task(ask_until(url, stop, answers)) for _ in range(4)]
            await asyncio.sleep(0.8)
            child.send_signal(signal.SIGTERM)
            assert await child.wait() == 0
            stop.set()
            await asyncio.gather(*clients)
            assert len(answers) > 50
            assert stored(tmp_path) >= len(answers)

    run(ending())


def test_given_sigkill_under_load_when_the_process_is_gone_then_at_most_a_second_is_missing(tmp_path):
    async def killing():
        async with RawUpstream(answering()).running() as up, process(tmp_path, [up]) as (child, url):
            answers, stop = [], asyncio.Event()
            clients = [asyncio.create_task(ask_until(url, stop, answers)) for _ in range(4)]
            await asyncio.sleep(2.5)
            killed = time.monotonic()
            child.kill()
            await child.wait()
            stop.set()
            await asyncio.gather(*clients)
            older = sum(at < killed - 1.0 for at, _ in answers)
            assert older > 50
            assert stored(tmp_path) >= older

    run(killing())


def test_given_an_answer_under_way_when_sigterm_comes_then_it_still_arrives_and_is_counted(tmp_path):
    asked = asyncio.Event()

    async def slow(upstream, writer):
        asked.set()
        await asyncio.sleep(0.7)
        writer.write(OK)
        return True

    async def ending():
        async with RawUpstream(slow).running() as up, process(tmp_path, [up]) as (child, url):
            async with aiohttp.ClientSession(url) as session:
                answer = asyncio.create_task(session.post("/v1/chat/completions", json=CHAT))
                await asked.wait()
                child.send_signal(signal.SIGTERM)
                assert (await answer).status == 200
            assert await child.wait() == 0
            assert stored(tmp_path) == 1

    run(ending())


SLOW_CLIENTS = 10_000
MAX_CONNECTIONS = 500


def test_given_ten_thousand_slow_clients_when_they_dawdle_then_memory_is_bounded_and_others_are_served(
    tmp_path,
):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < SLOW_CLIENTS + 1000:
        pytest.skip(f"only {hard} open files are allowed here, {SLOW_CLIENTS + 1000} are needed")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def dawdle(port, clients):
        """Connect and say half a word; whether 503 came back is looked at later."""
        for _ in range(SLOW_CLIENTS):
            client = socket.create_connection(("127.0.0.1", port), timeout=20)
            with contextlib.suppress(ConnectionError):
                client.send(b"POST /v1/ch")
            clients.append(client)

    def refused(clients):
        count = 0
        for client in clients:
            client.settimeout(0)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                count += client.recv(64).startswith(b"HTTP/1.1 503")
        return count

    async def asking():
        policy = {"max_connections": MAX_CONNECTIONS, "client_timeout_s": 8.0}
        async with RawUpstream(answering()).running() as up, process(tmp_path, [up], policy=policy) as served:
            child, url = served
            clients = []
            try:
                await asyncio.to_thread(dawdle, urlsplit(url).port, clients)
                assert psutil.Process(child.pid).memory_info().rss / 2**20 < IDLE_MIB
                assert len(psutil.Process(child.pid).net_connections()) <= MAX_CONNECTIONS + 50
                turned_away = await asyncio.to_thread(refused, clients)
                async with aiohttp.ClientSession(url) as session:
                    status = 503
                    while status == 503:
                        await asyncio.sleep(0.2)
                        async with session.post("/v1/chat/completions", json=CHAT) as answer:
                            status = answer.status
            finally:
                for client in clients:
                    client.close()
            return turned_away, status

    try:
        turned_away, status = run(asking(), 60)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert status == 200
    # Of those turned away some find the connection reset before they read why.
    assert SLOW_CLIENTS - MAX_CONNECTIONS >= turned_away > SLOW_CLIENTS / 2


def test_given_sigterm_as_soon_as_it_listens_when_it_ends_then_it_ends_in_order(tmp_path):
    async def ending():
        async with process(tmp_path, ["http://127.0.0.1:9/v1"]) as (child, _):
            child.send_signal(signal.SIGTERM)
            assert await child.wait() == 0

    run(ending())
