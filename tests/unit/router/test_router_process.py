"""The router as a process: quick and small to start, nothing lost when ended, little when killed."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
import time

import aiohttp
import psutil
from router_serving import CHAT, RawUpstream, answering, configuration, run

from modelscan_catalog.router.config import config_bytes
from modelscan_catalog.settings import REPOSITORY_ROOT

START_CPU_S = 1.0
"""The start in CPU seconds, as other work on the machine changes those of the clock."""
IDLE_MIB = 120


@contextlib.asynccontextmanager
async def process(tmp_path, urls):
    path = tmp_path / "router.json"
    path.write_bytes(config_bytes(configuration(urls)))
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
