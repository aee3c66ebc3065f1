"""``modelscan what-fits``: which models it lists, on how many cards, in which order, and how it prints."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from modelscan_catalog.cli.main import main
from modelscan_catalog.cli.what_fits import what_fits


def rows(registry: Path, *arguments: str) -> list[Any]:
    result = CliRunner().invoke(what_fits, [*arguments, "--registry", str(registry), "--json"])
    assert result.exception is None, result.exception
    found: list[Any] = json.loads(result.output)
    return found


def test_a_line_a_model_most_downloaded_first_and_what_does_not_fit_is_absent(registry: Path) -> None:
    found = rows(registry, "--gpu", "rtx-4090:2")
    assert [row["model"] for row in found] == ["alibaba/qwen3-8b", "vendor/tiny-0.6b"]


def test_the_standard_goal_keeps_most_bits_on_the_fewest_cards(registry: Path) -> None:
    tiny = rows(registry, "--gpu", "rtx-4090:2", "--category", "embedding")[0]
    assert tiny["gpu_count"] == 1
    qwen = rows(registry, "--gpu", "rtx-4090:2", "--category", "llm")[0]
    assert (qwen["variant"], qwen["gpu_count"], qwen["context"]) == ("Qwen/Qwen3-8B", 2, 40960)


def test_throughput_takes_all_cards(registry: Path) -> None:
    assert {row["gpu_count"] for row in rows(registry, "--gpu", "rtx-4090:2", "--goal", "throughput")} == {2}


def test_an_asked_context_is_what_is_planned_for(registry: Path) -> None:
    found = rows(registry, "--gpu", "rtx-4090", "--context", "16k")
    assert {row["context"] for row in found} == {16384}
    assert all(row["max_concurrency"] >= 1 and row["max_context"] >= 16384 for row in found)


def test_a_least_context_leaves_out_what_is_shorter(registry: Path) -> None:
    assert rows(registry, "--gpu", "rtx-4090", "--min-context", "64k") == []


def test_sizes_and_speeds_order_and_the_limit_cuts(registry: Path) -> None:
    by_size = rows(registry, "--gpu", "rtx-4090", "--sort", "size")
    assert [row["parameters"] for row in by_size] == [8190735360, 596049920]
    assert len(rows(registry, "--gpu", "rtx-4090", "--sort", "speed", "--limit", "1")) == 1


def test_models_that_generate_nothing_have_no_tokens_per_second(registry: Path) -> None:
    assert rows(registry, "--gpu", "rtx-4090", "--category", "embedding")[0]["decode_tok_s_low"] is None


def test_it_agrees_with_the_single_answer(registry: Path) -> None:
    from modelscan_catalog.cli.fit import fit

    line = rows(registry, "--gpu", "rtx-4090", "--category", "embedding", "--context", "8k")[0]
    arguments = [
        line["variant"],
        "--gpu",
        "rtx-4090",
        "--context",
        "8k",
        "--registry",
        str(registry),
        "--json",
    ]
    single = json.loads(CliRunner().invoke(fit, arguments).output)
    assert line["headroom_gib"] == pytest.approx(single["headroom_gib"], abs=0.001)
    assert line["max_concurrency"] == pytest.approx(single["max_concurrency"], abs=0.01)


@pytest.mark.parametrize("columns", ["80", "120"])
def test_no_line_is_wider_than_the_terminal(
    registry: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    from rich.console import Console

    from modelscan_catalog.cli import console

    monkeypatch.setattr(console, "table_console", lambda: Console(width=int(columns)))
    result = CliRunner().invoke(what_fits, ["--gpu", "rtx-4090:2", "--registry", str(registry)])
    assert max(map(len, result.output.splitlines())) <= int(columns)
    assert "Qwen/Qwen3-8B " in result.output
    assert "40k" in result.output


def test_nothing_that_fits_is_said_plainly(registry: Path) -> None:
    result = CliRunner().invoke(what_fits, ["--gpu", "t4", "--registry", str(registry)])
    assert result.exit_code == 0
    assert "Nothing" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--gpu", "rtx-9999"), "gpu"),
        (("--gpu", "t4", "--sort", "age"), "sort"),
        (("--gpu", "t4", "--limit", "0"), "limit"),
        (("--gpu", "t4", "--context", "-1"), "context"),
        (("--gpu", "t4", "--category", "poem"), "category"),
        (("--gpu", "t4", "--goal", "fast"), "goal"),
        (("--gpu", "l4"), "l4.parquet"),
    ],
)
def test_bad_input_ends_in_one_line(
    registry: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["what-fits", *arguments, "--registry", str(registry)])
    captured = capsys.readouterr()
    assert (ended.value.code, captured.out, captured.err.count("\n")) == (2, "", 1)
    assert says in captured.err


def test_a_damaged_matrix_is_named(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(registry, broken)
    (broken / "fit" / "t4.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(SystemExit):
        main(["what-fits", "--gpu", "t4", "--registry", str(broken)])
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "t4.parquet" in captured.err
