"""Milliseconds to the first byte of a stream's body, one request after another, on a raw socket.

`python -m benchmarks.router.first_byte PORT MODEL KEY SECONDS` prints median and 99th percentile as JSON.
"""

import json
import socket
import sys
import time


def main() -> None:
    """Ask for streams until the time is up."""
    port, model, key, seconds = int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
    body = json.dumps(
        {
            "model": model,
            "messages": [{"role": "user", "content": "hello " * 25}],
            "max_tokens": 64,
            "stream": True,
        }
    )
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    connection: socket.socket | None = None
    taken, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until:
        if connection is None:
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = time.perf_counter()
        connection.sendall(request)
        received, first = b"", None
        while not received.endswith(b"0\r\n\r\n"):
            data = connection.recv(65536)
            if not data:
                break
            received += data
            if first is None and b"data: " in received:
                first = time.perf_counter() - begin
        if first is not None:
            taken.append(first * 1e3)
        if not received.endswith(b"0\r\n\r\n"):
            connection.close()
            connection = None
    taken.sort()
    print(
        json.dumps(
            {"n": len(taken), "p50_ms": taken[len(taken) // 2], "p99_ms": taken[int(len(taken) * 0.99)]}
        )
    )


if __name__ == "__main__":
    main()
