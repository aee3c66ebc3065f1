"""What is installed: lists, finds, measures, verifies and deletes; an install is what has an index."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock
from pydantic import ValidationError

from modelscan_catalog.deploy.weights.paths import (
    INDEX,
    PARTIAL,
    checked_file,
    inside,
    install_directory,
    parsed_name,
)
from modelscan_catalog.deploy.weights.records import HUBS, Install, InstalledFile, WeightsHub
from modelscan_catalog.errors import AmbiguousIdError, UnknownIdError, WeightsError

_BLOCK = 16 * 1024 * 1024


@dataclass(frozen=True)
class Usage:
    """Bytes below the weights directory and of its disk; files that revisions share count once."""

    path: Path
    installs: int
    installed_bytes: int
    partial_bytes: int
    disk_bytes: int
    disk_free_bytes: int
    threshold: float

    @property
    def used_share(self) -> float:
        """Of the disk, whoever uses it; 0 to 1."""
        return (self.disk_bytes - self.disk_free_bytes) / self.disk_bytes if self.disk_bytes else 0.0

    @property
    def alert(self) -> bool:
        """Whether more is used than the threshold allows."""
        return self.used_share >= self.threshold


@dataclass(frozen=True)
class Damage:
    """A file that is not as the index says."""

    path: str
    what: str


def directory_of(root: Path, install: Install) -> Path:
    """Where the files of ``install`` lie."""
    return install_directory(root, install.hub, install.repo, install.revision)


def read_install(root: Path, hub: WeightsHub, repo: str, revision: str) -> Install | None:
    """The install at its place; None when there is none, or no whole one.

    Raises ``WeightsError`` naming an index that is damaged or of another place.
    """
    path = install_directory(root, hub, repo, revision) / INDEX
    if path.is_symlink() or not path.is_file():
        return None
    try:
        install = Install.model_validate_json(path.read_bytes())
        for file in install.files:
            checked_file(file.path)
    except (OSError, ValidationError, WeightsError) as error:
        raise WeightsError(
            f"{path}: the index cannot be read; delete the folder and install again"
        ) from error
    if (install.hub, install.repo, install.revision) != (hub, repo, revision):
        raise WeightsError(f"{path}: is the index of {install.name}; move the folder to where it belongs")
    return install


def write_index(root: Path, install: Install) -> None:
    """Make ``install`` known; all or nothing."""
    from modelscan_catalog.store import replaced_file  # it brings Arrow, which nothing else here needs

    with replaced_file(directory_of(root, install) / INDEX) as temporary:
        temporary.write_text(install.model_dump_json(indent=1) + "\n", "utf-8")


def list_installs(root: Path) -> tuple[list[Install], list[str]]:
    """Whole installs by name, and what is wrong with those that cannot be read."""
    found, problems = [], []
    for hub in HUBS:
        for path in sorted((root.resolve() / hub).glob(f"*/*/*/{INDEX}")):
            owner, name, revision = path.parts[-4:-1]
            try:
                install = read_install(root, hub, f"{owner}/{name}", revision)
            except WeightsError as error:
                problems.append(str(error))
            else:
                found += [install] if install else []
    return found, problems


def find_install(root: Path, name: str) -> Install:
    """The install that ``[hub/]owner/name[/revision]`` means; a revision may be shortened, or a branch.

    Raises ``UnknownIdError`` or ``AmbiguousIdError`` with candidates.
    """
    try:
        hub, repo, revision = parsed_name(name)
    except WeightsError as error:
        raise UnknownIdError(str(error)) from error
    installs, _ = list_installs(root)
    found = [
        install
        for install in installs
        if install.repo.lower() == repo.lower()
        and hub in (None, install.hub)
        and (revision is None or install.revision.startswith(revision) or revision in install.asked)
    ]
    if len(found) > 1:
        names = [install.name for install in found]
        raise AmbiguousIdError(f"weights {name[:200]}: which of {', '.join(names)}?", names)
    if not found:
        from difflib import get_close_matches

        near = get_close_matches(repo, sorted({install.repo for install in installs}), n=3, cutoff=0.5)
        hint = f"; there is {', '.join(near)}" if near else "; `modelscan weights list` shows what is"
        raise UnknownIdError(f"weights {name[:200]}: not installed{hint}", near)
    return found[0]


def find_local(repo: str, revision: str | None, root: Path) -> Path | None:
    """The directory of ``repo``'s weights on either hub, all files there; None when they are not installed.

    ``revision`` is a commit or a branch that an install was asked by; None takes the newest install. For a
    plan's ``local`` source. Only sizes are compared: `modelscan weights verify` reads the bytes.
    """
    matching = [
        install
        for install in list_installs(root)[0]
        if install.repo.lower() == repo.lower()
        and (revision is None or install.revision == revision or revision in install.asked)
    ]
    for install in sorted(matching, key=lambda install: install.installed_at, reverse=True):
        if not any(_cheap_damage(directory_of(root, install), file) for file in install.files):
            return directory_of(root, install)
    return None


def _cheap_damage(directory: Path, file: InstalledFile) -> str | None:
    path = inside(directory, file.path)
    if not path.is_file():
        return "is gone"
    size = path.stat().st_size
    return None if size == file.bytes else f"has {size} bytes instead of {file.bytes}"


def sha256_of(path: Path, tick: Callable[[int], None]) -> str:
    """SHA-256 of a file; ``tick`` is called with the size of every block and may raise."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            tick(len(block))
    return digest.hexdigest()


