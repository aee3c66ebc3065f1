"""The router's usage as a table of the catalogue: one row an hour, model, target, class, outcome and arm."""

import sqlite3
from pathlib import Path

from pydantic import Field

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.records.base import Record
from modelscan_catalog.router.usage_schema import PRIMARY, VERSION


class RouterUsage(Record):
    """Upstream calls of one hour; tokens and cost cover the calls whose answers told them."""

    hour_utc: int = Field(description="start of the hour, seconds since 1970")
    model: str
    target: str = Field(description="provider/model as the provider calls it")
    query_class: str
    outcome: str = Field(description="ok, timeout, connection, broken, garbage, cancelled or status_N")
    arm: str = Field(description="primary, canary, shadow or rescue; primary without a split")
    calls: int = Field(ge=0)
    prompt_tokens: int = Field(ge=0)
    cached_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    calls_without_tokens: int = Field(ge=0)
    cost_usd: float = Field(ge=0)
    calls_without_cost: int = Field(ge=0)


def read_usage(path: Path) -> list[RouterUsage]:
    """The rows of the usage store at ``path``, keys and clients summed up; empty while there is none.

    Raises ``SettingsError`` for a file that is no usage store.
    """
    if not path.exists():
        return []
    try:
        store = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            before_arms = store.execute("PRAGMA user_version").fetchone()[0] < VERSION
            arm = f"'{PRIMARY}'" if before_arms else "arm"
            rows = store.execute(
                f"SELECT hour, model, target, class, outcome, {arm}, SUM(requests), SUM(prompt_tokens),"  # noqa: S608
                " SUM(cached_tokens), SUM(completion_tokens), SUM(requests_without_tokens), SUM(cost_usd),"
                " SUM(requests_without_cost) FROM usage GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6"
            ).fetchall()
        finally:
            store.close()
    except sqlite3.Error as error:
        raise SettingsError(f"{path}: not the usage of a router: {error}") from error
    return [RouterUsage(**dict(zip(RouterUsage.model_fields, row, strict=True))) for row in rows]
