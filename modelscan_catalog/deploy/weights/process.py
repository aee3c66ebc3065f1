"""Starts the fetching process, hears it, watches its bytes arrive, and stops it."""

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from modelscan_catalog.deploy.weights.messages import Failure, Order, Said
from modelscan_catalog.errors import FetchError, ModelScanError, UnknownIdError, WeightsError

TICK_S = 0.25
"""How often progress is told, and cancelling and the time-out are heard."""
_GRACE_S = 2.0
_RUN = "import sys; from modelscan_catalog.deploy.weights.fetcher import main; sys.exit(main())"
_ERRORS: dict[Failure, type[ModelScanError]] = {"unknown": UnknownIdError, "network": FetchError}
_NOT_PASSED = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_API_TOKEN", "MODELSCOPE_API_TOKEN",
               "HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN", "MODELSCOPE_CLOUD_USERNAME",
               "SLACK_WEBHOOK_URL")  # fmt: skip


def carry_out(order: Order, tick: Callable[[], None], *, timeout_s: float) -> Iterator[Said]:
    """What the process says of ``order``, while ``tick`` is called between lines and at least every tick.

    Whatever ``tick`` raises stops the process and is passed on. Raises ``UnknownIdError``, ``FetchError`` or
    ``WeightsError`` with the process' own words. ``timeout_s`` bounds the clients' patience with one file.
    """
    with tempfile.TemporaryDirectory(prefix="modelscan-hub-") as home, tempfile.TemporaryFile() as noise:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _RUN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            env=_environment(Path(home), timeout_s),
            text=True,
            encoding="utf-8",
            process_group=0,  # an interrupt at the terminal is for us: we end it in good order
        )
        heard: queue.Queue[str | None] = queue.Queue()
        ear = threading.Thread(target=_listen, args=(process, heard), daemon=True)
        ear.start()
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(order.model_dump_json() + "\n")
                process.stdin.flush()
            yield from _messages(heard, tick)
            if process.wait() != 0:  # it has closed its output, so it is ending
                raise WeightsError(f"{order.repo}: fetching broke off: {_last_words(noise)}")
        finally:
            _stop(process)
            ear.join()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _listen(process: "subprocess.Popen[str]", heard: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        heard.put(line)
    heard.put(None)


def _messages(heard: "queue.Queue[str | None]", tick: Callable[[], None]) -> Iterator[Said]:
    while True:
        tick()
        try:
            line = heard.get(timeout=TICK_S)
        except queue.Empty:
            continue
        if line is None:
            return
        try:
            said = Said.model_validate_json(line)
        except ValidationError as error:
            raise WeightsError(f"the fetching process says what is no message: {line[:200]!r}") from error
        if said.failure is not None:
            raise _ERRORS.get(said.failure, WeightsError)(said.message)
        yield said


def _last_words(noise: IO[bytes]) -> str:
    noise.seek(max(0, noise.seek(0, os.SEEK_END) - 400))
    lines = noise.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it was killed"


def _stop(process: "subprocess.Popen[str]") -> None:
    """End the process whatever it does; a part on disk is continued by the next one."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(home: Path, timeout_s: float) -> dict[str, str]:
    """The clients' settings: no telemetry, no Xet, nothing written to or read from the user's home."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED}
    return {
        **kept,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "MODELSCOPE_HOME": str(home),
        "MODELSCOPE_CACHE": str(home),
        "MODELSCOPE_DOWNLOAD_TOTAL_TIMEOUT": str(max(1, int(timeout_s))),
    }
