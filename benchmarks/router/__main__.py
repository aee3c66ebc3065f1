"""This router beside other gateways: same engines, load generator and machine, turn by turn in one run.

`python -m benchmarks.router [--peers modelscan,nginx,...] [--seconds N] [--tries N] [--json FILE]`; with
`--peers modelscan,static,relay` it tells what this router's cost is made of. Needs
wrk, nginx (Debian packages) and the gateways' environment, which `make bench-router` creates. Loopback
only; every process is ended by its id. Of the tries at a cell each figure's best counts, as other work on the
machine only makes it worse; still, never compare figures of two runs, read the ratios.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.router import table
from benchmarks.router.engine import MODEL
from benchmarks.router.peers import PARTS, PEERS, Peer
from benchmarks.router.table import CONCURRENCIES


@contextmanager
def process(peer: Peer, log: Path) -> Iterator[psutil.Process]:
    """Run ``peer`` and end its whole group afterwards."""
    with log.open("wb") as out:
        child = subprocess.Popen(
            peer.command,
            env={**os.environ, **peer.env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield psutil.Process(child.pid)
        finally:
            tree = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
            child.terminate()
            _, alive = psutil.wait_procs(tree, timeout=10)
            for one in alive:
                one.kill()
            child.wait()


def cpu_s(tree: psutil.Process) -> float:
    """CPU seconds that a process and its children have used."""
    return sum(sum(one.cpu_times()[:2]) for one in [tree, *tree.children(recursive=True)])


def _our_user_s() -> float:
    """User CPU seconds of this process, of those it runs and of those that it has ended."""
    running = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(one.cpu_times().user for one in running) + os.times().children_user


def ask(port: int, key: str, *, stream: bool = False) -> bytes:
    """One answer."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "stream": stream}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def started_after_s(port: int, key: str, seconds: float = 90) -> float:
    """Seconds until the first answer."""
    begin = time.monotonic()
    while True:
        try:
            ask(port, key)
            return round(time.monotonic() - begin, 2)
        except (OSError, urllib.error.HTTPError):
            if time.monotonic() - begin > seconds:
                raise
            time.sleep(0.02)


def cell(port: int, key: str, concurrency: int, stream: bool, seconds: int) -> dict[str, Any]:
    """One closed loop of wrk."""
    env = {
        **os.environ,
        "BENCH_MODEL": MODEL,
        "BENCH_KEY": key,
        "BENCH_STREAM": "true" if stream else "false",
    }
    script = Path(__file__).with_name("chat.lua")
    command = ["wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "20s", "-s", str(script)]
    command.append(f"http://127.0.0.1:{port}/v1/chat/completions")
    told = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=seconds + 60, check=True
    ).stdout
    got = json.loads(told.partition("BENCH ")[2].splitlines()[0])
    right = got["requests"] - got["failed"]
    return {
        "req_s": round(right / got["micros"] * 1e6, 1),
        "p50_ms": got["p50"] / 1e3,
        "p99_ms": got["p99"] / 1e3,
        "failed": got["failed"],
    }


def disturbed_cell(
    gateway: "Gateway", concurrency: int, stream: bool, options: argparse.Namespace
) -> dict[str, Any]:
    """One cell, with the CPU that the gateway took and what others took meanwhile."""
    everyone, ours, begin = psutil.cpu_times().user, _our_user_s(), time.monotonic()
    before = cpu_s(gateway.process) if gateway.process else 0.0
    got = cell(gateway.port, gateway.key, concurrency, stream, options.seconds)
    spent = time.monotonic() - begin
    foreign = psutil.cpu_times().user - everyone - (_our_user_s() - ours)
    got["foreign_cpu"] = round(foreign / spent, 2)
    if gateway.process and got["req_s"]:
        got["cpu_ms"] = round((cpu_s(gateway.process) - before) / spent / got["req_s"] * 1e3, 4)
    return got


