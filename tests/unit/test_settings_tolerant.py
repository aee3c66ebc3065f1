"""Settings of a service: it starts with defaults and says what it did not follow; secrets stay strict."""

from pathlib import Path

import pytest

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.settings import REPOSITORY_ROOT, Settings, load_settings, load_tolerant
from modelscan_catalog.settings.load import variables_of


@pytest.fixture(autouse=True)
def a_bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in os.environ:
        if name.startswith("MODELSCAN_") and name not in ("MODELSCAN_SHARED", "MODELSCAN_PUBLISHED"):
            monkeypatch.delenv(name)


def _file(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, "utf-8")
    return path


def test_sections_of_a_bootstrap_file_are_settings(tmp_path: Path) -> None:
    text = (
        "database: {path: m.db}\nserver: {host: 127.0.0.2, port: 9090}\n"
        "discovery: {agent_model: some-model, parallel_batch: 3, cache_days: 2}\n"
        "routing: {mode: plano_proxy}\napi_keys: {openai: ['env:A', 'file:/b']}\n"
    )
    loaded = load_tolerant(_file(tmp_path, text))
    assert loaded.warnings == ()
    found = loaded.settings
    assert (found.host, found.port, found.parallel_batch, found.cache_days) == ("127.0.0.2", 9090, 3, 2)
    assert (found.state_file, found.agent_model) == (Path("m.db"), "some-model")
    assert (found.routing_mode, found.api_keys) == ("plano_proxy", {"openai": ("env:A", "file:/b")})


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "\x00", None])
def test_a_file_that_cannot_be_read_leaves_the_defaults_and_a_warning(
    tmp_path: Path, text: str | None
) -> None:
    path = _file(tmp_path, text) if text is not None else tmp_path / "none.yaml"
    loaded = load_tolerant(path)
    assert loaded.settings.port == 8080
    assert len(loaded.warnings) == 1
    assert path.name in loaded.warnings[0]


def test_wrong_values_fall_back_one_by_one_and_each_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCAN_PORT", "many")
    monkeypatch.setenv("MODELSCAN_HTTP", "no json")
    path = _file(tmp_path, "port: 9999\nparallel_batch: 99\nserver: {hots: x}\ncache_days: 3\n")
    loaded = load_tolerant(path)
    assert (loaded.settings.port, loaded.settings.parallel_batch, loaded.settings.cache_days) == (9999, 5, 3)
    for name in ("MODELSCAN_PORT", "MODELSCAN_HTTP", "parallel_batch", "server.hots"):
        assert any(name in line for line in loaded.warnings), name
    assert len(loaded.warnings) == 4


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCAN_CACHE_DAYS", "9")
    monkeypatch.setenv("CATALOG_REFRESH_INTERVAL", "1m30s")
    monkeypatch.setenv("STATE_PATH", str(tmp_path / "state"))
    found = load_tolerant(_file(tmp_path, "cache_days: 3\n")).settings
    assert (found.cache_days, found.catalog_refresh_interval_s) == (9, 90)
    assert found.state_file == tmp_path / "state" / "modelscan.db"


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("api_keys: {openai: [sk-literal]}\n", {}),
        ("api_token: literal\n", {}),
        ("rate_limit: [1]\n", {}),
        ("", {"MODELSCAN_CLIENT_TOKEN": "sk-literal"}),
        ("", {"MODELSCAN_API_KEYS": "sk-literal"}),
    ],
)
def test_what_would_be_dangerous_to_pass_over_is_refused_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_tolerant(_file(tmp_path, text))
    assert "literal" not in str(caught.value)


def test_names_of_other_programs_are_followed_or_answered_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODEL_MANAGER_API_TOKEN", "a secret")
    monkeypatch.setenv("REDIS_HOST", "redis")
    monkeypatch.setenv("DATASTORE_DRIVER", "bolt")
    monkeypatch.setenv("MODELSCAN_PROT", "1")
    loaded = load_tolerant()
    assert loaded.settings.api_token == "env:MODEL_MANAGER_API_TOKEN"
    assert load_settings().api_token == "env:MODEL_MANAGER_API_TOKEN"
    assert len(loaded.warnings) == 3
    assert any("SQLite" in line and line.startswith("DATASTORE_DRIVER") for line in loaded.warnings)
    assert any("did you mean MODELSCAN_PORT?" in line for line in loaded.warnings)
    assert not any("secret" in line for line in loaded.warnings)


def test_a_wrong_argument_is_never_passed_over() -> None:
    with pytest.raises(SettingsError, match="port"):
        load_tolerant(port=70000)


def test_every_setting_is_in_the_documents() -> None:
    pages = [REPOSITORY_ROOT / "README.md", *(REPOSITORY_ROOT / "docs").glob("*.md")]
    told = "\n".join(page.read_text("utf-8") for page in pages)
    names = {field: [name.upper() for name in variables_of(field)] for field in Settings.model_fields}
    assert [field for field, known in names.items() if not any(name in told for name in known)] == []
