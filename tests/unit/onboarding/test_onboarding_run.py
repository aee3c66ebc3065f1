"""The eleven steps: cached, resumed, idempotent, honest about what did not pass."""

import json
from pathlib import Path
from typing import Any

import pytest
from onboarding_samples import KEY, everything, outcomes

from modelscan_catalog.errors import OnboardingError, SettingsError, StateError
from modelscan_catalog.onboarding import run, steps
from modelscan_catalog.onboarding.context import Context, split_identifier
from modelscan_catalog.onboarding.logs import logged_tries
from modelscan_catalog.onboarding.providers import added_providers, put_provider
from modelscan_catalog.onboarding.records import STEPS, Reloaded
from modelscan_catalog.onboarding.run import add_provider, run_step
from modelscan_catalog.router.deployments import list_deployments
from modelscan_catalog.sdk.history import versions
from modelscan_catalog.sdk.interface import ProviderInterface
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state


def test_a_provider_that_rules_know_is_added_with_a_reference_to_its_key_and_never_the_key(
    settings: Settings,
) -> None:
    context = Context("groq", settings, key="env:PROVIDER_KEY", apply=True)
    report = add_provider(context)
    assert outcomes(report) == dict.fromkeys(STEPS, "done")
    assert (report.standing, report.api_type) == ("usable", "openai-compatible")
    with open_state(settings.state_file) as connection:
        (row,) = added_providers(connection)
        assert row.key_references == ("env:PROVIDER_KEY",)
        assert len(logged_tries(connection, identifier="groq")) == len(STEPS)
    assert (settings.data_dir / "sdk" / "python" / "groq_generated.py").is_file()
    assert KEY.encode() not in everything(settings.data_dir)


def test_the_second_run_takes_everything_from_the_cache_and_changes_nothing(settings: Settings) -> None:
    context = Context("groq", settings, apply=True)
    add_provider(context)
    again = add_provider(context)
    assert set(outcomes(again).values()) == {"cached", "done"}
    assert [step.step for step in again.steps if step.outcome == "done"] == ["reload_router", "store"]
    with open_state(settings.state_file) as connection:
        assert len(versions(connection)) == 1
        before = connection.execute("SELECT updated_at FROM providers").fetchall()
    add_provider(context)
    with open_state(settings.state_file) as connection:
        assert connection.execute("SELECT updated_at FROM providers").fetchall() == before


def test_without_apply_nothing_is_kept_but_the_cache(settings: Settings) -> None:
    report = add_provider(Context("groq", settings))
    assert report.passed
    assert outcomes(report)["store"] == "planned"
    with open_state(settings.state_file) as connection:
        assert added_providers(connection) == []
        assert versions(connection) == []
    assert not (settings.data_dir / "sdk").exists()
    assert not (settings.data_dir / "router").exists()


