"""The console that tables are printed to: as wide as the terminal, 110 columns in a pipe."""

import sys

from rich.console import Console


def table_console() -> Console:
    """A console on standard output that does not squeeze tables when nobody watches."""
    return Console(width=None if sys.stdout.isatty() else 110)
