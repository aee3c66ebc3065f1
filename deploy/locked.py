"""Prints the part of a hashed lock that names some packages: what an image holds.

python3 deploy/locked.py requirements.lock deploy/packages/router.txt > router.lock

Only the standard library: it runs in the image's builder before anything is installed.
"""

import re
import sys
from pathlib import Path

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==")


def names_in(text: str) -> set[str]:
    """The names of a list, a line each; text after # is a remark."""
    return {line.partition("#")[0].strip() for line in text.splitlines()} - {""}


def part_of(lock: str, names: set[str]) -> str:
    """Pins of ``lock`` with their hashes for ``names``; exits with 1 where one is not pinned."""
    kept, found, keeping = [], set(), False
    for line in lock.splitlines():
        pin = _PIN.match(line)
        if pin is not None:
            keeping = pin[1] in names
            found.add(pin[1])
        if keeping:
            kept.append(line)
    missing = sorted(names - found)
    if missing:
        sys.exit(f"not in the lock: {', '.join(missing)}")
    return "\n".join(kept) + "\n"


if __name__ == "__main__":
    lock_file, *lists = (Path(argument) for argument in sys.argv[1:])
    wanted: set[str] = set()
    for names_file in lists:
        wanted |= names_in(names_file.read_text("utf-8"))
    sys.stdout.write(part_of(lock_file.read_text("utf-8"), wanted))
