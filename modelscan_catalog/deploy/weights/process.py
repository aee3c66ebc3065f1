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
_RUN = "from modelscan_catalog.deploy.weights.fetcher import main; main()"
_ERRORS: dict[Failure, type[ModelScanError]] = {"unknown": UnknownIdError, "network": FetchError}
_NOT_PASSED = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_API_TOKEN", "MODELSCOPE_API_TOKEN",
               "HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN", "MODELSCOPE_CLOUD_USERNAME",
               "SLACK_WEBHOOK_URL")  # fmt: skip


class Fetcher:
    """The fetching process, as a context manager; it is started for its first order and takes several."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        """Bounds the patience of the clients with one file."""
        self._heard: queue.Queue[str | None] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None
        self._held = contextlib.ExitStack()

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def carry_out(self, order: Order, tick: Callable[[], None]) -> Iterator[Said]:
        """What the process says of ``order``; ``tick`` is called between lines, and at least every tick.

        Whatever ``tick`` raises is passed on, and leaving the context stops the process. Raises
        ``UnknownIdError``, ``FetchError`` or ``WeightsError`` with the process' own words.
        """
        if self._process is None:
            self._process = self._started()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(order.model_dump_json() + "\n")
            self._process.stdin.flush()
        while True:
            tick()
            try:
                line = self._heard.get(timeout=TICK_S)
            except queue.Empty:
                continue
            if line is None:
                raise WeightsError(f"{order.repo}: fetching broke off: {_last_words(self._noise)}")
            try:
                said = Said.model_validate_json(line)
            except ValidationError as error:
                raise WeightsError(f"the fetching process says what is no message: {line[:200]!r}") from error
            if said.failure is not None:
                raise _ERRORS.get(said.failure, WeightsError)(said.message)
            if said.done:
                return
            yield said

    def _started(self) -> "subprocess.Popen[str]":
        home = self._held.enter_context(tempfile.TemporaryDirectory(prefix="modelscan-hub-"))
        self._noise: IO[bytes] = self._held.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - it is the stack's
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _RUN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            env=_environment(Path(home), self._timeout_s),
            text=True,
            encoding="utf-8",
            process_group=0,  # an interrupt at the terminal is for us: we end it in good order
        )
        ear = threading.Thread(target=_listen, args=(process, self._heard), daemon=True)
        ear.start()
        self._held.callback(_ended, process, ear)
        return process


def _listen(process: "subprocess.Popen[str]", heard: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        heard.put(line)
    heard.put(None)


def _last_words(noise: IO[bytes]) -> str:
    noise.seek(max(0, noise.seek(0, os.SEEK_END) - 400))
    lines = noise.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it was killed"


def _ended(process: "subprocess.Popen[str]", ear: threading.Thread) -> None:
    """End the process whatever it does; a part on disk is continued by the next one."""
    process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    ear.join()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


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
