"""Claims about the page of figures: what was asked is counted, what nobody knows is said."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from service_samples import publish

from modelscan_catalog.cli.report import report
from modelscan_catalog.errors import PublishError, SettingsError
from modelscan_catalog.router.usage import Record, UsageStore
from modelscan_catalog.service.report import report_page


def asked(model: str, target: str, cost_usd: float | None, outcome: str = "ok") -> Record:
    return Record(model=model, target=target, key="", query_class="simple", client="", outcome=outcome,
                  first_byte_s=0.2, total_s=1.5, prompt_tokens=100, cached_tokens=0, completion_tokens=20,
                  cost_usd=cost_usd)  # fmt: skip


def test_use_is_told_by_model_and_target_with_what_is_not_known(tmp_path: Path) -> None:
    store = UsageStore(tmp_path / "usage.sqlite")
    store.record(asked("<lab>/one", "here/one", 0.25))
    store.record(asked("<lab>/one", "there/one", None, "timeout"))
    store.record(asked("<lab>/two", "own/two", None))
    store.close()
    page = report_page(publish(tmp_path / "published"), tmp_path / "usage.sqlite").decode()
    assert "&lt;lab&gt;/one" in page
    assert "<lab>" not in page
    assert all(
        text in page
        for text in ("50.0%", "here/one", "there/one", "0.2500", "price not known (*): 2 of", "- *")
    )


def test_moved_prices_stand_side_by_side(tmp_path: Path) -> None:
    root = publish(tmp_path / "published")
    row = {
        "record": "offer:openai/gpt-4o", "change": "changed", "field": "price",
        "before": {"input": 2.5, "output": 10}, "after": {"input": 2, "output": 10},
    }  # fmt: skip
    (root / "changes.jsonl").write_text(json.dumps(row) + "\n")
    page = report_page(root, None).decode()
    assert "openai/gpt-4o" in page
    assert "2.5 → 2" in page
    assert "Nothing was asked" in page


def test_a_missing_registry_leaves_no_page(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    done = CliRunner().invoke(report, ["-o", str(out), "--registry", str(tmp_path / "none")])
    assert isinstance(done.exception, PublishError)
    assert not out.exists()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_usage_file_of_another_kind_is_no_traceback(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "usage.sqlite").write_bytes(content)
    with pytest.raises(SettingsError, match="not the usage of a router"):
        report_page(publish(tmp_path / "published"), tmp_path / "usage.sqlite")
    assert (tmp_path / "usage.sqlite").read_bytes() == content


def test_somebody_elses_database_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE mine (x)")
        theirs.commit()
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=r"theirs\.sqlite"):
        report_page(publish(tmp_path / "published"), path)
    assert path.read_bytes() == before


def test_a_routers_usage_is_read_and_not_written(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    store = UsageStore(path)
    store.record(asked("lab/one", "here/one", 0.25))
    store.close()
    before = path.read_bytes()
    assert "lab/one" in report_page(publish(tmp_path / "published"), path).decode()
    assert path.read_bytes() == before
