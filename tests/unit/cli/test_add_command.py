"""``modelscan add``: the steps as they go, what is next, and exit codes that scripts can use."""

import json
from pathlib import Path

import pytest

from modelscan_catalog.cli.main import main


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    code = ended.value.code
    assert isinstance(code, int)
    return code


def test_a_dry_run_tells_the_eleven_steps_and_how_to_go_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("add", "groq", "--offline") == 0
    said = capsys.readouterr().out
    assert said.count("✓") == 9
    assert said.count("…") == 2
    assert "add --apply" in said
    assert not (tmp_path / "sdk").exists()
    assert run("add", "groq", "--offline", "--apply", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["standing"] == "usable"
    assert Path(report["client"]).is_file()


def test_what_does_not_pass_exits_1_and_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "watsonx", "--offline") == 1
    said = capsys.readouterr()
    assert "✗ validate" in said.out
    assert "missing   exchange" in said.out
    assert "validate did not pass" in said.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("a b",), "PROVIDER/MODEL"),
        (("groq", "--key", "sk-literal-0123456789"), "env:NAME"),
        (("newcomer", "--offline", "--openapi", "nosuch.json"), "synthesise"),
    ],
    ids=["identifier", "literal key", "missing file"],
)
def test_what_the_caller_can_mend_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], word: str
) -> None:
    assert run("add", *arguments) in (1, 2)
    said = capsys.readouterr()
    assert word in said.err + said.out
    assert "Traceback" not in said.err
    assert "sk-literal" not in said.err + said.out
