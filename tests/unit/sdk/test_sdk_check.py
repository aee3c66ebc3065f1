"""Checks of generated clients end, whatever a client or a tool does."""

from pathlib import Path

import pytest

from modelscan_catalog.errors import ClientGenerationError
from modelscan_catalog.sdk import check


def test_a_type_check_that_does_not_end_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_TYPES_TIMEOUT_S", 0.001)
    (tmp_path / "a.py").write_text("x: int = 1\n")
    with pytest.raises(ClientGenerationError, match="took more than"):
        check.type_errors([tmp_path / "a.py"])


def test_a_client_that_never_finishes_its_import_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_IMPORT_TIMEOUT_S", 0.5)
    path = tmp_path / "endless.py"
    path.write_text("while True: pass\n")
    assert "took more than" in str(check.import_clients([path])[str(path)])


def test_a_client_that_ends_the_importing_process_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ends.py"
    path.write_text("import os\nos._exit(3)\n")
    assert "failed" in str(check.import_clients([path])[str(path)])


def test_a_type_check_needs_no_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "a.py").write_text('x: int = "one"\n')
    found = check.type_errors([tmp_path / "a.py"])
    assert found is not None
    assert [line for line in found if "Incompatible types" in line]
