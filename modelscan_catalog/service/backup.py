"""What a rebuild cannot bring back, in one file: state, usage, the router's own files, hand-kept data.

A backup is a zip with ``manifest.json``: what is in it, each with its size, SHA-256 and, for a database, its
version. Databases are copied by SQLite's own backup, so that a running service may go on writing. Secrets
are not in it: configurations refer to them.
"""

import hashlib
import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from modelscan_catalog import __version__
from modelscan_catalog.errors import StateError
from modelscan_catalog.router.splits import SPLITS_FILE
from modelscan_catalog.router.usage_schema import VERSION as USAGE_VERSION
from modelscan_catalog.sdk.history import clients_dir, write_active
from modelscan_catalog.service.parts import router_dir
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state, write_audit
from modelscan_catalog.state.database import migrations
from modelscan_catalog.upgrade.records import upgrades
from modelscan_catalog.upgrade.run import write_splits

FORMAT = 1
MANIFEST = "manifest.json"
_STATE = "state/modelscan.db"
_USAGE = "router/usage.sqlite"
_DATABASES = (_STATE, _USAGE)
_MOST_BYTES = 64 * 2**30


@dataclass(frozen=True)
class Entry:
    """One file of a backup; ``version`` is that of a database's tables."""

    name: str
    bytes: int
    sha256: str
    version: int | None = None


@dataclass(frozen=True)
class Change:
    """What a restore does with one file: ``new``, ``replace``, ``same``, or put a ``damaged`` one aside."""

    name: str
    place: Path
    what: str


@dataclass(frozen=True)
class Restored:
    """What a restore changes, or changed; ``kept`` is the backup of what was there before."""

    changes: tuple[Change, ...]
    kept: Path | None


