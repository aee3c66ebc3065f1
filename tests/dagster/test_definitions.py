"""The asset graph: whole, described, checked, scheduled."""

from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import build_definitions
from pipelines.schedules import changed_overrides


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions()


def test_the_definitions_load_and_every_run_config_of_a_schedule_is_valid(
    definitions: dg.Definitions,
) -> None:
    dg.Definitions.validate_loadable(definitions)
    for name in ("daily_refresh", "weekly_refresh", "daily_discovery", "weekly_discovery"):
        schedule = definitions.resolve_schedule_def(name)
        context = dg.build_schedule_context()
        job = definitions.resolve_job_def(schedule.job_name)
        for request in schedule.evaluate_tick(context).run_requests or []:
            assert dg.validate_run_config(job, request.run_config)


def test_every_asset_has_a_group_an_owner_a_kind_and_a_description(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.group_name != "default", spec.key
        assert spec.owners, spec.key
        assert spec.kinds, spec.key
        assert spec.description, spec.key


def test_sources_are_retried_when_a_step_breaks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for source in ("models_dev", "gpustack", "huggingface", "modelscope"):
        assets = definitions.resolve_assets_def(source)
        assert assets.op.retry_policy is not None
        assert graph.has(dg.AssetKey(source))


def test_the_arrow_from_sources_to_the_published_registry_goes_one_way(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    order = ["sources", "catalogue", "fit", "launch", "registry", "router"]
    order += ["deployments", "onboarding", "upgrade", "discovery"]
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        for parent in node.parent_keys:
            assert order.index(graph.get(parent).group_name) <= order.index(node.group_name), (parent, key)


def test_one_run_covers_every_gpu_partition(definitions: dg.Definitions) -> None:
    fit = definitions.resolve_assets_def("fit_matrix")
    assert fit.backfill_policy == dg.BackfillPolicy.single_run()
    assert len(fit.partitions_def.get_partition_keys()) >= 60  # type: ignore[union-attr]


def test_a_changed_override_starts_one_rebuild(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = tmp_path
    (registry / "overrides").mkdir()
    (registry / "overrides" / "a.json").write_text("[]")
    monkeypatch.setenv("MODELSCAN_REGISTRY_DIR", str(registry))
    context = dg.build_sensor_context()
    assert isinstance(changed_overrides(context), dg.SkipReason)
    assert isinstance(changed_overrides(context), dg.SkipReason)
    (registry / "overrides" / "a.json").write_text("[ ]")
    assert isinstance(changed_overrides(context), dg.RunRequest)
    assert isinstance(changed_overrides(context), dg.SkipReason)


def test_the_router_job_starts_a_real_router_and_stops_it(
    definitions: dg.Definitions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))
    job = definitions.resolve_job_def("runtime_router")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    (materialized,) = result.asset_materializations_for_node("router_smoke_test")
    listed = materialized.metadata["models listed"].value
    assert isinstance(listed, int)
    assert listed >= 2
