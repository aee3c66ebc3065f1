"""Benchmarks: figures from known times, a real stream on loopback, and evidence that plans use."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from deployment_plan_samples import MODEL, publish
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.api.planned import planned_manifest
from modelscan_catalog.deploy.benchmark import Endpoint, Figures, Load, figures, measure, prompt, spread
from modelscan_catalog.deploy.benchmark import _Seen as Seen
from modelscan_catalog.deploy.benchmark_evidence import evidence_lines, measured_here, rows_of
from modelscan_catalog.deploy.plan import DeploymentPlan, PlanRequest
from modelscan_catalog.deploy.planner import make_plan
from modelscan_catalog.errors import DeployError
from modelscan_catalog.fit.measured import measured
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state, put_deployment
from modelscan_catalog.state.benchmarks import Benchmark, benchmarks, write_benchmarks

LOAD = Load(concurrency=2, seconds=10.0, prompt_tokens=100, output_tokens=11)
DAY = datetime(2026, 11, 21, tzinfo=UTC)


def request(sent: float, first: float, gap: float = 0.02, tokens: int = 11) -> Seen:
    """A request whose tokens come at equal distances."""
    texts = [sent + first + place * gap for place in range(tokens)]
    return Seen(sent, texts, prompt_tokens=100, output_tokens=tokens)


def test_given_known_times_then_the_figures_are_those() -> None:
    found = figures(LOAD, [request(place * 1.0, 0.1 + place * 0.01) for place in range(10)], 0.0, 10.0)
    assert (found.requests, found.failed, found.prompt_tokens, found.output_tokens) == (10, 0, 100, 11)
    assert found.ttft_s is not None
    assert found.ttft_s.p50 == pytest.approx(0.14)
    assert found.itl_s is not None
    assert found.itl_s.p90 == pytest.approx(0.02)
    assert found.throughput_tok_s == pytest.approx(11.0)
    assert found.throughput_low_tok_s == pytest.approx(11.0)


def test_given_several_tokens_in_a_piece_then_the_servers_count_decides_the_gap() -> None:
    coarse = [Seen(0.0, [0.1, 0.3], prompt_tokens=5, output_tokens=21) for _ in range(3)]
    found = figures(LOAD, coarse, 0.0, 10.0)
    assert found.itl_s is not None
    assert found.itl_s.p50 == pytest.approx(0.01)


def test_given_streams_that_come_in_one_lump_then_no_time_between_tokens_is_claimed() -> None:
    lumps = [Seen(0.0, [0.5 + place * 1e-5 for place in range(11)], 100, 11) for _ in range(5)]
    found = figures(LOAD, lumps, 0.0, 10.0)
    assert found.itl_s is None
    assert found.throughput_tok_s == pytest.approx(5.5)


def test_given_failures_then_they_are_counted_and_the_first_is_told() -> None:
    broken = Seen(0.0, failure="500: out of memory")
    found = figures(LOAD, [request(0.0, 0.1), broken, broken], 0.0, 10.0)
    assert (found.requests, found.failed, found.first_failure) == (3, 2, "500: out of memory")
    assert found.ttft_s is None
    assert found.throughput_tok_s is None


def test_given_a_server_without_usage_then_there_is_no_throughput_and_no_gap() -> None:
    found = figures(LOAD, [Seen(0.0, [0.1, 0.2]) for _ in range(5)], 0.0, 10.0)
    assert found.ttft_s is not None
    assert (found.itl_s, found.throughput_tok_s, found.output_tokens) == (None, None, None)


@given(st.lists(st.floats(0.001, 100), min_size=3, max_size=50))
def test_given_any_values_then_the_percentiles_are_among_them_and_in_order(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    assert {found.p10, found.p50, found.p90} <= set(values)
    assert found.p10 <= found.p50 <= found.p90


def test_given_two_prompts_then_they_begin_differently_and_have_the_asked_length() -> None:
    first, second = prompt(200), prompt(200)
    assert first[:16] != second[:16]
    assert 200 <= len(first.split()) <= 206


@asynccontextmanager
async def engine(
    *, refuses: frozenset[str] = frozenset(), status: int = 200
) -> AsyncIterator[tuple[str, list[Any]]]:
    """An engine that streams eight tokens; a body with a refused field is answered with 400."""
    asked: list[Any] = []

    async def chat(http: web.Request) -> web.StreamResponse:
        body = await http.json()
        asked.append((http.headers.get("Authorization"), body))
        if status != 200 or refuses & body.keys():
            return web.json_response({"error": {"message": "no"}}, status=400 if status == 200 else status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(http)
        for text in "abcdefgh":
            await asyncio.sleep(0.01)
            event = {"choices": [{"delta": {"content": text}}]}
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 8}}
        await response.write(b"data: " + json.dumps(usage).encode() + b"\n\ndata: [DONE]\n\n")
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1", asked
    finally:
        await runner.cleanup()


def measured_of(**options: Any) -> tuple[Figures, list[Any]]:
    async def run() -> tuple[Figures, list[Any]]:
        async with engine(**options) as (url, asked):
            load = Load(concurrency=2, seconds=1.0, prompt_tokens=7, output_tokens=8)
            return await measure(Endpoint(url, "m", "secret"), load), asked

    return asyncio.run(run())


def test_given_answers_of_two_tokens_then_the_first_is_timed_and_no_distance() -> None:
    found = figures(
        LOAD, [Seen(0.0, [0.1, 0.2], prompt_tokens=5, output_tokens=2) for _ in range(3)], 0.0, 1.0
    )
    assert found.ttft_s is not None
    assert found.itl_s is None


def test_given_an_engine_when_measured_then_its_own_pace_is_found() -> None:
    found, asked = measured_of()
    assert found.failed == 0
    assert found.requests + 1 == len(asked)
    assert found.itl_s is not None
    assert 0.009 < found.itl_s.p50 < 0.1
    assert found.ttft_s is not None
    assert found.ttft_s.p10 > 0.009
    assert (found.prompt_tokens, found.output_tokens) == (7, 8)
    key, body = asked[0]
    assert key == "Bearer secret"
    assert (body["max_tokens"], body["stream"], body["ignore_eos"]) == (8, True, True)


def test_given_an_engine_that_refuses_ignore_eos_then_it_is_asked_without() -> None:
    found, asked = measured_of(refuses=frozenset({"ignore_eos"}))
    assert found.failed == 0
    assert "ignore_eos" not in asked[-1][1]


def test_given_an_engine_that_does_not_answer_then_nothing_is_measured() -> None:
    with pytest.raises(DeployError, match="m does not answer: 503"):
        measured_of(status=503)


def row(plan: DeploymentPlan, **more: Any) -> Benchmark:
    with open_state(None) as connection:
        known = put_deployment(
            connection, "gpustack", "http://secret.example", "m", "running", model=plan.model_id,
            checkpoint=plan.variant_id, plan=plan.model_dump(mode="json"),
        )  # fmt: skip
    seen = [request(place * 1.0, 0.1, gap=0.0125) for place in range(10)]
    single = dataclasses.replace(LOAD, concurrency=1)
    (found,) = rows_of(known, [figures(single, seen, 0.0, 10.0)], DAY)
    return dataclasses.replace(found, **more)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published"))


def planned(published: Path, gpu: str = "h100:1") -> DeploymentPlan:
    return make_plan(published, PlanRequest(model=MODEL, gpu=gpu))


def plan_with(published: Path, rows: Iterable[Benchmark], gpu: str = "h100:1") -> DeploymentPlan:
    with measured(dataclasses.asdict(one) for one in rows):
        return planned(published, gpu)


def test_given_a_measurement_then_the_same_plan_expects_it_and_says_when_and_of_how_many(
    published: Path,
) -> None:
    before = planned(published)
    after = plan_with(published, [row(before)])
    assert before.expected.decode_tok_s is not None
    assert before.expected.decode_tok_s.basis == "roofline"
    speed = after.expected.decode_tok_s
    assert speed is not None
    assert speed.point == pytest.approx(80.0, rel=1e-3)
    assert speed.basis == "measured 2026-11-21, 10 requests"
    assert planned(published) == before


def test_given_a_measurement_of_other_cards_or_another_split_then_the_estimate_stays(published: Path) -> None:
    before = planned(published)
    other = [row(before, gpu="l40s"), row(before, tensor_parallel=2), row(before, engine="sglang")]
    assert plan_with(published, other) == before
    assert plan_with(published, [row(before, gpu=None)]) == before


def test_given_two_measurements_then_the_newest_counts(published: Path) -> None:
    before = planned(published)
    newer = row(before, measured_at="2026-12-01T00:00:00+00:00", itl_p50_s=0.0128)
    for rows in ([row(before), newer], [newer, row(before)]):
        speed = plan_with(published, rows).expected.decode_tok_s
        assert speed is not None
        assert speed.basis.startswith("measured 2026-12-01")


def test_given_a_speed_that_the_cards_cannot_have_then_the_whole_measurement_is_passed_over(
    published: Path,
) -> None:
    before = planned(published)
    assert plan_with(published, [row(before, itl_p50_s=1e-5, itl_p10_s=1e-5)]) == before


def test_given_rows_in_the_state_then_plans_here_use_them_and_published_lines_name_no_server(
    published: Path, tmp_path: Path
) -> None:
    before = planned(published)
    with open_state(Settings(data_dir=tmp_path).state_file) as connection:
        write_benchmarks(connection, [row(before)])
        (stored,) = benchmarks(connection)
    assert stored == row(before)
    with measured_here(Settings(data_dir=tmp_path).state_file):
        speed = planned(published).expected.decode_tok_s
    assert speed is not None
    assert speed.basis.startswith("measured")
    (line,) = evidence_lines([stored, row(before, checkpoint=None)])
    assert "secret.example" not in line
    assert set(json.loads(line)) == {
        field.name
        for field in dataclasses.fields(Benchmark)
        if field.name not in ("target", "server", "name")
    }


def test_given_rows_in_the_state_then_what_the_api_plans_on_the_same_cards_uses_them(
    published: Path, tmp_path: Path
) -> None:
    state = Settings(data_dir=tmp_path).state_file
    before = planned(published)
    with open_state(state) as connection:
        write_benchmarks(connection, [row(before)])
    snapshot: Any = SimpleNamespace(registry=SimpleNamespace(published=published))
    cards = f"{before.gpu_profile_id}:{before.gpu_count}"
    plan, _ = planned_manifest(snapshot, MODEL, "vllm", cards, state=state)
    estimated, _ = planned_manifest(snapshot, MODEL, "vllm", cards)
    assert plan.expected.decode_tok_s is not None
    assert plan.expected.decode_tok_s.basis.startswith("measured")
    assert estimated.expected.decode_tok_s == before.expected.decode_tok_s


def test_given_no_state_then_plans_are_made_and_no_file_appears(published: Path, tmp_path: Path) -> None:
    with measured_here(Settings(data_dir=tmp_path).state_file):
        planned(published)
    assert list(tmp_path.iterdir()) == []


def test_given_weights_that_the_engine_stored_otherwise_then_their_speed_is_no_evidence_of_the_checkpoint(
    published: Path,
) -> None:
    plan = planned(published)
    assert row(plan).checkpoint == plan.variant_id
    online = plan.model_copy(update={"online_quantization": "fp8_per_channel"})
    assert row(online).checkpoint is None
    assert list(evidence_lines([row(online)])) == []