def test_a_run_that_was_stopped_goes_on_where_it_was(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform = steps.perform

    def stopped(step: Any, context: Any, inputs: Any) -> Any:
        if step == "compile":
            raise KeyboardInterrupt
        return perform(step, context, inputs)

    monkeypatch.setattr(run, "perform", stopped)
    context = Context("groq", settings, apply=True)
    with pytest.raises(KeyboardInterrupt):
        add_provider(context)
    monkeypatch.setattr(run, "perform", perform)
    report = add_provider(context)
    done = outcomes(report)
    assert [done[step] for step in STEPS[:7]] == ["cached"] * 7
    assert done["compile"] == "done"
    assert report.passed


def test_what_has_expired_or_is_to_be_refreshed_is_made_anew(settings: Settings) -> None:
    add_provider(Context("groq", settings))
    refreshed = add_provider(Context("groq", settings, refresh=True))
    assert "cached" not in outcomes(refreshed).values()
    with open_state(settings.state_file) as connection:
        connection.execute("UPDATE discovery_cache SET expires_at = '2000-01-01'")
    assert "cached" not in outcomes(add_provider(Context("groq", settings))).values()


def test_an_edited_document_is_read_again(settings: Settings, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    for server in ("https://one.example.com", "https://two.example.com"):
        spec.write_text(
            json.dumps({"openapi": "3.1.0", "servers": [{"url": server}], "paths": {"/run": {"post": {}}}})
        )
        report = add_provider(Context("newcomer", settings, openapi=str(spec)), last="synthesise")
        assert report.base_url == server


def test_a_step_alone_needs_those_before_it(settings: Settings) -> None:
    with pytest.raises(OnboardingError, match="validate has not been done"):
        run_step(Context("groq", settings), "generate")


def test_a_provider_that_needs_more_is_kept_as_such_and_gets_no_key(settings: Settings) -> None:
    report = add_provider(Context("watsonx", settings, key="env:PROVIDER_KEY", apply=True))
    assert outcomes(report)["validate"] == "failed"
    assert report.standing == "needs_more"
    assert "exchange" in report.missing[0]
    with open_state(settings.state_file) as connection:
        (row,) = added_providers(connection)
        assert (row.standing, row.key_references) == ("needs_more", ())


def test_an_unknown_provider_needs_a_document_and_is_added_from_one(
    settings: Settings, tmp_path: Path
) -> None:
    unknown = add_provider(Context("newcomer/m-1", settings, apply=True))
    failed = next(step for step in unknown.steps if step.outcome == "failed")
    assert failed.step == "synthesise"
    assert "--openapi" in failed.summary
    schema: dict[str, Any] = {"properties": {"messages": {}}}
    spec = {
        "openapi": "3.1.0",
        "servers": [{"url": "https://api.newcomer.ai"}],
        "components": {"securitySchemes": {"k": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/v1/chat/completions": {
                "post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}
            }
        },
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    given: dict[str, Any] = {"key": "env:PROVIDER_KEY", "openapi": str(tmp_path / "spec.json"), "apply": True}
    unnamed = add_provider(Context("newcomer/m-1", settings, **given))
    failed = next(step for step in unnamed.steps if step.outcome == "failed")
    assert failed.step == "validate"
    assert "PROVIDER_KEY is not sent to api.newcomer.ai" in failed.summary
    assert "--key-host" in failed.summary
    assert list_deployments(settings.data_dir / "router") == ()
    report = add_provider(Context("newcomer/m-1", settings, key_host="api.newcomer.ai", **given))
    assert report.passed, report
    deployments = json.loads((settings.data_dir / "router" / "deployments.json").read_text())
    (served,) = deployments["deployments"]
    assert (served["base_url"], served["key"]) == ("https://api.newcomer.ai/v1", "env:PROVIDER_KEY")


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        ({"type": "apiKey", "in": "header", "name": "X-Token"}, "bearer token only"),
        ({"type": "http", "scheme": "bearer"}, "serves newcomer/m-1"),
    ],
    ids=["another way to show a key", "as routers do"],
)
def test_routers_are_given_only_what_they_can_call_and_the_key_that_was_named_is_the_clients(
    settings: Settings, tmp_path: Path, scheme: dict[str, str], words: str
) -> None:
    schema: dict[str, Any] = {"properties": {"messages": {}}}
    spec = {
        "openapi": "3.1.0",
        "servers": [{"url": "https://api.newcomer.ai"}],
        "components": {"securitySchemes": {"k": scheme}},
        "paths": {
            "/v1/chat/completions": {
                "post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}
            },
            "/v1/models": {"get": {}},
        },
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    context = Context(
        "newcomer/m-1", settings, key="env:PROVIDER_KEY", key_host="api.newcomer.ai",
        openapi=str(tmp_path / "spec.json"), apply=True,
    )  # fmt: skip
    report = add_provider(context)
    assert report.passed, report
    said = next(step.summary for step in report.steps if step.step == "reload_router")
    assert words in said
    assert bool(list_deployments(context.router_dir)) == said.startswith("serves")
    client = (settings.data_dir / "sdk" / "python" / "newcomer_generated.py").read_text()
    assert 'key_env=("PROVIDER_KEY",)' in client


@pytest.mark.parametrize(
    ("model", "registered", "words"),
    [
        ("openai/gpt-oss-20b", True, "served already"),
        ("not-in-any-source", True, "serves groq/not-in-any-source"),
        ("whisper-large-v3", False, "router.json leaves whisper-large-v3 out"),
    ],
    ids=["of the router", "new", "no language model"],
)
def test_a_model_of_a_provider_that_is_served_is_said_to_be_served_only_where_it_is(
    settings: Settings, model: str, registered: bool, words: str
) -> None:
    context = Context(f"groq/{model}", settings, apply=True)
    add_provider(context)
    found, _ = run_step(context, "reload_router")
    assert isinstance(found, Reloaded)
    assert (found.registered, words in found.detail) == (registered, True), found.detail
    served = [one.served_model for one in list_deployments(context.router_dir)]
    assert served == ([model] if "serves" in words else [])


def test_a_literal_key_and_a_malformed_identifier_are_refused_before_anything_is_done(
    settings: Settings,
) -> None:
    with pytest.raises(SettingsError, match="by reference") as refused:
        Context("groq", settings, key=KEY)
    assert KEY not in str(refused.value)
    for identifier in ("", "../x", "a b", "groq/\n", "groq/ x"):
        with pytest.raises(OnboardingError, match="PROVIDER/MODEL"):
            split_identifier(identifier)
    assert not settings.data_dir.exists()


def test_no_key_is_kept_for_what_is_not_usable() -> None:
    interface = ProviderInterface(provider="x", name="X")
    with open_state(None) as connection, pytest.raises(StateError, match="no key is kept"):
        put_provider(connection, interface, "unconfirmed", ["env:X"])


def test_a_later_try_that_finds_less_does_not_take_away_what_is_usable(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert add_provider(Context("groq", settings, apply=True)).standing == "usable"

    def refuse(*_: object) -> object:
        raise steps.RefusedError("groq: nothing", ProviderInterface(provider="groq", name="Groq"), ())

    monkeypatch.setattr(steps, "validate", refuse)
    assert not add_provider(Context("groq", settings, apply=True, refresh=True)).passed
    with open_state(settings.state_file) as connection:
        (row,) = added_providers(connection)
    assert (row.standing, row.api_type) == ("usable", "openai-compatible")