def verify_install(root: Path, install: Install, tick: Callable[[int], None]) -> list[Damage]:
    """Read every byte again; what differs from the index. ``tick`` is called with bytes read."""
    directory, damages = directory_of(root, install), []
    for file in install.files:
        what = _cheap_damage(directory, file)
        if what is None and sha256_of(inside(directory, file.path), tick) != file.sha256:
            what = "has other content than when it was installed"
        if what is not None:
            damages.append(Damage(file.path, what))
    return damages


def drop_damaged(root: Path, install: Install, damages: list[Damage]) -> None:
    """Remove damaged files and the index: the next install fetches these and takes over the rest."""
    directory = directory_of(root, install)
    with held(root, install.hub, install.repo, install.revision):
        (directory / INDEX).unlink(missing_ok=True)
        for damage in damages:
            inside(directory, damage.path).unlink(missing_ok=True)


def delete_install(root: Path, install: Install) -> None:
    """Remove an install; it is unlisted first. Files that another revision links stay there."""
    directory = directory_of(root, install)
    with held(root, install.hub, install.repo, install.revision):
        (directory / INDEX).unlink(missing_ok=True)
        _remove(root, directory)


def partials(root: Path) -> list[tuple[str, int]]:
    """Interrupted installs by name, with the bytes that they keep."""
    base = root.resolve() / PARTIAL
    return [
        (path.relative_to(base).as_posix(), _bytes_below(path, set()))
        for hub in HUBS
        for path in sorted((base / hub).glob("*/*/*"))
        if path.is_dir() and not path.is_symlink()
    ]


def delete_partial(root: Path, name: str) -> None:
    """Remove what an interrupted install left; raises ``WeightsError`` while it is being fetched."""
    hub, repo, revision = parsed_name(name)
    if hub is None or revision is None:
        raise WeightsError(f"{name[:200]!r}: name an interrupted install as hub/owner/name/revision")
    with held(root, hub, repo, revision):
        _remove(root, install_directory(root, hub, repo, revision, partial=True))


def _remove(root: Path, directory: Path) -> None:
    """``directory`` (``rmtree`` follows no links), and folders above it that are empty now."""
    try:
        if directory.exists():
            shutil.rmtree(directory)
    except OSError as error:
        raise WeightsError(f"{directory}: cannot be removed: {error}") from error
    for parent in directory.parents:
        if parent == root.resolve():
            break
        with suppress(OSError):
            parent.rmdir()


def usage(root: Path, threshold: float) -> Usage:
    """How full the weights directory and its disk are."""
    seen: set[tuple[int, int]] = set()
    base = root.resolve()
    installed = sum(_bytes_below(base / hub, seen) for hub in HUBS)
    partial = _bytes_below(base / PARTIAL, seen)
    disk = shutil.disk_usage(existing(base))
    installs, _ = list_installs(root)
    return Usage(root, len(installs), installed, partial, disk.total, disk.free, threshold)


def existing(path: Path) -> Path:
    """``path``, or the nearest folder above it that is there."""
    return path if path.exists() else existing(path.parent)


def _bytes_below(path: Path, seen: set[tuple[int, int]]) -> int:
    total = 0
    for entry in path.rglob("*"):
        with suppress(FileNotFoundError):  # a running install moves its files
            found = entry.lstat()
            if entry.is_file() and not entry.is_symlink() and (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                total += found.st_size
    return total


@contextmanager
def held(root: Path, hub: WeightsHub, repo: str, revision: str) -> Iterator[None]:
    """Keep other processes from the same revision; raises ``WeightsError`` when one has it."""
    place = install_directory(root, hub, repo, revision, partial=True)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(place.with_name(place.name + ".lock"), timeout=0)
        with lock:
            yield
    except filelock.Timeout as error:
        raise WeightsError(
            f"{hub}/{repo}/{revision}: another process installs or removes it right now"
        ) from error
    except PermissionError as error:
        raise WeightsError(f"{error.filename}: may not be written; set WEIGHTS_STORAGE_PATH") from error
