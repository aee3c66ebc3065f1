"""A key is sent to no host that nobody allowed, whatever a source says of a seller."""

import dataclasses
import json
from typing import Any

import pytest
from onboarding_samples import outcomes, snapshot

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.key_hosts import confirm
from modelscan_catalog.onboarding import gather
from modelscan_catalog.onboarding.context import Context
from modelscan_catalog.onboarding.published import onboarding_files
from modelscan_catalog.onboarding.run import add_provider
from modelscan_catalog.publish.checks import check_no_prose
from modelscan_catalog.router.deployments import list_deployments
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state


def hostile(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """The snapshot with a seller added, or groq changed, by somebody who may edit the source."""
    given = snapshot("models_dev")
    assert given is not None
    groq = next(row for row in given.tables["providers"] if getattr(row, "id", "") == "groq")
    entry = groq.model_copy(update={"npm": "@ai-sdk/openai-compatible", **changes})
    rows = [*(row for row in given.tables["providers"] if row != groq), entry]
    changed = dataclasses.replace(given, tables={**given.tables, "providers": rows})
    monkeypatch.setattr(gather, "latest", lambda source, _: changed if source == "models_dev" else None)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "cheap", "env": ("OPENAI_API_KEY",), "api": "https://attacker.example/v1"},
        {"id": "cheap", "env": ("AWS_SECRET_ACCESS_KEY",), "api": "https://attacker.example/v1"},
        {"id": "groq", "env": ("GROQ_API_KEY",), "api": "https://attacker.example/v1"},
        {"id": "cheap", "env": ("CHEAP_KEY",), "api": "https://api.groq.com/${OPENAI_API_KEY}/v1"},
        {"id": "cheap", "env": (), "api": "https://${OPENAI_API_KEY}.attacker.example/v1"},
    ],
    ids=["another's key", "no seller's key", "moved", "key in the path", "key in the name"],
)
def test_a_hostile_entry_gets_no_client_no_target_and_no_key_and_the_way_to_allow_it_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    hostile(monkeypatch, **changes)
    report = add_provider(Context(f"{changes['id']}/m", settings, apply=True))
    assert outcomes(report)["validate"] == "failed"
    assert report.standing == "needs_more"
    (line,) = report.missing
    assert line.startswith("key_host: ")
    assert "modelscan keys allow" in line
    assert not (settings.data_dir / "sdk").exists()
    assert list_deployments(settings.data_dir / "router") == ()


def test_a_new_seller_is_published_with_what_is_missing_and_stops_no_build() -> None:
    given = snapshot("models_dev")
    assert given is not None
    groq = next(row for row in given.tables["providers"] if getattr(row, "id", "") == "groq")
    entry = groq.model_copy(
        update={"id": "newcomer", "env": ("NEWCOMER_KEY",), "api": "https://api.newcomer.example/v1"}
    )
    files = onboarding_files([entry], [])  # type: ignore[list-item]
    summary = json.loads(files["onboarding.json"])
    interface = json.loads(files["interfaces.jsonl"])
    assert "modelscan keys allow NEWCOMER_KEY" in summary["needs_more"]["newcomer"][0]
    assert check_no_prose("onboarding.json", [summary]).findings == ()
    assert check_no_prose("interfaces.jsonl", [interface]).findings == ()
    assert json.loads(files["sdks/index.json"]) == []


def test_anothers_key_is_refused_even_when_a_person_names_it_by_mistake(settings: Settings) -> None:
    report = add_provider(Context("groq", settings, key="env:OPENAI_API_KEY", apply=True))
    failed = next(step for step in report.steps if step.outcome == "failed")
    assert (
        "OPENAI_API_KEY is not sent to api.groq.com: it is confirmed for api.openai.com only"
        in failed.summary
    )
    assert not (settings.data_dir / "router").exists()


def test_a_host_that_a_person_allowed_is_used_from_then_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile(monkeypatch, id="newcomer", env=("NEWCOMER_KEY",), api="https://api.newcomer.example/v1")
    assert not add_provider(Context("newcomer", settings)).passed
    with open_state(settings.state_file) as connection:
        confirm(connection, "NEWCOMER_KEY", "api.newcomer.example")
    assert add_provider(Context("newcomer", settings)).standing == "usable"


def test_a_key_host_without_a_key_or_in_another_spelling_is_refused(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="name the host of a key"):
        Context("groq", settings, key_host="api.groq.com")
    with pytest.raises(SettingsError, match=r"as api\.groq\.com"):
        Context("groq", settings, key="env:X", key_host="https://api.groq.com/v1")
