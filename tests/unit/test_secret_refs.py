"""Secret references: resolved late, refused early."""

from pathlib import Path

import pytest

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.secret_refs import check_reference, resolve_secret


def test_a_variable_is_read_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", " secret ")
    assert resolve_secret("env:A_KEY") == "secret"


def test_a_file_is_read_without_its_final_newline(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    assert resolve_secret(f"file:{tmp_path / 'key'}") == "secret"


@pytest.mark.parametrize("reference", ["env:NOT_SET_ANYWHERE", "file:/does/not/exist"])
def test_a_reference_to_nothing_says_so(reference: str) -> None:
    with pytest.raises(SettingsError, match=reference):
        resolve_secret(reference)


@pytest.mark.parametrize("literal", ["sk-abc", "", "env:", "env:1X", "$KEY"])
def test_a_literal_is_refused(literal: str) -> None:
    with pytest.raises(ValueError, match="by reference"):
        check_reference(literal)