def back_up(settings: Settings, target: Path, config_file: Path | None = None) -> tuple[Entry, ...]:
    """Write ``target`` in one step and read it again; what is in it.

    Raises ``StateError`` naming the file that cannot be read or written, or does not come back as it was.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as scratch:
            made = Path(scratch) / "backup.zip"
            entries = _written(settings, Path(scratch), made, config_file)
            found = _verified(made, Path(scratch))
            if found != entries:
                raise StateError(f"{target}: the backup does not read back as it was written")
            made.replace(target)
    except (OSError, sqlite3.Error, zipfile.BadZipFile) as error:
        raise StateError(f"{target}: the backup cannot be made: {error}") from error
    return entries


def _written(settings: Settings, scratch: Path, made: Path, config_file: Path | None) -> tuple[Entry, ...]:
    entries = []
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as backup:
        for name, place in _sources(settings, config_file):
            path = place
            if name in _DATABASES:
                path = scratch / "copy.db"
                _copy_database(place, path)
            entries.append(_entry(name, path))
            backup.write(path, name)
        manifest = {
            "format": FORMAT,
            "made_by": __version__,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": [asdict(entry) for entry in entries],
        }
        backup.writestr(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
    return tuple(entries)


def _sources(settings: Settings, config_file: Path | None) -> Iterator[tuple[str, Path]]:
    """Name in a backup and place on this machine of everything that exists and is worth keeping."""
    named = [(_STATE, settings.state_file), (_USAGE, router_dir(settings) / "usage.sqlite")]
    folders = [
        ("router", router_dir(settings), "*.json*"),
        ("overrides", settings.registry_dir / "overrides", "**/*.json"),
        ("confirmations", settings.registry_dir / "onboarding" / "confirmations", "*.json"),
        ("discovery", settings.data_dir / "discovery", "*.json"),
    ]
    if settings.overlays is not None and settings.overlays.is_dir():
        folders.append(("overlays", settings.overlays, "**/*.json"))
    for prefix, folder, pattern in folders:
        found = sorted(path for path in folder.glob(pattern) if path.is_file() and path.name[0] != ".")
        named += [(f"{prefix}/{path.relative_to(folder).as_posix()}", path) for path in found]
    named.append(("watchlist.json", settings.registry_dir / "watchlist.json"))
    if config_file is not None:
        named.append(("config.yaml", config_file))
    yield from ((name, place) for name, place in named if place.is_file())


def _place(settings: Settings, name: str, config_file: Path | None) -> Path | None:
    """Where a file of a backup belongs on this machine; None for what has no place here."""
    top, _, rest = name.partition("/")
    if rest and (PurePosixPath(rest).is_absolute() or ".." in PurePosixPath(rest).parts or "\\" in rest):
        raise StateError(f"{name}: the name of a file in the backup leads out of its folder")
    if name == _STATE:
        return settings.state_file
    if name == "config.yaml":
        return config_file
    if name == "watchlist.json":
        return settings.registry_dir / name
    folders = {
        "router": router_dir(settings),
        "overrides": settings.registry_dir / "overrides",
        "confirmations": settings.registry_dir / "onboarding" / "confirmations",
        "discovery": settings.data_dir / "discovery",
        "overlays": settings.overlays,
    }
    folder = folders.get(top)
    return folder / rest if folder is not None and rest else None


def restore(settings: Settings, source: Path, *, apply: bool, config_file: Path | None = None) -> Restored:
    """What a restore changes; with ``apply`` it does so, after a backup of what is there in ``data_dir``.

    A file that the backup does not have stays. Raises ``StateError`` for a file that is no whole backup, or
    holds a database of a newer version.
    """
    kept = None
    try:
        with tempfile.TemporaryDirectory(prefix="modelscan-restore-") as name:
            scratch = Path(name)
            entries = _verified(source, scratch)
            for entry in entries:
                _check_version(source, entry)
            changes = [_change(settings, entry, config_file) for entry in entries]
            wanted = [change for change in changes if change is not None]
            if apply:
                for change in wanted:
                    if change.what == "damaged":
                        _put_aside(change.place)
                moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
                kept = settings.data_dir / "backups" / f"before-restore-{moment}.zip"
                back_up(settings, kept, config_file)
                with open_state(settings.state_file) as state:
                    tried = {upgrade.route for upgrade in upgrades(state)}
                with zipfile.ZipFile(source) as backup:
                    for change in wanted:
                        if change.what != "same":
                            _put(backup, change, scratch)
                with open_state(settings.state_file) as state:
                    # else what was tried since the backup would go on without anybody who decides about it
                    write_splits(state, router_dir(settings) / SPLITS_FILE, tried)
                    write_active(state, clients_dir(settings))
                    write_audit(state, "command line", "restore", str(source), "done")
            return Restored(tuple(wanted), kept)
    except (OSError, sqlite3.Error, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        whole = f"; some of it may be: what was there is in {kept}" if kept is not None else ""
        raise StateError(f"{source}: cannot be restored: {error}{whole}") from error


def _change(settings: Settings, entry: Entry, config_file: Path | None) -> Change | None:
    place = _place(settings, entry.name, config_file)
    if place is None:
        return None
    if not place.is_file():
        return Change(entry.name, place, "new")
    try:
        same = _entry(entry.name, place) == entry and entry.name not in _DATABASES
    except sqlite3.DatabaseError:
        return Change(entry.name, place, "damaged")
    return Change(entry.name, place, "same" if same else "replace")


def _put(backup: zipfile.ZipFile, change: Change, scratch: Path) -> None:
    """Replace one file in one step; a database through SQLite: whoever has it open sees the new one."""
    path = scratch / "one"
    with backup.open(change.name) as packed, path.open("wb") as out:
        shutil.copyfileobj(packed, out)
    change.place.parent.mkdir(parents=True, exist_ok=True)
    if change.name in _DATABASES:
        _restore_database(path, change.place)
        return
    beside = change.place.with_name(f".{change.place.name}.restored")
    shutil.copyfile(path, beside)
    beside.replace(change.place)


def _verified(source: Path, scratch: Path) -> tuple[Entry, ...]:
    """The entries of a backup, each read, compared with the manifest, and each database checked."""
    with zipfile.ZipFile(source) as backup:
        if MANIFEST not in backup.namelist():
            raise StateError(f"{source}: no backup of modelscan: it has no {MANIFEST}")
        manifest = json.loads(backup.read(MANIFEST))
        if not isinstance(manifest, dict) or not {"format", "files"} <= manifest.keys():
            raise StateError(f"{source}: no backup of modelscan: its {MANIFEST} is another document")
        if manifest["format"] > FORMAT:
            raise StateError(
                f"{source}: written by a newer modelscan ({manifest['made_by']}); update modelscan"
            )
        entries = tuple(Entry(**entry) for entry in manifest["files"])
        if sum(info.file_size for info in backup.infolist()) > _MOST_BYTES:
            raise StateError(f"{source}: larger than {_MOST_BYTES // 2**30} GiB when unpacked")
        for entry in entries:
            path = scratch / "check"
            with backup.open(entry.name) as packed, path.open("wb") as out:
                shutil.copyfileobj(packed, out)
            if _entry(entry.name, path) != entry:
                raise StateError(f"{source}: {entry.name} is not as the backup's manifest says")
            path.unlink()
    return entries


def _check_version(source: Path, entry: Entry) -> None:
    newest = {_STATE: migrations()[-1][0], _USAGE: USAGE_VERSION}.get(entry.name)
    if newest is not None and entry.version is not None and entry.version > newest:
        raise StateError(
            f"{source}: {entry.name} is of a newer modelscan (schema {entry.version}, this one knows "
            f"{newest}); update modelscan first"
        )


def _entry(name: str, path: Path) -> Entry:
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Entry(name, path.stat().st_size, digest, _version(path) if name in _DATABASES else None)


def _version(path: Path) -> int:
    """Version of a database's tables; raises ``sqlite3.Error`` for one that is damaged."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        found = database.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(f"{path.name}: {found}")
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def _restore_database(source: Path, place: Path) -> None:
    """Through SQLite, as others may have it open; they see the restored rows at their next statement."""
    with (
        closing(sqlite3.connect(source)) as reader,
        closing(sqlite3.connect(place, timeout=10)) as writer,
    ):
        writer.execute("PRAGMA journal_mode=WAL")
        reader.execute("PRAGMA journal_mode=WAL")
        reader.backup(writer)


def _put_aside(place: Path) -> None:
    """Move a damaged database and its log out of the way, beside it."""
    for suffix in ("", "-wal", "-shm"):
        part = place.with_name(place.name + suffix)
        if part.exists():
            part.replace(part.with_name(part.name + ".damaged"))


def _copy_database(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reader,
        closing(sqlite3.connect(target, timeout=10)) as writer,
    ):
        reader.backup(writer)
        writer.execute(
            "PRAGMA journal_mode=DELETE" if target.name == "copy.db" else "PRAGMA journal_mode=WAL"
        )
