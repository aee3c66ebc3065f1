"""JSON files that programs change while a router runs: read strictly, replaced whole, one writer at a time.

They lie in one folder, apart from ``router.json``: publishing the catalogue replaces that, not what was
deployed or decided on this machine.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from modelscan_catalog.errors import SettingsError

F = TypeVar("F", bound=BaseModel)

_MAX_BYTES = 4 * 1024 * 1024
_LOCK_TIMEOUT_S = 10.0


def read_overlay(path: Path, kind: type[F]) -> F:
    """The document at ``path``; ``kind`` without fields while there is no file.

    Raises ``SettingsError`` with the file, the field and the fault; a literal secret is not repeated.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise SettingsError(f"{path}: larger than {_MAX_BYTES // 2**20} MiB")
        content = path.read_bytes()
    except FileNotFoundError:
        return kind()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return kind.model_validate(json.loads(content))
    except ValidationError as error:
        raise SettingsError(f"{path}: {told(error)}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not JSON: {error}: mend or remove it") from error


def write_overlay(path: Path, document: BaseModel) -> None:
    """Replace ``path`` by ``document``; raises ``SettingsError`` when the disk refuses."""
    content = json.dumps(
        document.model_dump(mode="json", exclude_defaults=True) | {"schema_version": "1.0.0"},
        ensure_ascii=False,
        indent=1,
        sort_keys=True,
    )
    replace_file(path, (content + "\n").encode())


def replace_file(path: Path, content: bytes) -> None:
    """Replace ``path`` in one step; raises ``SettingsError`` when the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error.strerror}") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other programs from changing ``path`` between a read and the write that follows it.

    Raises ``SettingsError`` when another one holds it for ten seconds.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_TIMEOUT_S):
            yield
    except Timeout:
        raise SettingsError(
            f"{path}: another program has been changing it for {_LOCK_TIMEOUT_S:g} s"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be locked: {error.strerror}") from error


def told(error: ValidationError) -> str:
    """The first fault with its field, without the value, which may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the document"
    return f"{where}: {first['msg']}"