def least_disturbed(tries: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each figure the best of the tries: whatever else runs on the machine only makes figures worse."""
    answered = [one for one in tries if one["req_s"]] or tries
    best = {name: min(one[name] for one in answered) for name in ("p50_ms", "p99_ms", "foreign_cpu")}
    best["req_s"] = max(one["req_s"] for one in answered)
    cpu_ms = [one["cpu_ms"] for one in tries if "cpu_ms" in one]
    if cpu_ms:
        best["cpu_ms"] = min(cpu_ms)
    return best | {"failed": sum(one["failed"] for one in tries), "tries": tries}


@dataclass
class Gateway:
    """A running gateway, or the engine itself without a process, and what is known of it."""

    name: str
    port: int
    key: str
    process: psutil.Process | None
    figures: dict[str, Any] = field(default_factory=dict)

    def settle(self) -> None:
        """Wait for its first answer and see that it streams to the end."""
        self.figures = {"name": self.name, "start_s": started_after_s(self.port, self.key)}
        if b"[DONE]" not in ask(self.port, self.key, stream=True):
            raise RuntimeError(f"{self.name} does not pass a stream on to its end")
        time.sleep(1)
        self.figures["idle_mib"] = _rss_mib(self.process)


def measure(gateways: list[Gateway], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every figure of every gateway, turn by turn: what disturbs the machine meets all of them alike."""
    for gateway in gateways:
        for stream in (False, True):
            cell(gateway.port, gateway.key, 16, stream, 1)
    for stream in (False, True):
        for concurrency in CONCURRENCIES:
            tries: dict[str, list[dict[str, Any]]] = {gateway.name: [] for gateway in gateways}
            for _ in range(options.tries):
                for gateway in gateways:
                    tries[gateway.name].append(disturbed_cell(gateway, concurrency, stream, options))
            name = f"{'stream' if stream else 'plain'}_{concurrency}"
            for gateway in gateways:
                gateway.figures[name] = least_disturbed(tries[gateway.name])
            print(f"{name} is measured", file=sys.stderr, flush=True)
    for _ in range(options.tries):
        for gateway in gateways:
            told = first_byte(gateway.port, gateway.key)
            known = gateway.figures.get("first_byte")
            if known is None or told["p50_ms"] < known["p50_ms"]:
                gateway.figures["first_byte"] = told
    for gateway in gateways:
        gateway.figures["loaded_mib"] = _rss_mib(gateway.process)
    return [gateway.figures for gateway in gateways]


def first_byte(port: int, key: str) -> dict[str, Any]:
    """Milliseconds to the first byte of a stream, of one request after another."""
    command = [sys.executable, "-m", "benchmarks.router.first_byte", str(port), MODEL, key, "2"]
    told = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return dict(json.loads(told))


def main() -> None:
    """Start the engines and the gateways, measure them in turn, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--venv", type=Path, default=Path(".venv-gateways"))
    parser.add_argument("--seconds", type=int, default=3, help="of one cell")
    parser.add_argument("--tries", type=int, default=3, help="at each cell, in turn with the other gateways")
    parser.add_argument("--json", type=Path, help="also write every figure here")
    options = parser.parse_args()
    peers = [name for name in options.peers.split(",") if name]
    known = PEERS | PARTS
    if unknown := set(peers) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed (Debian: apt-get install wrk)")
    venv = options.venv.absolute()
    if not (venv / "bin/granian").exists():
        parser.error(f"{venv} lacks granian, which runs the engines: use make bench-router")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="bench-router-") as folder, ExitStack() as stack:
        root = Path(folder)
        engines = [_free_port(), _free_port()]
        granian = [str(venv / "bin/granian"), "--interface", "asginl", "--loop", "uvloop", "--no-ws"]
        granian += ["--log-level", "warning", "--host", "127.0.0.1", "benchmarks.router.engine:app", "--port"]
        for number, port in enumerate(engines):
            stack.enter_context(process(Peer([*granian, str(port)]), root / f"engine{number}.log"))
            started_after_s(port, "unused")
        gateways = [Gateway("direct", engines[0], "unused", None)]
        gateways[0].settle()
        for name in peers:
            work = root / name
            work.mkdir()
            port = _free_port()
            try:
                peer = known[name](venv, port, engines, work)
                gateway = Gateway(name, port, peer.key, stack.enter_context(process(peer, work / "log")))
                gateway.settle()
                gateways.append(gateway)
            except (OSError, RuntimeError, subprocess.SubprocessError, psutil.Error) as error:
                print(f"{name} was not measured: {type(error).__name__}: {error}", flush=True)
        rows = measure(gateways, options)
    print(table.figures(rows), table.ratios(rows), sep="\n\n")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def _rss_mib(gateway: psutil.Process | None) -> float | None:
    if gateway is None:
        return None
    tree = [gateway, *gateway.children(recursive=True)]
    return round(sum(one.memory_info().rss for one in tree) / 2**20, 1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    main()
