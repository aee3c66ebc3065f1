"""Deployments in the pipeline: a sensor that looks, observations of what happened, evidence to publish."""

import json
from pathlib import Path

import dagster as dg
import pytest

from assets.costs import cost_compare
from assets.deployments import benchmark_evidence
from assets.shared import Build
from modelscan_catalog.registry.cost_table import CostRow
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import deployments, open_state, put_deployment
from modelscan_catalog.state.benchmarks import Benchmark, write_benchmarks
from modelscan_catalog.state.history import write_event
from modelscan_catalog.state.jobs import create_job
from pipelines.definitions import build_definitions
from pipelines.sensors import deployment_status

SERVER = "http://127.0.0.1:9"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))
    for name in ("MODELSCAN_GPUSTACK_SERVER", "MODELSCAN_GPUSTACK_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def look(cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    result = deployment_status(dg.build_sensor_context(cursor=cursor))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def test_given_nothing_deployed_when_the_sensor_looks_then_it_skips_and_makes_no_file(data: Path) -> None:
    assert isinstance(look(), dg.SkipReason)
    assert list(data.iterdir()) == []


def test_given_a_deployment_whose_server_is_gone_when_looked_at_then_each_change_is_observed_once(
    data: Path,
) -> None:
    with open_state(Settings(data_dir=data).state_file) as connection:
        put_deployment(connection, "gpustack", SERVER, "m", "running", remote_id="1")
    result = look()
    assert isinstance(result, dg.SensorResult)
    seen = [event.metadata["state"].value for event in result.asset_events]
    assert seen == ["running", "unreachable"]
    assert {event.asset_key for event in result.asset_events} == {dg.AssetKey("live_deployments")}
    assert "Connection refused" in str(result.asset_events[-1].metadata["message"].value)
    with open_state(Settings(data_dir=data).state_file) as connection:
        (row,) = deployments(connection)
    assert row.state == "unreachable"
    assert isinstance(look(result.cursor), dg.SkipReason)


def test_given_an_install_and_a_failed_job_when_looked_at_then_each_is_an_observation_of_its_asset(
    data: Path,
) -> None:
    with open_state(Settings(data_dir=data).state_file) as connection:
        write_event(connection, "weights.installed", "huggingface/a/b/c", {"bytes": 7})
        job = create_job(connection, "weights.install", "huggingface/a/b", {})
        write_event(connection, "job.failed", "weights.install:huggingface/a/b", {"error": "no room"}, job.id)
        write_event(connection, "kserve.activated", "kserve:active-llm", {"action": "created"})
        write_event(connection, "upgrade.stopped", "route", {})
    result = look()
    assert isinstance(result, dg.SensorResult)
    seen = result.asset_events
    assert [(event.asset_key.to_user_string(), event.metadata["state"].value) for event in seen] == [
        ("local_weights", "installed"),
        ("background_jobs", "failed"),
        ("live_deployments", "activated"),
    ]
    assert (seen[1].metadata["error"].value, seen[1].metadata["job"].value) == ("no room", job.id)
    assert isinstance(look(result.cursor), dg.SkipReason)


def test_given_a_state_of_another_server_kind_when_looked_at_then_its_row_says_what_is_missing(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(data / "none"))
    with open_state(Settings(data_dir=data).state_file) as connection:
        put_deployment(connection, "kserve", "https://cluster/ai", "m", "running", remote_id="1")
    assert isinstance(look(), dg.SensorResult)
    with open_state(Settings(data_dir=data).state_file) as connection:
        (row,) = deployments(connection)
    assert (row.state, bool(row.message)) == ("unreachable", True)


def test_given_benchmarks_when_the_asset_is_made_then_they_are_lines_without_addresses(data: Path) -> None:
    known = Benchmark(
        measured_at="2026-11-21T00:00:00+00:00", target="gpustack", server=SERVER, name="m", model="a/m",
        checkpoint="A/M", revision=None, gpu="h100-80gb", gpu_count=1, engine="vllm", engine_version="0.33.0",
        tensor_parallel=1, pipeline_parallel=1, concurrency=1, prompt_tokens=1, output_tokens=2, requests=3,
        failed=0, seconds=1.0, ttft_p10_s=None, ttft_p50_s=None, ttft_p90_s=None, itl_p10_s=0.01,
        itl_p50_s=0.01, itl_p90_s=0.01, throughput_tok_s=6.0, throughput_low_tok_s=6.0,
        throughput_high_tok_s=6.0,
    )  # fmt: skip
    with open_state(Settings(data_dir=data).state_file) as connection:
        write_benchmarks(connection, [known])
    result = dg.materialize([benchmark_evidence], resources={"build": Build()})
    assert result.success
    (line,) = (data / "benchmarks.jsonl").read_text().splitlines()
    assert json.loads(line)["checkpoint"] == "A/M"
    assert "127.0.0.1" not in line


def test_given_a_published_registry_when_costs_are_compared_then_each_row_names_card_seller_and_break_even(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = CostRow(
        model="a/m", checkpoint="A/M", gpu="l40s", gpu_count=1, engine="vllm", context=8192, usd_per_hour=1.0,
        price_source="given", input_per_output=3.0, tokens_per_s_low=1.0, tokens_per_s=2.0,
        tokens_per_s_high=3.0, speed_basis="roofline", own_usd_per_mtok_low=1.0, own_usd_per_mtok=2.0,
        own_usd_per_mtok_high=3.0, seller="cheap", seller_usd_per_mtok=1.0, break_even_tokens_per_day=24e6,
        break_even_load=0.5,
    )  # fmt: skip
    monkeypatch.setattr("assets.costs.cost_rows", lambda published: iter([row]))
    result = dg.materialize([cost_compare], resources={"build": Build()})
    (made,) = result.asset_materializations_for_node("cost_compare")
    assert made.metadata["models that own cards can serve for less"].value == 1
    (line,) = (data / "cost_compare.jsonl").read_text().splitlines()
    assert json.loads(line)["break_even_tokens_per_day"] == 24e6


def test_given_the_definitions_then_the_sensor_is_there_and_no_build_touches_deployments() -> None:
    definitions = build_definitions()
    assert definitions.resolve_sensor_def("deployment_status").minimum_interval_seconds == 60
    keys = definitions.resolve_job_def("refresh").asset_layer.executable_asset_keys
    assert dg.AssetKey("benchmark_evidence") not in keys
    assert dg.AssetKey("cost_compare") not in keys
    assert dg.AssetKey("live_deployments") not in keys
