"""The tolerant reader: takes typed values out of upstream rows and accounts for what was unusable."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.records import Reject, SourceName
from modelscan_catalog.records.catalog import PARTIAL_DATE

LARGEST_INTEGER = 2**63 - 1
LONGEST_TEXT = 2_000


def load_json(body: bytes, name: str) -> Any:
    """The JSON value of ``body``; ``DocumentError`` naming the document for anything else."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        shown = body[:60].decode("utf-8", "replace").replace("\n", " ")
        raise DocumentError(f"{name}: not JSON ({str(error)[:80]}); it begins with {shown!r}") from error


class RowLog:
    """What became of the rows of one source: read, kept, rejected with reasons, keys that nobody reads."""

    def __init__(self, source: SourceName) -> None:
        self.source: SourceName = source
        self.rows_read = 0
        self.rows_kept = 0
        self.rejects: list[Reject] = []
        self.unknown_fields: Counter[str] = Counter()
        self.malformed: set[tuple[str, str]] = set()
        self.wanted: frozenset[str] | None = None
        """Lower-case ids that were asked for, where a source reads only such rows."""

    @property
    def rows_rejected(self) -> int:
        """Rows of which nothing was kept."""
        return sum(reject.whole_row for reject in self.rejects)

    def reject_row(
        self, table: str, record: str, reason: str, value: Any = None, *, malformed: bool = True
    ) -> None:
        """A row that cannot be used at all; ``malformed`` is false where upstream just has no such row."""
        if malformed:
            self.malformed.add((table, record))
        self._note(table, record, None, value, reason, whole_row=True)

    def reject_field(
        self, table: str, record: str, field: str, value: Any, reason: str, *, malformed: bool = True
    ) -> None:
        """A field that becomes null; ``malformed`` is false where upstream's own convention says unknown."""
        if malformed:
            self.malformed.add((table, record))
        self._note(table, record, field, value, reason, whole_row=False)

    def _note(
        self, table: str, record: str, field: str | None, value: Any, reason: str, *, whole_row: bool
    ) -> None:
        self.rejects.append(
            Reject(
                source=self.source,
                table=table,
                record=printable(record),
                field=field,
                value=None if value is None else shown(value),
                reason=reason,
                whole_row=whole_row,
            )
        )


def shown(value: Any) -> str:
    """At most 200 characters of ``value`` that any encoding can hold."""
    try:
        text = json.dumps(value, default=str)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text[:200]


def printable(text: str) -> str:
    """``text`` cut to 300 characters, with what UTF-8 cannot hold replaced."""
    return text[:300].encode("utf-8", "replace").decode()


def is_text(value: Any) -> bool:
    """A non-empty string of sane length that UTF-8 can hold."""
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in value


