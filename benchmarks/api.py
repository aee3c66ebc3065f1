"""How many hot reads a second `modelscan serve` answers on this machine, with the client on it too.

    python -m benchmarks.api [REGISTRY]

Starts the server on loopback, asks a mix of reads over kept connections for a few seconds each, checks every
answer's status and length, and prints requests a second and latency. Exits 1 below the goal.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import quantiles

from modelscan_catalog.registry import published_dir

GOAL_PER_S = 1_000
CONNECTIONS = 16
SECONDS = 4.0
READS = (
    "/models/alibaba/qwen3-8b",
    "/models?per_page=20",
    "/models?q=vision+under+24+GB&per_page=10",
    "/api/v1/registry/models/Qwen/Qwen3-8B",
    "/recommendations/rtx-4090?per_page=20",
)


async def _ask(port: int, path: str, until: float, spent: list[float]) -> None:
    """One connection: a request at a time until the time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    while (started := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head[:100]
        at = head.lower().index(b"content-length:") + 15
        body = await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
        assert body.startswith(b'{"success":true')
        spent.append(time.perf_counter() - started)
    writer.close()
    await writer.wait_closed()


async def _measure(port: int, path: str) -> tuple[float, float, float]:
    """Requests a second, median and 99th percentile in milliseconds."""
    spent: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(_ask(port, path, started + SECONDS, spent) for _ in range(CONNECTIONS)))
    took = time.perf_counter() - started
    cuts = quantiles(spent, n=100)
    return len(spent) / took, cuts[49] * 1e3, cuts[98] * 1e3


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if server.poll() is not None:
            raise SystemExit(f"the server left with {server.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("the server did not come up in 30 s")


def main() -> None:
    """Measure each read, then all of them at once."""
    registry = Path(sys.argv[1]) if len(sys.argv) > 1 else published_dir()
    port = _free_port()
    command = [str(Path(sys.executable).with_name("modelscan")), "serve", "--port", str(port)]
    server = subprocess.Popen([*command, "--registry", str(registry)], stderr=subprocess.DEVNULL)
    slowest = float("inf")
    try:
        _wait(port, server)
        print(f"{os.cpu_count()} cores shared by server and client, {CONNECTIONS} connections")
        for path in READS:
            per_s, median_ms, p99_ms = asyncio.run(_measure(port, path))
            slowest = min(slowest, per_s)
            print(f"{per_s:8,.0f} a second  median {median_ms:6.2f} ms  p99 {p99_ms:6.2f} ms  {path}")
    finally:
        server.terminate()
        server.wait(10)
    if slowest < GOAL_PER_S:
        raise SystemExit(f"below the goal of {GOAL_PER_S:,} a second")


if __name__ == "__main__":
    main()
