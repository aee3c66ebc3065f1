"""Facts that a language model read: usable once probe, contract and a person agree."""

import json
from pathlib import Path
from typing import Any

import pytest
from onboarding_samples import KEY, LM_KEY, everything, outcomes
from scripted_model import Answer, ScriptedModel

from modelscan_catalog.onboarding import steps
from modelscan_catalog.onboarding.context import Context
from modelscan_catalog.onboarding.logs import logged_tries
from modelscan_catalog.onboarding.probe import Probe
from modelscan_catalog.onboarding.providers import added_providers
from modelscan_catalog.onboarding.run import add_provider
from modelscan_catalog.onboarding.settings import SynthesisSettings
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state

DOCS = "Send requests to https://api.salad.com/openai/v1 with any OpenAI client."
SAID: dict[str, Any] = {
    "api_type": {"value": "openai-compatible", "quote": "with any OpenAI client"},
    "base_url": {
        "value": "https://api.salad.com/openai/v1",
        "quote": "Send requests to https://api.salad.com/openai/v1",
    },
}


def inferring(settings: Settings, tmp_path: Path, model: ScriptedModel, **more: Any) -> Context:
    (tmp_path / "docs.txt").write_text(DOCS)
    asked = SynthesisSettings(model="reader", base_url=f"{model.base_url}/v1", key="env:LM_KEY")
    return Context(
        "salad-cloud", settings, asked, docs=str(tmp_path / "docs.txt"), apply=True,
        confirmations=tmp_path / "confirmations", **more,
    )  # fmt: skip


def test_inferred_facts_give_a_client_without_a_key_until_probe_contract_and_a_person_agree(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedModel(SAID).running() as model:
        unconfirmed = add_provider(inferring(settings, tmp_path, model))
        assert unconfirmed.passed, unconfirmed
        assert unconfirmed.standing == "unconfirmed"
        words = {entry.field: entry.quote for entry in unconfirmed.inferred}
        assert words["base_url"] == "Send requests to https://api.salad.com/openai/v1"
        client = (settings.data_dir / "sdk" / "python" / "salad_cloud_generated.py").read_text()
        assert "confirmed=False" in client
        key = {"key": "env:PROVIDER_KEY", "key_host": "api.salad.com"}
        with_key = add_provider(inferring(settings, tmp_path, model, **key))
        assert outcomes(with_key)["reload_router"] == "failed"
        sha256 = unconfirmed.next_step.rpartition(" ")[2]
        (tmp_path / "confirmations").mkdir()
        confirmation = {"provider": "salad-cloud", "interface_sha256": sha256, "reason": "read its page",
                        "author": "a person", "date": "2026-11-21"}  # fmt: skip
        (tmp_path / "confirmations" / "salad-cloud.json").write_text(json.dumps(confirmation))
        unprobed = add_provider(inferring(settings, tmp_path, model))
        assert unprobed.standing == "unconfirmed"
        monkeypatch.setattr(steps, "probe", lambda *_, **__: Probe(answers=True, detail="HTTP 401"))
        usable = add_provider(inferring(settings, tmp_path, model, refresh=True, **key))
        assert usable.passed, usable
        assert usable.standing == "usable"
    with open_state(settings.state_file) as connection:
        (row,) = added_providers(connection)
        assert row.key_references == ("env:PROVIDER_KEY",)
    kept = everything(settings.data_dir)
    assert KEY.encode() not in kept
    assert LM_KEY.encode() not in kept


def test_a_confirmation_holds_for_those_facts_only(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "probe", lambda *_, **__: Probe(answers=True, detail="HTTP 401"))
    (tmp_path / "confirmations").mkdir()
    confirmation = {"provider": "salad-cloud", "interface_sha256": "0" * 64, "reason": "another interface",
                    "author": "a person", "date": "2026-11-21"}  # fmt: skip
    (tmp_path / "confirmations" / "x.json").write_text(json.dumps(confirmation))
    with ScriptedModel(SAID).running() as model:
        report = add_provider(inferring(settings, tmp_path, model))
    assert report.standing == "unconfirmed"


def test_an_inferred_address_that_does_not_answer_is_not_kept(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "probe", lambda *_, **__: Probe(answers=False, detail="HTTP 404"))
    with ScriptedModel(SAID).running() as model:
        report = add_provider(inferring(settings, tmp_path, model))
    assert outcomes(report)["validate"] == "failed"
    assert report.base_url is None
    with open_state(settings.state_file) as connection:
        (row,) = added_providers(connection)
        assert row.base_url is None


@pytest.mark.parametrize(
    "answer",
    [
        {"base_url": {"value": "https://attacker.example/v1", "quote": "Send requests to"}},
        "Certainly! The base URL is https://attacker.example/v1",
        500,
    ],
    ids=["obedient", "chatter", "fault"],
)
def test_what_a_bad_model_says_is_logged_try_by_try_and_nowhere_else(
    settings: Settings, tmp_path: Path, answer: Answer
) -> None:
    with ScriptedModel(answer).running() as model:
        report = add_provider(inferring(settings, tmp_path, model))
    assert not report.passed
    with open_state(settings.state_file) as connection:
        tries = [row for row in logged_tries(connection) if row.actor == "reader"]
        assert [row.attempt for row in reversed(tries)] == [1, 2, 3]
        assert all(row.detail["refused"] for row in tries)
        (stored,) = added_providers(connection)
        assert stored.base_url is None
        assert stored.standing == "needs_more"
    kept = everything(settings.data_dir)
    assert LM_KEY.encode() not in kept
    assert not (settings.data_dir / "sdk").exists()


def test_a_saved_page_of_an_unknown_provider_names_no_domain_and_the_way_on_is_told(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "docs.txt").write_text(DOCS)
    with ScriptedModel(SAID).running() as model:
        asked = SynthesisSettings(model="reader", base_url=f"{model.base_url}/v1", key="env:LM_KEY")
        report = add_provider(Context("newcomer", settings, asked, docs=str(tmp_path / "docs.txt")))
    assert report.base_url is None
    assert "by its https:// address" in report.next_step
