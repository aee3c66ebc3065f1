"""Adding a provider as a Dagster job: eleven assets of one dynamic partition."""

from pathlib import Path

import dagster as dg
import pytest

from assets.onboarding import ADDED_PROVIDERS, Onboarding
from modelscan_catalog.onboarding.records import STEPS
from modelscan_catalog.settings import load_settings
from modelscan_catalog.state import open_state
from pipelines.definitions import build_definitions


def run(instance: dg.DagsterInstance, identifier: str) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions(str(ADDED_PROVIDERS.name), [identifier])
    job = build_definitions({"onboarding": Onboarding(offline=True)}).resolve_job_def("add_provider")
    return job.execute_in_process(instance=instance, partition_key=identifier, raise_on_error=False)


def outcomes(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    return {
        event.asset_key.path[-1]: event.materialization.metadata["outcome"].value
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def test_a_provider_goes_through_eleven_assets_and_the_second_run_takes_them_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))
    with dg.DagsterInstance.ephemeral() as instance:
        first = run(instance, "groq")
        assert first.success
        assert outcomes(first) == dict.fromkeys(STEPS, "done")
        again = run(instance, "groq")
    assert again.success
    kept = dict.fromkeys(STEPS, "cached") | {"reload_router": "done", "store": "done"}
    assert outcomes(again) == kept
    (stored,) = again.asset_materializations_for_node("onboarding__store")
    assert "groq**: usable, openai-compatible" in str(stored.metadata["report"].value)
    assert (tmp_path / "sdk" / "python" / "groq_generated.py").is_file()
    with open_state(load_settings().state_file) as connection:
        assert connection.execute("SELECT count(*) FROM sdk_versions").fetchone()[0] == 1


def test_a_provider_without_a_usable_interface_fails_at_validation_and_nothing_behind_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(instance, "google-vertex")
    assert not result.success
    assert set(outcomes(result)) == set(STEPS[:5])
    assert not (tmp_path / "sdk").exists()
