"""Checks on what is about to be published: each returns its findings, worst first, and never repairs."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from pydantic import BaseModel

from modelscan_catalog.errors import RecordError
from modelscan_catalog.publish.documents import document
from modelscan_catalog.publish.schemas import check_document
from modelscan_catalog.records import SourceState


@dataclass(frozen=True)
class CheckResult:
    """Outcome of one check; ``findings`` name the record, the field and the fix."""

    name: str
    findings: tuple[str, ...] = ()
    checked: int = 0

    @property
    def passed(self) -> bool:
        """True when nothing was found."""
        return not self.findings


_MOST_FINDINGS = 20


def _result(name: str, findings: Iterable[str], checked: int) -> CheckResult:
    return CheckResult(name, tuple(islice(findings, _MOST_FINDINGS)), checked)


def check_schema(schema: str, rows: Sequence[BaseModel]) -> CheckResult:
    """Every row, as it will be published, is valid against the JSON Schema ``schema``."""

    def findings() -> Iterator[str]:
        for position, row in enumerate(rows):
            try:
                check_document(schema, document(row), f"{schema} {getattr(row, 'id', position)}")
            except RecordError as error:
                yield f"{error}; mend the source's adapter or add an override"

    return _result("schema", findings(), len(rows))


def check_whole(schema: str, value: Any) -> CheckResult:
    """One published document is valid against the JSON Schema ``schema``."""
    try:
        check_document(schema, value, schema)
    except RecordError as error:
        return CheckResult("schema", (str(error),), 1)
    return CheckResult("schema", (), 1)


def check_unique(table: str, ids: Sequence[str]) -> CheckResult:
    """No two rows of ``table`` share an id."""
    seen: set[str] = set()
    twice = []
    for identifier in ids:
        if identifier in seen:
            twice.append(f"{table}: {identifier} stands twice; merge must keep one")
        seen.add(identifier)
    return _result("unique_ids", twice, len(ids))


def check_references(
    referring: str, references: Iterable[tuple[str, str]], known: frozenset[str] | set[str], target: str
) -> CheckResult:
    """Every (row, reference) of table ``referring`` names an existing row of ``target``."""
    pairs = list(references)
    findings = (
        f"{referring} {row}: names {target} {reference}, which does not exist"
        for row, reference in pairs
        if reference not in known
    )
    return _result("references", findings, len(pairs))


# Shapes of secrets that the field's providers hand out, and keys in a URL's user part.
_SECRET = re.compile(
    r"\b(sk-(?:ant-|proj-|or-v1-)?[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|AKIA[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}|xox[baprs]-[A-Za-z0-9-]{10,}|gsk_[A-Za-z0-9]{20,})"
    r"|://[^/\s:@]+:[^/\s:@{}$]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


def check_no_secrets(texts: Mapping[str, str]) -> CheckResult:
    """No published file holds what looks like a key; the finding never repeats it."""
    findings = (
        f"{path}: holds what looks like a secret at character {match.start()}; publish a reference instead"
        for path, text in texts.items()
        for match in _SECRET.finditer(text)
    )
    return _result("no_secrets", findings, len(texts))


_MOST_WORDS = 16
_OWN_WORDS = frozenset(
    {"reason", "reasons", "status_reason", "problems", "evidence", "rule", "refused", "missing", "needs_more"}
)
"""Fields whose sentences this project writes itself."""


def check_no_prose(name: str, documents: Iterable[Any]) -> CheckResult:
    """No field but our own explanations holds more than a title's worth of words."""
    checked = 0
    findings: list[str] = []
    for item in documents:
        checked += 1
        for path, text in _texts(item, ""):
            if not _OWN_WORDS & set(path.replace("[]", "").split(".")) and len(text.split()) > _MOST_WORDS:
                label = item.get("id", checked) if isinstance(item, dict) else checked
                findings.append(
                    f"{name} {label}: field {path} reads as prose: {text[:60]!r}; drop it in the adapter"
                )
    return _result("no_prose", findings, checked)


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, f"{path}[]")


_SUSPECT_DEFAULTS: Mapping[str, frozenset[Any]] = {
    "limits.context": frozenset({0, 4096}),
    "limits.output": frozenset({0}),
    "parameters.total": frozenset({0}),
    "context": frozenset({0}),
}
_LARGEST_DEFAULT_SHARE = 0.15


def check_no_defaults(name: str, documents: Sequence[Mapping[str, Any]]) -> CheckResult:
    """Zero never stands for unknown, and no tool's default fills a column.

    A value that other tools use as a placeholder may be true of some rows; above 15 % of the rows it is taken
    for a default.
    """
    findings = []
    for path, suspects in _SUSPECT_DEFAULTS.items():
        values = [value for value in (_at(item, path) for item in documents) if value is not None]
        for suspect in sorted(suspects):
            share = values.count(suspect) / len(values) if values else 0.0
            if share > (0.0 if suspect == 0 else _LARGEST_DEFAULT_SHARE):
                findings.append(
                    f"{name}: {path} is {suspect} in {share:.0%} of rows that have one; unknown is null"
                )
    return _result("no_defaults", findings, len(documents))


def _at(item: Mapping[str, Any], path: str) -> Any:
    value: Any = item
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def check_row_counts(counts: Mapping[str, int]) -> CheckResult:
    """No table of the catalogue is empty."""
    findings = (
        f"{table}: has no rows; look at the sources' problems" for table, rows in counts.items() if not rows
    )
    return _result("row_counts", findings, len(counts))


def check_shrink(
    counts: Mapping[str, int], previous: Mapping[str, int], max_shrink: float, *, accepted: bool
) -> CheckResult:
    """No table lost more than ``max_shrink`` of the rows that the published registry has."""
    findings = []
    for table, before in previous.items():
        now = counts.get(table, 0)
        if before and now < before * (1 - max_shrink) and not accepted:
            findings.append(
                f"{table}: {now} rows, {before} are published; run with --accept-shrink if that is right"
            )
    return _result("shrink", findings, len(previous))


def check_staleness(states: Sequence[SourceState], newest: str | None, stale_after_days: int) -> CheckResult:
    """No source's documents are much older than the newest source's, and each was read as asked.

    Compares documents with each other: a build from a snapshot of one day is consistent at any later time.
    """
    findings = []
    reference = datetime.fromisoformat(newest) if newest else None
    for state in states:
        if state.fetched_at is None:
            findings.append(f"{state.source}: nothing was read")
        elif reference and (reference - datetime.fromisoformat(state.fetched_at)).days > stale_after_days:
            findings.append(
                f"{state.source}: read on {state.fetched_at[:10]}, the newest source on {reference.date()}"
            )
        findings.extend(f"{state.source}: {problem}" for problem in state.problems)
    return _result("staleness", findings, len(states))


def check_sizes(sizes: Mapping[str, int], *, most_bytes: int, most_total_bytes: int) -> CheckResult:
    """What is published stays fit for git."""
    findings = [
        f"{path}: {size} bytes, at most {most_bytes} are allowed"
        for path, size in sizes.items()
        if size > most_bytes
    ]
    if (total := sum(sizes.values())) > most_total_bytes:
        findings.append(f"all files together: {total} bytes, at most {most_total_bytes} are allowed")
    return _result("sizes", findings, len(sizes))
