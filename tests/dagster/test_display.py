"""What a build shows: progress in a pipe, the report, previews in the UI."""

import io
from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console

from assets.shared import check_outcome, column_schema, preview_table
from modelscan_catalog.progress import Step
from modelscan_catalog.publish.checks import CheckResult
from modelscan_catalog.publish.registry import RegistryWriter
from modelscan_catalog.records import Change, Offer, SourceState
from modelscan_catalog.settings import Settings
from pipelines.display import LiveProgress, print_report


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


def test_in_a_pipe_each_task_gives_one_line_when_it_ends(shown: io.StringIO) -> None:
    with LiveProgress(Console(file=shown, width=100)) as live:
        for done in range(4):
            live.show(Step("fit", "matrix", done, 3, "27 cells" if done == 3 else ""))
    assert shown.getvalue() == "fit: matrix: 27 cells\n"


def publish(directory: Path, changes: list[Change]) -> Settings:
    state = SourceState(
        source="gpustack", origin="cached", fetched_at="2026-09-30T00:00:00Z", documents=2, rows_read=9,
        rows_kept=7, rows_rejected=2, problems=("HTTP 503 from the live source",),
    )  # fmt: skip
    writer = RegistryWriter(directory)
    writer.table("changes", changes)
    writer.index([state], {"models": 1234}, {"fits": 5})
    return Settings(out_dir=directory)


def test_the_report_names_origins_problems_counts_and_changes(shown: io.StringIO, tmp_path: Path) -> None:
    settings = publish(tmp_path / "p", [Change(record="offer:a/b", change="changed", field="price.input")])
    print_report(Console(file=shown, width=100), settings, published=True)
    text = shown.getvalue()
    for expected in ("cached", "2026-09-30", "HTTP 503 from the live source", "1,234", "1 offers changed"):
        assert expected in text


def test_after_a_refusal_the_report_says_that_it_shows_the_old_registry(
    shown: io.StringIO, tmp_path: Path
) -> None:
    print_report(Console(file=shown, width=100), publish(tmp_path / "p", []), published=False)
    assert "Not published" in shown.getvalue()
    assert "Published to" not in shown.getvalue()


def test_a_preview_keeps_cells_in_their_column() -> None:
    table = preview_table([{"a": "x|y", "b": "two\nlines"}, {"c": 1}])
    assert table.splitlines()[0] == "| a | b | c |"
    assert "x\\|y" in table
    assert preview_table([]) == "*no rows*"


def test_columns_carry_their_descriptions() -> None:
    columns = {column.name: column for column in column_schema(Offer).columns}
    assert columns["observed_at"].description == "when these terms were first seen (UTC, ISO 8601)"


def test_findings_fail_a_check_and_stand_in_its_description() -> None:
    outcome = check_outcome([CheckResult("a", ("x: wrong; mend it",), 3), CheckResult("b", (), 2)])
    assert not outcome.passed
    assert outcome.description == "x: wrong; mend it"
    assert outcome.metadata["checked"] == dg.MetadataValue.int(5)
    assert check_outcome([CheckResult("b", (), 2)]).passed
