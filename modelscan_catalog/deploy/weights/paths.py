"""Names that become paths: nothing absolute, nothing that climbs, nothing through a link."""

import re
from pathlib import Path, PurePosixPath

from modelscan_catalog.deploy.weights.records import HUBS, WeightsHub
from modelscan_catalog.errors import WeightsError

PARTIAL = ".partial"
"""Below the weights: what is being fetched, in the same layout."""
INDEX = ".modelscan.json"
"""In an install: its index."""
MOST_PATH = 400

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}")
_PINNED = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{6,99}")


def checked_repo(repo: str) -> str:
    """``repo`` when it is ``owner/name``; ``WeightsError`` otherwise."""
    owner, slash, name = repo.partition("/")
    if not slash or not _is_word(owner) or not _is_word(name):
        raise WeightsError(f"repository {repo[:120]!r}: write it as owner/name, such as Qwen/Qwen3-8B")
    return repo


def _is_word(text: str) -> bool:
    return _WORD.fullmatch(text) is not None and ".." not in text


def checked_revision(revision: str) -> str:
    """``revision`` when it can be a branch, tag or commit; ``WeightsError`` otherwise."""
    if not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision:
        raise WeightsError(f"revision {revision[:120]!r}: not the name of a branch, tag or commit")
    return revision


def checked_file(path: str) -> str:
    """``path`` when it is a plain relative path that a repository may hold; ``WeightsError`` otherwise."""
    parts = path.split("/")
    plain = all(part not in ("", ".", "..") and not part.startswith(INDEX) for part in parts)
    if not plain or "\\" in path or ":" in parts[0] or not path.isprintable() or len(path) > MOST_PATH:
        raise WeightsError(f"file {path[:120]!r}: not a plain path inside a repository; it is not fetched")
    return path


def install_directory(
    root: Path, hub: WeightsHub, repo: str, revision: str, *, partial: bool = False
) -> Path:
    """Where a revision lies (or, ``partial``, is being fetched) below ``root``; raises ``WeightsError``."""
    checked_repo(repo)
    if not _PINNED.fullmatch(revision) or ".." in revision:
        raise WeightsError(f"revision {revision[:120]!r}: cannot be a directory")
    base = PurePosixPath(PARTIAL) if partial else PurePosixPath()
    return inside(root, str(base / hub / repo / revision))


def inside(root: Path, relative: str) -> Path:
    """``relative`` below ``root``, when no part of it climbs or is a link; raises ``WeightsError``.

    ``root`` itself may be a link: where weights lie is the owner's choice.
    """
    place = root.resolve()
    parts = PurePosixPath(relative).parts
    if not parts or relative.startswith("/") or ".." in parts or "\0" in relative:
        raise WeightsError(f"{relative[:200]!r}: not a path below {root}")
    for part in parts:
        place = place / part
        if place.is_symlink():
            raise WeightsError(f"{place}: is a symbolic link; weights are not read or written through one")
    return place


def parsed_name(name: str) -> tuple[WeightsHub | None, str, str | None]:
    """Hub, repository and revision of ``[hub/]owner/name[/revision]``; raises ``WeightsError``."""
    parts = name.strip("/").split("/")
    hub = next((known for known in HUBS if len(parts) > 2 and parts[0] == known), None)
    rest = parts[1:] if hub else parts
    if len(rest) not in (2, 3):
        raise WeightsError(f"{name[:120]!r}: name weights as [hub/]owner/name[/revision]")
    repo = checked_repo("/".join(rest[:2]))
    return hub, repo, checked_revision(rest[2]) if len(rest) == 3 else None
