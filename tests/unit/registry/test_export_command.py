"""Claims about ``modelscan export``."""

import ast
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from modelscan_catalog.cli.main import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def export(published: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["export", *arguments, "--registry", str(published)])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return command


def test_every_flat_shape_holds_the_same_models(export: Run) -> None:
    rows = json.loads(export("--format", "json")[1])
    table = list(csv.DictReader(io.StringIO(export("--format", "csv")[1])))
    python = ast.literal_eval(export("--format", "py")[1].partition("MODELS = ")[2])
    typescript = export("--format", "ts")[1]
    assert [row["model"] for row in table] == [row["model"] for row in rows]
    assert python == rows
    assert all(f'"model": "{row["model"]}"' in typescript for row in rows)


def test_a_name_that_is_a_formula_is_none_in_a_table(export: Run, published: Path) -> None:
    path = published / "models.jsonl"
    first, *others = (json.loads(line) for line in path.read_text().splitlines())
    first["name"] = '=HYPERLINK("https://attacker.example","GPT")'
    path.write_text("".join(f"{json.dumps(row)}\n" for row in (first, *others)))
    [row] = [
        row
        for row in csv.DictReader(io.StringIO(export("--format", "csv")[1]))
        if row["model"] == first["id"]
    ]
    assert row["name"] == f"'{first['name']}"


def test_a_published_feed_is_given_as_it_is(export: Run, published: Path, tmp_path: Path) -> None:
    (published / "feeds").mkdir()
    (published / "feeds" / "litellm.json").write_text('{"a": 1}\n')
    assert export("--format", "litellm")[:2] == (0, '{"a": 1}\n')
    assert export("--format", "litellm", "--out", str(tmp_path / "prices.json"))[0] == 0
    assert (tmp_path / "prices.json").read_text() == '{"a": 1}\n'


def test_what_cannot_be_exported_is_refused_with_the_fix(export: Run, tmp_path: Path) -> None:
    code, _, err = export("--format", "litelm")
    assert code == 2
    assert "did you mean litellm" in err
    code, _, err = export("--format", "openrouter")
    assert code == 2
    assert "modelscan build" in err
    (tmp_path / "file").write_text("")
    code, _, err = export("--format", "csv", "--out", str(tmp_path / "file" / "x.csv"))
    assert code == 2
    assert "cannot be written" in err
