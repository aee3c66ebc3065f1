"""The process that talks to a hub with the hub's own client: reads orders, writes what it sees.

A process of its own, because the clients take their settings from the environment when they are imported
and keep caches and names in the home directory, and because only a process can be stopped at once.
"""

import errno
import hashlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from modelscan_catalog.deploy.weights.messages import Failure, Order, Said
from modelscan_catalog.deploy.weights.records import InstalledFile, RemoteFile

_BLOCK = 1024 * 1024
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG)


class HubFailedError(Exception):
    """Why the order cannot be carried out, in words for a person."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure: Failure = failure


FetchOne = Callable[[Order, RemoteFile, Path], None]
"""Puts the file at the path, resuming what is there; raises ``HubFailedError``."""


def main() -> None:
    """Carry out the orders on standard input one by one; ends with it, so that no orphan goes on fetching."""
    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_hear, args=(orders,), daemon=True).start()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the clients print is no line of ours
    while True:
        order = Order.model_validate_json(orders.get())
        try:
            _carry_out(order, out)
        except HubFailedError as error:
            _say(out, Said(failure=error.failure, message=str(error)))
            os._exit(1)  # files that other threads still fetch are resumed by the next run
        _say(out, Said(done=True))


def _hear(orders: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)  # the parent is gone or has no more orders


def _say(out: TextIO, said: Said) -> None:
    out.write(said.model_dump_json() + "\n")
    out.flush()


def _carry_out(order: Order, out: TextIO) -> None:
    if order.hub == "huggingface":
        from modelscan_catalog.deploy.weights import from_huggingface as client
    else:
        from modelscan_catalog.deploy.weights import from_modelscope as client  # type: ignore[no-redef]
    if order.what == "list":
        _say(out, Said(listing=client.listing(order)))
        return
    # Not as a context manager: a failure is told at once, and not when the other files are there.
    pool = ThreadPoolExecutor(order.parallel)
    waiting = [pool.submit(_one, client.fetch, order, file) for file in order.files]
    for done in as_completed(waiting):
        _say(out, Said(file=done.result()))
    pool.shutdown()


def _one(fetch: FetchOne, order: Order, file: RemoteFile) -> InstalledFile:
    """The file, whole and checked, at its place in the directory of the order."""
    place = Path(order.directory) / file.path
    with disk_errors(file.path):
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            fetch(order, file, place)
        return checked(file, place)


def checked(file: RemoteFile, place: Path) -> InstalledFile:
    """The file as it lies at ``place``; what differs from the listing is removed and refused."""
    size = place.stat().st_size
    sha256, git = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
    git.update(b"blob %d\0" % size)
    with place.open("rb") as stream:
        while block := stream.read(_BLOCK):
            sha256.update(block)
            if file.check == "git_sha1":
                git.update(block)
        os.fsync(stream.fileno())  # the index that is written later vouches for these bytes
    found = sha256.hexdigest()
    wrong = None
    if file.bytes is not None and size != file.bytes:
        wrong = f"has {size} bytes, the hub lists {file.bytes}"
    elif file.sha256 is not None and found != file.sha256:
        wrong = f"has the sha256 {found}, the hub lists {file.sha256}"
    elif file.check == "git_sha1" and git.hexdigest() != file.git_sha1:
        wrong = f"has the git id {git.hexdigest()}, the hub lists {file.git_sha1}"
    if wrong:
        place.unlink()
        raise HubFailedError("integrity", f"{file.path}: {wrong}; it was thrown away, run the install again")
    return InstalledFile(path=file.path, bytes=size, sha256=found, checked=file.check)


@contextmanager
def disk_errors(path: str) -> Iterator[None]:
    """Says of an error of the disk which file it was about."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK:
            raise
        why = os.strerror(error.errno)
        raise HubFailedError("disk", f"{path}: cannot be written: {why}; what is there is kept") from error
