"""Runs the work of a job: claims it, beats for it, and writes down how it ended whatever happens."""

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from modelscan_catalog.errors import JobCancelledError, ModelScanError, StateConflictError, StateError
from modelscan_catalog.state.database import open_state
from modelscan_catalog.state.history import write_event
from modelscan_catalog.state.jobs import LOST_AFTER_S, Job, beat, create_job, end_job, job, start_job

LOGGER = logging.getLogger("modelscan.jobs")
LAST_WORDS_S = 5.0
"""How long work whose time is over may take to end by itself: it can say more of why, and what to do."""


class Report(Protocol):
    """What work calls to tell how far it is; raises ``JobCancelledError`` when it should stop."""

    def __call__(
        self,
        *,
        step: str | None = None,
        done: float | None = None,
        total: float | None = None,
        unit: str | None = None,
    ) -> None: ...


Work = Callable[[Report], Mapping[str, Any]]


def run_job(path: Path, identifier: str, work: Work, *, timeout_s: float | None = None) -> Job:
    """Run ``work`` in this thread as the job; its result is kept, its error too.

    A ``ModelScanError`` ends the job as failed with its message, ``JobCancelledError`` as cancelled; any
    other exception ends it as failed and is raised again. After ``timeout_s`` seconds the next report fails
    the job, and ``LAST_WORDS_S`` later it has failed even while the work is in one long call. Raises
    ``StateConflictError`` when the job has ended or another process runs it.
    """
    with open_state(path) as connection:
        if not start_job(connection, identifier):
            raise StateConflictError(f"job {identifier} has ended, or another process runs it")
        started = time.monotonic()

        def report(**progress: Any) -> None:
            if timeout_s is not None and time.monotonic() - started > timeout_s:
                raise StateError(_too_long(timeout_s))
            beat(connection, identifier, **progress)

        try:
            with _heart(path, identifier, timeout_s):
                result = work(report)
        except JobCancelledError as error:
            _close(connection, identifier, "cancelled", error=str(error))
        except ModelScanError as error:
            _close(connection, identifier, "failed", error=str(error))
        except BaseException as error:
            _close(connection, identifier, "failed", error=f"{type(error).__name__}: {error}")
            raise
        else:
            _close(connection, identifier, "succeeded", result=result)
        return job(connection, identifier)


def run_in_thread(
    path: Path, identifier: str, work: Work, *, timeout_s: float | None = None
) -> threading.Thread:
    """The same beside the caller, unless somebody else has the job by then.

    The thread is a daemon; its job can be taken up again after a stop.
    """

    def run() -> None:
        with suppress(StateConflictError):  # the same request, twice at once, is one job
            run_job(path, identifier, work, timeout_s=timeout_s)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def begin_job(
    path: Path,
    kind: str,
    subject: str,
    request: Mapping[str, Any],
    work: Work,
    *,
    timeout_s: float | None = None,
) -> Job:
    """Create a job and run it beside the caller; the open one where the same was asked for already."""
    with open_state(path) as connection:
        created = create_job(connection, kind, subject, request)
    run_in_thread(path, created.id, work, timeout_s=timeout_s)
    return created


@contextmanager
def _heart(path: Path, identifier: str, timeout_s: float | None) -> Iterator[None]:
    """Beats while the work is in one long call, so that nobody takes the job for lost.

    Ends the job in the state when its time is over, or when the work has not heard of a cancellation for as
    long as a lost job is waited for: a thread that hangs cannot be stopped, but nobody waits for it.
    """
    stop = threading.Event()
    until = math.inf if timeout_s is None else time.monotonic() + timeout_s + LAST_WORDS_S

    def run() -> None:
        while not stop.wait(max(0.0, min(LOST_AFTER_S / 4, until - time.monotonic()))):
            try:
                with open_state(path) as connection:
                    if time.monotonic() >= until and timeout_s is not None:
                        _close(connection, identifier, "failed", error=_too_long(timeout_s))
                        return
                    beat(connection, identifier)
            except JobCancelledError as error:
                if not stop.wait(LOST_AFTER_S):
                    with open_state(path) as connection:
                        _close(connection, identifier, "cancelled", error=str(error))
                return
            except StateError as error:
                LOGGER.warning("job %s has no beat: %s", identifier, error)
                stop.wait(LOST_AFTER_S / 4)  # the time of the job may be over: not at once again

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _too_long(timeout_s: float) -> str:
    return f"not done within {timeout_s:g} s"


def _close(
    connection: sqlite3.Connection,
    identifier: str,
    state: Any,
    *,
    result: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> None:
    if not end_job(connection, identifier, state, result=result, error=error):
        return  # its time was over, or somebody else ended it
    ended = job(connection, identifier)
    write_event(
        connection, f"job.{ended.state}", f"{ended.kind}:{ended.subject}", {"error": error}, identifier
    )