class Row:
    """One upstream row; every getter returns the typed value or None, and notes what it had to drop.

    ``known`` are keys that the caller reads or deliberately leaves (prose); others are counted by
    ``count_unknown``.
    """

    __slots__ = ("log", "prefix", "read", "record", "table", "values")

    def __init__(
        self, log: RowLog, table: str, record: str, values: Mapping[str, Any], prefix: str = ""
    ) -> None:
        self.log = log
        self.table = table
        self.record = record
        self.values = values
        self.prefix = prefix
        self.read: set[str] = set()

    def drop(self, name: str, reason: str, *, malformed: bool = True) -> None:
        """Note that field ``name`` becomes null."""
        value = self.values.get(name)
        self.log.reject_field(self.table, self.record, self.prefix + name, value, reason, malformed=malformed)

    def _take(self, name: str, required: bool) -> Any:
        self.read.add(name)
        value = self.values.get(name)
        if value is None and required:
            self.drop(name, "missing, though upstream always has it")
        return value

    def text(self, name: str, *, required: bool = False) -> str | None:
        """A string."""
        value = self._take(name, required)
        if value is None:
            return None
        if is_text(value):
            return str(value)
        if value != "":
            self.drop(name, "not a usable text")
        return None

    def flag(self, name: str, *, required: bool = False) -> bool | None:
        """True or false; anything else is unknown."""
        value = self._take(name, required)
        if value is None or isinstance(value, bool):
            return value
        self.drop(name, "neither true nor false")
        return None

    def number(self, name: str, *, required: bool = False) -> float | None:
        """A finite number of at least zero, also when it is written as text."""
        value = self._take(name, required)
        if value is None:
            return None
        number = as_number(value)
        if number is None:
            self.drop(name, "not a number of at least zero")
        return number

    def count(self, name: str, *, required: bool = False) -> int | None:
        """A whole number of at least zero, also when it is written as text."""
        value = self._take(name, required)
        if value is None:
            return None
        number = as_count(value)
        if number is None:
            self.drop(name, "not a whole number of at least zero")
        return number

    def positive(self, name: str, *, required: bool = False) -> int | None:
        """A whole number above zero; zero is upstream's word for unknown."""
        number = self.count(name, required=required)
        if number == 0:
            self.drop(name, "zero stands for unknown", malformed=False)
            return None
        return number

    def partial_date(self, name: str, *, required: bool = False) -> str | None:
        """``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``, as precise as upstream is."""
        value = self._take(name, required)
        if isinstance(value, date):
            value = value.isoformat()
        if value is None:
            return None
        if isinstance(value, str) and is_partial_date(value):
            return value
        self.drop(name, "not a date such as 2026, 2026-09 or 2026-09-30")
        return None

    def instant(self, name: str) -> str | None:
        """A point in time as ISO 8601 in UTC, from ISO text or epoch seconds."""
        value = self._take(name, required=False)
        if value is None:
            return None
        when = as_instant(value)
        if when is None:
            self.drop(name, "not a point in time")
        return when

    def texts(self, name: str, *, required: bool = False) -> tuple[str, ...]:
        """A list of strings; one bare string counts as a list of one."""
        value = self._take(name, required)
        if value is None:
            return ()
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            self.drop(name, "not a list of texts")
            return ()
        kept = tuple(item for item in items if is_text(item))
        if len(kept) != len(items):
            self.drop(name, f"{len(items) - len(kept)} of {len(items)} entries are not usable texts")
        return kept

    def mapping(self, name: str, *, required: bool = False) -> "Row | None":
        """A nested object as a row of its own."""
        value = self._take(name, required)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.drop(name, "not an object")
            return None
        return Row(self.log, self.table, self.record, value, f"{self.prefix}{name}.")

    def rows(self, name: str) -> list["Row"]:
        """A list of nested objects; other entries are noted and left out."""
        value = self._take(name, required=False)
        if value is None:
            return []
        if not isinstance(value, list):
            self.drop(name, "not a list")
            return []
        kept = [item for item in value if isinstance(item, dict)]
        if len(kept) != len(value):
            self.drop(name, f"{len(value) - len(kept)} of {len(value)} entries are not objects")
        return [Row(self.log, self.table, self.record, item, f"{self.prefix}{name}.") for item in kept]

    def count_unknown(self, left: Iterable[str] = ()) -> None:
        """Count the keys that were neither read nor are in ``left`` (known and deliberately not read)."""
        for key in self.values.keys() - self.read - set(left):
            self.log.unknown_fields[printable(f"{self.table}.{self.prefix}{key}")[:120]] += 1


def as_number(value: Any) -> float | None:
    """``value`` as a finite float of at least zero, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def as_count(value: Any) -> int | None:
    """``value`` as a whole number from 0 to 2**63 - 1, or None."""
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,19}", value):
            return None
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        return None
    return int(value) if 0 <= value <= LARGEST_INTEGER else None


def is_partial_date(text: str) -> bool:
    """Whether ``text`` is a year, a month or a day that the calendar has."""
    if not re.fullmatch(PARTIAL_DATE, text) or not text.isascii() or text.endswith("\n"):
        return False
    try:
        date.fromisoformat((text + "-01-01")[:10])
    except ValueError:
        return False
    return True


def as_instant(value: Any) -> str | None:
    """ISO 8601 text in UTC to the second, from ISO text or epoch seconds; None for anything else."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            when = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str):
            when = datetime.fromisoformat(value)
        else:
            return None
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def only(row: Any, keys: frozenset[str]) -> Any:
    """The ``keys`` of a JSON object; anything else as it is, for the readers to reject by name."""
    return {key: value for key, value in row.items() if key in keys} if isinstance(row, dict) else row
