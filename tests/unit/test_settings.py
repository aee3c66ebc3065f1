"""Settings: defaults, file, environment, refusals."""

from pathlib import Path

import pytest

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.settings import load_settings


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODELSCAN_PARALLEL_BATCH", "HF_ENDPOINT", "MODELSCAN_HTTP__MAX_ATTEMPTS"):
        monkeypatch.delenv(name, raising=False)


def test_five_requests_at_once_per_host_by_default() -> None:
    assert load_settings().parallel_batch == 5


def test_the_fields_own_environment_names_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.test")
    monkeypatch.setenv("MODELSCAN_HTTP__MAX_ATTEMPTS", "2")
    settings = load_settings()
    assert settings.huggingface_url == "http://hub.test"
    assert settings.http.max_attempts == 2


def test_the_environment_wins_over_the_file_and_an_argument_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.yaml").write_text("parallel_batch: 2\npopular_repos_per_task: 7\n")
    monkeypatch.setenv("MODELSCAN_PARALLEL_BATCH", "3")
    assert load_settings(tmp_path / "c.yaml").parallel_batch == 3
    assert load_settings(tmp_path / "c.yaml").popular_repos_per_task == 7
    assert load_settings(tmp_path / "c.yaml", parallel_batch=4).parallel_batch == 4


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "\x00"])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"c\.yaml"):
        load_settings(tmp_path / "c.yaml")


def test_a_wrong_value_is_refused_with_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCAN_PARALLEL_BATCH", "many")
    with pytest.raises(SettingsError, match=r"PARALLEL_BATCH|parallel_batch"):
        load_settings()


def test_a_literal_token_is_refused_without_being_repeated(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("huggingface_token: hf_thisisaliteralsecret\n")
    with pytest.raises(SettingsError, match="env:NAME") as caught:
        load_settings(tmp_path / "c.yaml")
    assert "literalsecret" not in str(caught.value)
