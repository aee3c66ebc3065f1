"""Settings of weights under the names that model managers use."""

from pathlib import Path

import pytest

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.settings import load_settings

NAMES = (
    "WEIGHTS_STORAGE_PATH", "WEIGHTS_INSTALL_TIMEOUT", "PVC_ALERT_THRESHOLD", "SLACK_WEBHOOK_URL",
    "HUGGINGFACE_CACHE_TTL", "VLLM_CACHE_TTL", "HUGGINGFACE_API_TOKEN", "HF_TOKEN",
)  # fmt: skip


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_weights_lie_below_the_data_directory_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings(data_dir=tmp_path).weights_dir == tmp_path / "weights"
    monkeypatch.setenv("WEIGHTS_STORAGE_PATH", "/mnt/models")
    assert load_settings(data_dir=tmp_path).weights_dir == Path("/mnt/models")


def test_durations_are_taken_as_go_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTS_INSTALL_TIMEOUT", "1h30m")
    monkeypatch.setenv("HUGGINGFACE_CACHE_TTL", "250ms")
    settings = load_settings()
    assert (settings.weights_install_timeout_s, settings.huggingface_cache_ttl_s) == (5400.0, 0.25)
    assert settings.vllm_cache_ttl_s == 600.0


def test_a_secret_in_a_variable_becomes_a_reference_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/secret")
    monkeypatch.setenv("HUGGINGFACE_API_TOKEN", "file:/run/secrets/hf")
    settings = load_settings()
    assert settings.slack_webhook_url == "env:SLACK_WEBHOOK_URL"
    assert settings.huggingface_token == "file:/run/secrets/hf"
    assert "hooks.slack.com" not in repr(settings)


def test_a_literal_webhook_in_a_file_is_refused_without_being_repeated(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("slack_webhook_url: https://hooks.slack.com/services/T/B/secret\n")
    with pytest.raises(SettingsError, match="env:NAME") as caught:
        load_settings(tmp_path / "c.yaml")
    assert "hooks.slack.com" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("WEIGHTS_INSTALL_TIMEOUT", "0s"), ("WEIGHTS_INSTALL_TIMEOUT", "soon"), ("PVC_ALERT_THRESHOLD", "85")],
)
def test_a_value_out_of_bounds_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()
