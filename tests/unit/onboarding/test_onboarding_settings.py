"""Who may read a provider's texts: by a file, by the environment over it, never with a literal key."""

from pathlib import Path

import pytest

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.onboarding.settings import synthesis_settings
from modelscan_catalog.settings import load_settings, load_tolerant

LITERAL = "sk-literal-1234567890"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return file


def test_a_file_names_the_model_and_the_environment_wins_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(
        tmp_path,
        "discovery: {agent_model: reader}\n"
        "synthesis: {format: anthropic, key: env:READER_KEY, timeout_s: 5, max_tries: 2}\n",
    )
    monkeypatch.setenv("MODELSCAN_SYNTHESIS_TIMEOUT_S", "9")
    found = synthesis_settings(load_settings(file))
    assert (found.model, found.format, found.timeout_s, found.max_tries) == ("reader", "anthropic", 9.0, 2)
    assert [model.key for model in found.models()] == ["env:READER_KEY"]


def test_nobody_is_asked_without_a_key(tmp_path: Path) -> None:
    file = written(tmp_path, "synthesis: {model: reader}\n")
    assert synthesis_settings(load_settings(file)).models() == ()


@pytest.mark.parametrize("load", [load_settings, load_tolerant])
def test_a_literal_key_in_the_file_is_refused_and_not_repeated(tmp_path: Path, load: object) -> None:
    file = written(tmp_path, f"synthesis: {{key: {LITERAL}}}\n")
    assert callable(load)
    with pytest.raises(SettingsError, match="by reference") as refused:
        load(file)
    assert LITERAL not in str(refused.value)


def test_a_literal_key_in_the_environment_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODELSCAN_SYNTHESIS_KEY", LITERAL)
    with pytest.raises(SettingsError, match="MODELSCAN_SYNTHESIS_KEY") as refused:
        synthesis_settings(load_settings())
    assert LITERAL not in str(refused.value)
