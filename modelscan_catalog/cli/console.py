"""What tables and bars are drawn on: as wide as the terminal, 110 columns in a pipe."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress


def table_console() -> Console:
    """A console on standard output that does not squeeze tables when nobody watches."""
    return Console(width=None if sys.stdout.isatty() else 110)


@contextmanager
def progress_bar(quiet: bool) -> "Iterator[Progress]":
    """A bar of bytes on standard error while it is a terminal; it is gone at the end."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.progress import TransferSpeedColumn as Speed

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        Speed(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bar:
        yield bar
