"""Claims about the catalogue's commands: answers, exit codes, widths."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from modelscan_catalog.cli.main import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(published: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([*arguments, "--registry", str(published)])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return command


@pytest.mark.parametrize(
    "arguments",
    [
        ("catalog", "list"),
        ("catalog", "search", "qwen3", "8b"),
        ("catalog", "info", "qwen3-8b"),
        ("compare", "qwen3-8b", "deepseek/deepseek-r1", "--gpu", "h100-80gb:8"),
        ("cost", "openai/gpt-4o"),
        ("changes",),
        ("deprecations",),
    ],
)
def test_a_table_fits_its_width_and_json_is_json(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    for columns in (80, 120):
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))
        code, out, _ = run(*arguments)
        assert code == 0
        assert max(len(line) for line in click.unstyle(out).splitlines()) <= columns
    code, out, _ = run(*arguments, "--json")
    assert code == 0
    json.loads(out)


def test_a_wrong_id_gets_candidates_on_standard_error(run: Run) -> None:
    code, out, err = run("catalog", "info", "qwen3-8bb")
    assert (code, out) == (2, "")
    assert "did you mean" in err
    code, _, err = run("catalog", "list", "--category", "lllm")
    assert code == 2
    assert "did you mean llm" in err


def test_finding_nothing_has_an_exit_code_of_its_own(run: Run) -> None:
    code, out, err = run("catalog", "search", "zzzqqq")
    assert (code, out) == (3, "")
    assert "Nothing" in err
    assert run("catalog", "search", "zzzqqq", "--json")[:2] == (3, "[]\n")


def test_listing_filters_by_facts(run: Run) -> None:
    _, out, _ = run("catalog", "list", "--tag", "tools", "--lab", "alibaba", "--json")
    found = json.loads(out)
    assert found
    assert all("tools" in hit["tags"] and hit["model"].startswith("alibaba/") for hit in found)


def test_a_generated_overlay_is_valid_and_a_broken_one_is_named(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("catalog", "generate", "qwen3-8b", "--gpu", "rtx-4090")
    assert code == 0
    overlay = tmp_path / "mine.json"
    overlay.write_text(out)
    code, out, _ = run("catalog", "validate", str(overlay), "--gpu", "rtx-4090", "--json")
    assert code == 0
    assert json.loads(out)["Qwen/Qwen3-8B"]["valid"]
    overlay.write_text('{"models": {"Qwen/Qwen3-8B": {"tags": 1}}}')
    code, out, err = run("catalog", "validate", str(overlay))
    assert code == 1
    assert "field tags" in out
    assert "check failed" in err


def test_an_overlay_for_cards_that_are_too_small_is_refused(run: Run) -> None:
    code, _, err = run("catalog", "generate", "deepseek/deepseek-r1", "--gpu", "rtx-4090")
    assert code == 2
    assert "GiB a card are missing" in err


def test_validate_says_which_file_of_the_registry_differs(run: Run, published: Path) -> None:
    index = json.loads((published / "index.json").read_text())
    index["files"] = [{"path": "models.jsonl", "bytes": 1, "sha256": "0" * 64}]
    (published / "index.json").write_text(json.dumps(index))
    code, _, err = run("catalog", "validate")
    assert code == 1
    assert "models.jsonl: differs" in err


def test_a_comparison_takes_two_to_four_models(run: Run) -> None:
    assert run("compare", "qwen3-8b")[0] == 2
    assert run("compare", "qwen3-8b", "nobody/nothing")[0] == 2


def test_costs_are_sorted_and_scale_with_the_load(run: Run) -> None:
    _, out, _ = run("cost", "openai/gpt-4o", "--input", "2", "--output", "0", "--json")
    rows = json.loads(out)["offers"]
    assert [row["usd"] for row in rows] == sorted(row["usd"] for row in rows)
    assert all(row["usd"] == pytest.approx(2 * row["input_usd_per_mtok"]) for row in rows)
    assert run("cost", "openai/gpt-4o", "--input", "-1")[0] == 2
    assert run("cost", "openai/gpt-4o", "--gpu", "rtx-4090")[0] == 2


def test_doctor_names_a_registry_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--registry", str(tmp_path / "none"), "--json"])
    assert left.value.code == 1
    wrong = [one for one in json.loads(capsys.readouterr().out) if one["status"] == "wrong"]
    assert [one["what"] for one in wrong] == ["registry"]
    assert wrong[0]["fix"] == "modelscan build"


def test_every_command_says_that_no_registry_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["catalog", "list"], ["catalog", "info", "x"], ["cost", "x"], ["changes"]):
        with pytest.raises(SystemExit) as left:
            main([*arguments, "--registry", str(tmp_path / "none")])
        assert left.value.code == 2
        assert "Registry not found" in capsys.readouterr().err
