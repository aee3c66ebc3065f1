"""What a publish tells people: what is gone, deprecated, or costs another price; nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.errors import PublishError
from modelscan_catalog.publish.news import news


def _published(folder: Path, *rows: dict[str, Any]) -> Path:
    (folder / "changes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def _price(offer: str, before: object, after: object) -> dict[str, Any]:
    return {"record": f"offer:{offer}", "change": "changed", "field": "price.input", "before": before,
            "after": after}  # fmt: skip


def test_models_that_are_gone_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    rows = [{"record": f"model:lab/m{n}", "change": "removed"} for n in range(12)]
    rows += [{"record": "offer:acme/m1", "change": "removed"}]
    (notice,) = news(_published(tmp_path, *rows))
    assert notice.kind == "registry.dropped"
    assert "12 models, 1 offers" in notice.text
    assert notice.text.endswith("and 2 more")


def test_only_jumps_are_told_the_largest_first(tmp_path: Path) -> None:
    rows = [_price("a/small", 1.0, 1.1), _price("a/up", 1.0, 1.5), _price("a/down", 2.0, 0.5)]
    rows += [_price("a/new", None, 3.0), _price("a/free", 0, 3.0)]
    (notice,) = news(_published(tmp_path, *rows))
    assert notice.kind == "registry.price_jump"
    assert notice.text == (
        "a/down input 2 → 0.5 USD per million tokens (-75%); a/up input 1 → 1.5 USD per million tokens (+50%)"
    )


def test_a_deprecation_is_told_and_an_addition_is_not(tmp_path: Path) -> None:
    row: dict[str, Any] = {"record": "model:lab/m", "change": "changed", "field": "status", "before": None}
    rows = [row | {"after": "deprecated"}, {"record": "model:lab/n", "change": "added"}]
    assert [notice.kind for notice in news(_published(tmp_path, *rows))] == ["registry.deprecated"]
    assert news(_published(tmp_path)) == []


@pytest.mark.parametrize("text", ["{half", "[1]", None])
def test_a_damaged_list_of_changes_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "changes.jsonl").write_text(text)
    with pytest.raises(PublishError, match=r"changes\.jsonl"):
        news(tmp_path)
