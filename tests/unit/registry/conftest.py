"""A small published registry: the rows that look-ups, search and validation need."""

import json
from pathlib import Path

import pytest

ROWS = Path(__file__).with_name("published_rows.json")


def publish(root: Path) -> Path:
    """Write the example rows as a registry below ``root``."""
    rows = json.loads(ROWS.read_text("utf-8"))
    (root / "offers").mkdir(parents=True)
    for name, value in rows.items():
        if name.endswith(".jsonl"):
            (root / name).write_text("".join(json.dumps(row) + "\n" for row in value), "utf-8")
        else:
            (root / name).write_text(json.dumps(value), "utf-8")
    return root


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The example registry, free to damage."""
    return publish(tmp_path / "published")
