"""The command's frame: finds its parts, stays light, turns errors into one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelscan_catalog.cli.main import main

MODELSCAN = Path(sys.executable).with_name("modelscan")


LIBRARY_COMMANDS = ("catalog", "fit", "gpus", "lint", "quality", "router", "schemas", "snapshot", "what-fits")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([MODELSCAN, *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_help_lists_every_command_with_a_line() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for name in ("build", *LIBRARY_COMMANDS):
        assert f"\n  {name} " in shown.stdout


@pytest.mark.parametrize(
    "name", ["catalog", "fit", "gpus", "quality", "router", "schemas", "snapshot", "what-fits"]
)
def test_every_command_explains_itself(name: str) -> None:
    shown = run(name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "Usage: modelscan" in shown.stdout


def test_an_unknown_command_is_refused_without_a_traceback() -> None:
    refused = run("conjure")
    assert refused.returncode == 2
    assert "No such command" in refused.stderr
    assert "Did you mean" not in refused.stderr


@pytest.mark.parametrize(("typed", "meant"), [("fti", "fit"), ("catalogue", "catalog"), ("biuld", "build")])
def test_a_misspelt_command_is_answered_with_the_one_that_was_meant(typed: str, meant: str) -> None:
    refused = run(typed)
    assert refused.returncode == 2
    assert f"Did you mean '{meant}'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_library_error_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["gpus", "show", "abacus-9000"])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: gpu: no GPU profile is named 'abacus-9000'")


@pytest.mark.parametrize("arguments", [["--version"], ["gpus", "--json"], ["gpus", "show", "h100-80gb"]])
def test_reading_commands_import_neither_dagster_nor_pandas(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom modelscan_catalog.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'dagster', 'pandas', 'pyarrow', 'duckdb', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_missing_registry_is_said_with_what_to_do(tmp_path: Path) -> None:
    refused = run("catalog", "resolve", "x/y", "--registry", str(tmp_path))
    assert refused.returncode == 2
    assert "modelscan build" in refused.stderr


def test_a_terminal_that_lacks_a_character_gets_the_table_all_the_same() -> None:
    spoken = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(
        [MODELSCAN, "catalog", "list", "--limit", "3"], capture_output=True, timeout=120, check=False,
        env=spoken,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.decode("ascii").startswith("3 of ")
