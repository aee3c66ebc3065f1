"""This router beside other gateways: same engines, load generator and machine, one by one, in one run.

`python -m benchmarks.router [--peers modelscan,nginx,...] [--seconds N] [--tries N] [--json FILE]`. Needs
wrk, nginx (Debian packages) and the gateways' environment, which `make bench-router` creates. Loopback
only; every process is ended by its id. Never compare figures of two runs: other work on the machine
changes them, so read the ratios.
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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.router.engine import MODEL
from benchmarks.router.peers import PEERS, Peer

CONCURRENCIES = (1, 16, 64)
_QUIET_CPU = 0.1
"""CPU seconds a second of other processes, above which a cell is measured again."""


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


def quiet_cell(
    port: int,
    key: str,
    concurrency: int,
    stream: bool,
    options: argparse.Namespace,
    gateway: psutil.Process | None,
) -> dict[str, Any]:
    """The cell that other processes disturbed least, of up to ``options.tries``."""
    best: dict[str, Any] = {}
    for _ in range(options.tries):
        everyone, ours, begin = psutil.cpu_times().user, _our_user_s(), time.monotonic()
        gateway_before = cpu_s(gateway) if gateway else 0.0
        got = cell(port, key, concurrency, stream, options.seconds)
        spent = time.monotonic() - begin
        foreign = psutil.cpu_times().user - everyone - (_our_user_s() - ours)
        got["foreign_cpu"] = round(foreign / spent, 2)
        if gateway:
            got["cpu_ms"] = round((cpu_s(gateway) - gateway_before) / spent / got["req_s"] * 1e3, 3)
        if not best or got["foreign_cpu"] < best["foreign_cpu"]:
            best = got
        if got["foreign_cpu"] < _QUIET_CPU:
            break
    return best


def measure(
    name: str, port: int, key: str, gateway: psutil.Process | None, options: argparse.Namespace
) -> dict[str, Any]:
    """Every figure of one gateway."""
    figures: dict[str, Any] = {"name": name, "start_s": started_after_s(port, key)}
    if b"[DONE]" not in ask(port, key, stream=True):
        raise RuntimeError(f"{name} does not pass a stream on to its end")
    time.sleep(1)
    figures["idle_mib"] = _rss_mib(gateway)
    for stream in (False, True):
        cell(port, key, 16, stream, 1)
        for concurrency in CONCURRENCIES:
            figures[f"{'stream' if stream else 'plain'}_{concurrency}"] = quiet_cell(
                port, key, concurrency, stream, options, gateway
            )
    command = [sys.executable, "-m", "benchmarks.router.first_byte", str(port), MODEL, key, "3"]
    figures["first_byte"] = json.loads(
        subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    )
    figures["loaded_mib"] = _rss_mib(gateway)
    print(json.dumps(figures), file=sys.stderr, flush=True)
    return figures


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as Markdown, the last columns as ratios to this router."""
    direct = rows[0]
    own = next((row for row in rows if row["name"] == "modelscan"), None)
    lines = [
        "| gateway | req/s c1/16/64 | p50 ms c1/16/64 | p99 ms c1/16/64 | added p50 ms c1 "
        "| stream req/s c1/16/64 | stream p99 ms c64 | added first byte ms c1 | CPU ms/req c16 "
        "| MiB idle, loaded | start s | failed "
        "| CPU ÷ modelscan | req/s c64 ÷ modelscan |",
        "|" + "---|" * 14,
    ]
    for row in rows:
        plain = [row[f"plain_{c}"] for c in CONCURRENCIES]
        stream = [row[f"stream_{c}"] for c in CONCURRENCIES]
        cpu = plain[1].get("cpu_ms")
        cpu_ratio = f"{cpu / own['plain_16']['cpu_ms']:.2f}" if own and cpu is not None else "–"
        speed_ratio = f"{plain[2]['req_s'] / own['plain_64']['req_s']:.2f}" if own else "–"
        cells = [
            row["name"],
            " / ".join(f"{one['req_s']:.0f}" for one in plain),
            " / ".join(f"{one['p50_ms']:.2f}" for one in plain),
            " / ".join(f"{one['p99_ms']:.1f}" for one in plain),
            f"{plain[0]['p50_ms'] - direct['plain_1']['p50_ms']:.2f}",
            " / ".join(f"{one['req_s']:.0f}" for one in stream),
            f"{stream[2]['p99_ms']:.1f}",
            f"{row['first_byte']['p50_ms'] - direct['first_byte']['p50_ms']:.2f}",
            "–" if cpu is None else f"{cpu:.3f}",
            "–" if row["idle_mib"] is None else f"{row['idle_mib']:.0f}, {row['loaded_mib']:.0f}",
            f"{row['start_s']:.2f}",
            str(sum(one["failed"] for one in plain + stream)),
            cpu_ratio,
            speed_ratio,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Start the engines, measure each gateway in turn, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--venv", type=Path, default=Path(".venv-gateways"))
    parser.add_argument("--seconds", type=int, default=5, help="of one cell")
    parser.add_argument("--tries", type=int, default=3, help="at a cell that nothing disturbs")
    parser.add_argument("--json", type=Path, help="also write every figure here")
    options = parser.parse_args()
    peers = [name for name in options.peers.split(",") if name]
    if unknown := set(peers) - set(PEERS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed (Debian: apt-get install wrk)")
    venv = options.venv.absolute()
    if not (venv / "bin/granian").exists():
        parser.error(f"{venv} lacks granian, which runs the engines: use make bench-router")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-router-") as folder:
        root = Path(folder)
        engines = [_free_port(), _free_port()]
        granian = [str(venv / "bin/granian"), "--interface", "asginl", "--loop", "uvloop", "--no-ws"]
        granian += ["--log-level", "warning", "--host", "127.0.0.1", "benchmarks.router.engine:app", "--port"]
        with (
            process(Peer([*granian, str(engines[0])]), root / "engine0.log"),
            process(Peer([*granian, str(engines[1])]), root / "engine1.log"),
        ):
            for engine in engines:
                started_after_s(engine, "unused")
            rows.append(measure("direct", engines[0], "unused", None, options))
            for name in peers:
                work = root / name
                work.mkdir()
                port = _free_port()
                try:
                    peer = PEERS[name](venv, port, engines, work)
                    with process(peer, work / "log") as gateway:
                        rows.append(measure(name, port, peer.key, gateway, options))
                except (OSError, RuntimeError, subprocess.SubprocessError, psutil.Error) as error:
                    print(f"{name} was not measured: {type(error).__name__}: {error}", flush=True)
    print(table(rows))
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
