"""Tables on disk: Parquet under enforced Arrow schemas, JSON with stable bytes, atomic replacement."""

import ctypes
import errno
import json
import os
import shutil
import tempfile
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, TypeAdapter, ValidationError

from modelscan_catalog.errors import PublishError, RecordError

R = TypeVar("R", bound=BaseModel)

_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


def arrow_schema(record: type[BaseModel]) -> pa.Schema:
    """Arrow schema of ``record``: nested records become structs, mappings of text become maps.

    Fields typed as any JSON value are stored as JSON text.
    """
    return pa.schema(_arrow_fields(record))


def _arrow_fields(record: type[BaseModel]) -> "list[pa.Field[Any]]":
    return [pa.field(name, _arrow_type(info.annotation)) for name, info in record.model_fields.items()]


def _arrow_type(annotation: Any) -> pa.DataType:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _arrow_type(arguments[0])
    if origin is Literal:
        return pa.string()
    if origin is typing.Union or origin is types.UnionType:
        present = [a for a in arguments if a is not type(None)]
        return _arrow_type(present[0]) if len(present) == 1 else pa.string()
    if origin in (tuple, list):
        return pa.list_(_arrow_type(arguments[0]))
    if origin is dict:
        return pa.map_(pa.string(), _arrow_type(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(_arrow_fields(annotation))
    return pa.string()  # JsonValue: JSON text


def _is_json_text(record: type[BaseModel], name: str) -> bool:
    annotation = record.model_fields[name].annotation
    return _arrow_type(annotation) == pa.string() and not _is_textual(annotation)


def _is_textual(annotation: Any) -> bool:
    if annotation is str or typing.get_origin(annotation) is Literal:
        return True
    return any(_is_textual(a) for a in typing.get_args(annotation) if a is not type(None))


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends well, and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_records(path: Path, record: type[R], rows: Iterable[R]) -> int:
    """Write ``rows`` as Parquet under ``record``'s schema and return how many they were."""
    json_fields = [name for name in record.model_fields if _is_json_text(record, name)]
    plain = [row.model_dump() for row in rows]
    for row in plain:
        for name in json_fields:
            row[name] = json.dumps(row[name], sort_keys=True)
    write_table(path, pa.Table.from_pylist(plain, schema=arrow_schema(record)))
    return len(plain)


def write_table(path: Path, table: pa.Table) -> None:
    """Write ``table`` as Parquet; same table, same bytes."""
    with replaced_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", store_schema=True)


def read_records(path: Path, record: type[R]) -> list[R]:
    """The rows that ``write_records`` wrote.

    Raises ``RecordError`` naming the file when it is missing or of another shape.
    """
    json_fields = [name for name in record.model_fields if _is_json_text(record, name)]
    try:
        table = pq.read_table(path, schema=arrow_schema(record))
    except (OSError, pa.ArrowException) as error:
        raise RecordError(f"{path}: not a readable table of {record.__name__}: {error}") from error
    rows = table.to_pylist(maps_as_pydicts="strict")
    for row in rows:
        for name in json_fields:
            row[name] = json.loads(row[name]) if row[name] is not None else None
    try:
        return TypeAdapter(list[record]).validate_python(rows)  # type: ignore[valid-type]
    except ValidationError as error:
        raise RecordError(f"{path}: rows do not fit {record.__name__}: {error.errors()[0]}") from error


def json_bytes(value: Any, *, indent: int | None = None) -> bytes:
    """UTF-8 JSON with sorted keys and a final newline: equal values give equal bytes."""
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(
        value, ensure_ascii=False, sort_keys=True, indent=indent, separators=separators, allow_nan=False
    )
    return (text + "\n").encode()


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` atomically."""
    with replaced_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any, *, indent: int | None = 1) -> None:
    """Write ``value`` as JSON that git can diff."""
    write_bytes(path, json_bytes(value, indent=indent))


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one compact JSON object a line, in the given order."""
    write_bytes(path, b"".join(json_bytes(row) for row in rows))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file.

    Raises ``RecordError`` with the line number of the first bad line.
    """
    rows = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    rows.append(json.loads(line))
                except ValueError as error:
                    raise RecordError(f"{path}:{number}: not JSON: {error}") from error
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    return rows


def publish_directory(staged: Path, published: Path) -> None:
    """Swap ``staged`` into the place of ``published``; a reader sees the old tree or the new one.

    On Linux the two directories change places in one system call; elsewhere there is a moment between two
    renames. Raises ``PublishError`` and leaves the old tree in place when the swap fails.
    """
    try:
        published.parent.mkdir(parents=True, exist_ok=True)
        if not published.exists():
            staged.rename(published)
            return
        if not _exchange(staged, published):
            aside = published.with_name(f".{published.name}.previous")
            published.rename(aside)
            try:
                staged.rename(published)
            except OSError:
                aside.rename(published)
                raise
            aside.rename(staged)
        shutil.rmtree(staged)
    except OSError as error:
        raise PublishError(f"{published}: not replaced, the old registry is kept: {error}") from error


_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two paths atomically (renameat2, Linux); False where the system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(_AT_FDCWD, bytes(first), _AT_FDCWD, bytes(second), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL):  # an old kernel, or a file system without the flag
        return False
    raise OSError(code, os.strerror(code), str(first))
