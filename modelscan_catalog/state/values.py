"""Small settings that a service changes while it runs, each a JSON value under a name."""

import json
import sqlite3
from typing import Any

from modelscan_catalog.state.database import now


def put_value(connection: sqlite3.Connection, name: str, value: Any) -> None:
    """Keep ``value`` under ``name`` in place of an earlier one."""
    connection.execute(
        "INSERT INTO settings VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        (name, json.dumps(value, sort_keys=True), now()),
    )


def value_of(connection: sqlite3.Connection, name: str, default: Any = None) -> Any:
    """What is kept under ``name``, else ``default``."""
    row = connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return default if row is None else json.loads(row["value"])
