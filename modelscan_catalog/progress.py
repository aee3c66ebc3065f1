"""Progress of long work: stages report, whoever listens draws. Silent when nobody does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A report: ``done`` of ``total`` items of ``task`` in ``stage``; ``total`` is None while unknown."""

    stage: str
    task: str
    done: int
    total: int | None = None
    note: str = ""


Listener = Callable[[Step], None]

_listener: ContextVar[Listener | None] = ContextVar("progress_listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send the reports of this context to ``listener``."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report(stage: str, task: str, done: int, total: int | None = None, note: str = "") -> None:
    """Tell the listener, if there is one."""
    if listener := _listener.get():
        listener(Step(stage, task, done, total, note))
