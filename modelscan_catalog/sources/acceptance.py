"""Whether live data may replace the last good data: not when it lost rows, fields or its types."""

from collections.abc import Iterable, Mapping
from typing import Any

from modelscan_catalog.records import Record
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.adapter import row_key
from modelscan_catalog.sources.reading import RowLog

MOST_NEWLY_MALFORMED = 0.02
"""Share of rows with fields of the wrong type, above that of the last good data, that is still taken."""
FEWEST_TO_JUDGE = 20
"""Tables and columns with fewer rows than this change by large shares without anything being wrong."""


def reasons_to_refuse(
    live: Mapping[str, list[Record]],
    live_log: RowLog,
    good: Mapping[str, list[Record]],
    good_log: RowLog,
    settings: Settings,
) -> list[str]:
    """What speaks against replacing ``good`` by ``live``; empty when nothing does.

    Where a source reads only rows that were asked for (``log.wanted``), rows that nobody asks for any more do
    not count as lost.
    """
    reasons = []
    for table, before in good.items():
        old = {row_key(row): row for row in before}
        new = {row_key(row): row for row in live.get(table, ())}
        wanted = live_log.wanted
        if wanted is not None:
            old = {key: row for key, row in old.items() if key.lower() in wanted}
            new = {key: row for key, row in new.items() if key in old}
        if len(new) < (1 - settings.max_shrink) * len(old):
            reasons.append(
                f"table {table} shrank from {len(old)} to {len(new)} rows; a loss of at most "
                f"{settings.max_shrink:.0%} is taken unless shrinking is accepted"
            )
            continue
        common = old.keys() & new.keys()
        reasons += _emptied_columns(table, [old[k] for k in common], [new[k] for k in common], settings)
    share, usual = _malformed_share(live_log), _malformed_share(good_log)
    if share > usual + MOST_NEWLY_MALFORMED:
        reasons.append(
            f"{share:.1%} of the rows have missing fields or fields of the wrong type, {usual:.1%} before; "
            f"for example {_example(live_log)}"
        )
    return reasons


def newly_malformed(live_log: RowLog, good_log: RowLog) -> list[str]:
    """A line for the report when more rows than before have missing fields or fields of the wrong type."""
    more = len(live_log.malformed) - len(good_log.malformed)
    if more <= 0:
        return []
    return [
        f"{more} more rows than before have missing fields or fields of the wrong type; "
        f"for example {_example(live_log)}"
    ]


def _emptied_columns(
    table: str, before: list[Record], after: list[Record], settings: Settings
) -> Iterable[str]:
    for column in type(before[0]).model_fields if before else ():
        filled_before = sum(_says_something(getattr(row, column)) for row in before)
        filled_after = sum(_says_something(getattr(row, column)) for row in after)
        if filled_before >= FEWEST_TO_JUDGE and filled_after < (1 - settings.max_shrink) * filled_before:
            yield (
                f"column {column} of table {table} is known for {filled_after} of the {len(before)} rows "
                f"that are in both, {filled_before} before"
            )


def _says_something(value: Any) -> bool:
    if isinstance(value, Record):
        return any(_says_something(part) for _, part in value)
    return value not in (None, (), {}, "")


def _malformed_share(log: RowLog) -> float:
    return len(log.malformed) / max(log.rows_read, 1)


def _example(log: RowLog) -> str:
    reject = next((r for r in log.rejects if (r.table, r.record) in log.malformed), None)
    if reject is None:
        return "none listed"
    where = f"{reject.table} {reject.record}" + (f" field {reject.field}" if reject.field else "")
    return f"{where}: {reject.reason}"
