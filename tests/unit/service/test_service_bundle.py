"""The support bundle: enough to help, and no secret in it, wherever the secret was put."""

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from service_samples import publish

from modelscan_catalog.cli.main import cli
from modelscan_catalog.service.bundle import masked
from modelscan_catalog.state import open_state
from modelscan_catalog.state.jobs import create_job, end_job

SECRETS = {
    "MODEL_MANAGER_API_TOKEN": "operator-secret-1",
    "HF_TOKEN": "hf_secret-2",
    "ACME_API_KEY": "sk-acme-secret-3",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/secret-4",
}
TOLD = (
    "refused with sk-acme-secret-3 and secret-7-of-a-file; "
    "GET https://hub.example/a?x=1&access_token=secret-8 said 401; "
    "Authorization: Bearer secret-9.value; hf_abcdefghijklmnopsecret-10; "
    "https://hooks.slack.com/services/T1/B2/secret-11; eyJhbGciOi.eyJzdWIiOi.secret-12; "
    'body {"api_key": "secret-13", "x": 1}; password=secret-14; https://me:pass@secret-15@mirror.example/x; '
    "https://chat.example/api/webhooks/1/secret-16"
)
"""What an error may repeat of a request; the last ones are known by their shape alone."""


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    publish(tmp_path / "published")
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MODELSCAN_MODELS_DEV_URL", "https://user:secret-5@mirror.example")
    with open_state(tmp_path / "data" / "state" / "modelscan.db") as state:
        job = create_job(state, "weights.install", "Qwen/Qwen3-8B", {"token": "secret-6"})
        end_job(state, job.id, "failed", error=TOLD)
    config = tmp_path / "config.yaml"
    (tmp_path / "key").write_text("secret-7-of-a-file\n")
    config.write_text(f"prot: 1\ngpustack_key: file:{tmp_path / 'key'}\n")
    command = ["doctor", "--registry", str(tmp_path / "published"), "--config", str(config)]
    done = CliRunner().invoke(cli, [*command, "--bundle", str(tmp_path / "b.zip")])
    assert (tmp_path / "b.zip").exists(), done.output
    with zipfile.ZipFile(tmp_path / "b.zip") as found:
        return {name: found.read(name) for name in found.namelist()}


def test_it_tells_versions_settings_registry_and_jobs(bundle: dict[str, bytes]) -> None:
    documents = {name: json.loads(content) for name, content in bundle.items()}
    assert documents["versions.json"]["packages"]["pydantic"]
    assert "no setting has that name" in documents["settings.json"]["warnings"][0]
    assert documents["registry.json"]["faults"] == []
    assert documents["state.json"]["jobs"][0]["kind"] == "weights.install"
    assert any(row["what"] == "settings" for row in documents["doctor.json"])
    assert documents["environment.json"]["HF_TOKEN"] == "(set)"


def test_no_secret_is_in_it(bundle: dict[str, bytes]) -> None:
    everything = b"".join(bundle.values()).decode()
    for number in range(1, 13):
        assert f"secret-{number}" not in everything
    assert "(the value of ACME_API_KEY)" in everything
    assert "https://(credentials)@mirror.example" in everything
    assert "x=1&access_token=(secret) said 401" in everything, "the rest of an address helps"


def test_short_values_are_not_replaced_in_the_middle_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "a")
    assert masked("banana") == "banana"


def test_references_and_plain_words_stay_and_a_hostile_text_costs_no_time() -> None:
    said = '"gpustack_key": "env:GPUSTACK_KEY", "api_token": "file:/run/secrets/token", "token": null'
    assert masked(said) == said
    long = "?" + "token" * 200_000
    assert masked(long) == long
