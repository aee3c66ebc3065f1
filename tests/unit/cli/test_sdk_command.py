"""``modelscan sdk``: clients made, kept, listed, and taken back."""

import json
from pathlib import Path

import pytest

from modelscan_catalog.cli.main import main


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(("sdk", *arguments))
    code = ended.value.code
    assert isinstance(code, int)
    return code


def test_clients_are_made_checked_and_kept_only_when_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("generate", "groq", "watsonx", "--out", str(tmp_path / "out")) == 0
    said = capsys.readouterr().out
    assert "1 of 2 have a client; 16 claims held" in said
    assert "needs more  watsonx: exchange" in said
    assert "nothing is kept: add --apply" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["groq_generated.py"]
    assert run("list") == 0
    assert "No client has been generated" in capsys.readouterr().out


def test_all_of_the_catalogue_in_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate", "--all", "--no-check", "--apply", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["providers"] >= 225
    assert made["kept"] >= 217
    assert made["seconds"] < 60
    assert run("list", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == made["kept"]


def test_history_and_the_way_back_say_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("history", "groq") == 2
    assert run("generate", "groq", "--no-check", "--apply") == 0
    assert run("history", "groq", "--json") == 0
    (version,) = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert version["active"]
    assert run("rollback", "groq") == 2
    assert "no older version" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(("generate",), "name PROVIDERS"), (("generate", "grok"), "did you mean groq")],
    ids=["nobody named", "unknown"],
)
def test_what_the_caller_can_mend_is_said(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], word: str
) -> None:
    assert run(*arguments) == 2
    assert word in capsys.readouterr().err
