"""The service decides about upgrades by itself: one process at a time, until it is told to stop."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from service_samples import loader, publish, router_config, serving

from modelscan_catalog.router.splits import read_splits
from modelscan_catalog.service import upgrading
from modelscan_catalog.service.process import own_host
from modelscan_catalog.service.upgrading import Upgrading
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import jobs, open_state
from modelscan_catalog.state.values import put_value
from modelscan_catalog.upgrade import scoring
from modelscan_catalog.upgrade.evaluation_sets import read_evaluation_set
from modelscan_catalog.upgrade.local import (
    AUTOMATIC,
    EVALUATED,
    claim_evaluation,
    evaluate_when_due,
    local_upgrades,
)
from modelscan_catalog.upgrade.records import decisions
from modelscan_catalog.upgrade.scoring import score_what_is_missing

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a machine on which `b` is tried in place of `a`."""
    found = Settings(data_dir=tmp_path / "data", upgrade_interval_s=3600)
    local_upgrades(found).start("a", "a", "b")
    return found


def _decided(settings: Settings) -> int:
    with open_state(settings.state_file) as state:
        return len(decisions(state))


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.02)


def test_of_many_that_ask_at_once_one_has_the_turn_until_the_interval_is_over(
    settings: Settings,
) -> None:
    def ask(moment: datetime) -> bool:
        with open_state(settings.state_file) as state:
            return claim_evaluation(state, 900, moment)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, [MOMENT] * 8)) == [False] * 7 + [True]
    assert not ask(MOMENT + timedelta(seconds=899))
    assert ask(MOMENT + timedelta(seconds=900))
    assert ask(MOMENT - timedelta(days=1)), "a clock that was put back holds nobody up"


def test_nothing_is_decided_before_the_interval_is_over_or_after_a_stop(settings: Settings) -> None:
    assert evaluate_when_due(settings) is not None
    assert evaluate_when_due(settings) is None
    with open_state(settings.state_file) as state:
        put_value(state, EVALUATED, None)
        put_value(state, AUTOMATIC, False)
    assert evaluate_when_due(settings) is None


def test_two_services_on_one_state_decide_once_and_go_on_when_told_over_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "LOOK_EVERY_S", 0.05)

    async def main() -> None:
        publish(tmp_path / "published", "http://127.0.0.1:9/v1")
        load = loader(tmp_path, upgrade_interval_s=3600)
        settings = load().settings
        local_upgrades(settings).start("m", "m", "other")
        begun = _decided(settings)
        async with serving(load) as (session, service), serving(load) as (other, _):
            await _until(lambda: _decided(settings) > begun)
            await asyncio.sleep(0.3)  # some looks of both
            assert _decided(settings) == begun + 1
            assert service.components()["upgrades"] == "decided every 3600 s"
            async with session.post("/start", json={}) as answer:
                told = (await answer.json())["data"]
            assert (told["automatic"], told["every_s"], told["evaluated_at"]) == (True, 3600, None)
            await _until(lambda: _decided(settings) > begun + 1)
            async with other.post("/stop", json={}) as answer:
                assert (await answer.json())["data"]["automatic"] is False
            await _until(lambda: "stopped" in service.components()["upgrades"])
            async with other.get("/upgrades") as answer:
                assert (await answer.json())["evaluated_at"] is not None

    asyncio.run(main())


def test_a_policy_that_cannot_be_used_is_told_by_health_until_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "LOOK_EVERY_S", 0.02)
    kept = Path(__file__).parents[3] / "registry" / "upgrade"
    registry = tmp_path / "registry"
    (registry / "upgrade").mkdir(parents=True)
    (registry / "upgrade" / "evaluation_sets").symlink_to(kept / "evaluation_sets")
    policy = registry / "upgrade" / "policy.json"
    policy.write_bytes((kept / "policy.json").read_bytes())
    settings = Settings(data_dir=tmp_path / "data", registry_dir=registry, upgrade_interval_s=1)
    local_upgrades(settings).start("a", "a", "b")
    policy.write_text(json.dumps({"window_minutes": 0}))

    async def main() -> None:
        found = Upgrading(settings, None)
        async with found.running():
            await _until(lambda: "policy.json" in found.state)
            policy.write_bytes((kept / "policy.json").read_bytes())
            await _until(lambda: found.state == "decided every 1 s")

    asyncio.run(main())
    assert Upgrading(settings.model_copy(update={"upgrade_interval_s": 0}), None).state == (
        "not decided here: upgrade_interval_s is 0"
    )


def test_a_missing_score_is_asked_for_once_and_a_failed_try_rests(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = score_what_is_missing(settings, "http://127.0.0.1:9/v1", None)
    assert [one.subject for one in begun] == ["a"]

    def failed() -> bool:
        with open_state(settings.state_file) as state:
            return jobs(state, kind=scoring.KIND)[0].state == "failed"

    asyncio.run(_until(failed))
    with open_state(settings.state_file) as state:
        [job] = jobs(state, kind=scoring.KIND)
    assert "evaluation item" in str(job.error)
    assert score_what_is_missing(settings, "http://127.0.0.1:9/v1", None) == []
    monkeypatch.setattr(scoring, "REST_AFTER_FAILURE", timedelta(0))
    assert len(score_what_is_missing(settings, "http://127.0.0.1:9/v1", None)) == 1
    asyncio.run(_until(failed))


def test_the_service_scores_what_is_tried_through_its_own_router_with_its_own_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "LOOK_EVERY_S", 0.05)
    monkeypatch.setenv("OPERATORS", "operator-secret")
    kept = Path(__file__).parents[3] / "registry" / "upgrade" / "evaluation_sets"
    items = [item for name in ("tasks", "safety") for item in read_evaluation_set(kept, name).items]
    right = {item.messages[-1]["content"]: item.right for item in items}

    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()
        text = right[asked["messages"][-1]["content"]] if asked["model"] == "better" else "I do not know."
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": text}}]})

    async def main() -> None:
        upstream = web.Application()
        upstream.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(upstream)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        config = router_config(f"http://127.0.0.1:{runner.addresses[0][1]}/v1").model_dump(mode="json")
        config["models"] = [
            {"id": name, "targets": [{"provider": "here", "model": name}]} for name in ("m", "better")
        ]
        published = publish(tmp_path / "published")
        (published / "router.json").write_text(json.dumps(config))
        publish(published)
        load = loader(tmp_path, upgrade_interval_s=1, upgrade_scoring=True, api_token="env:OPERATORS")
        settings = load().settings
        local_upgrades(settings).start("m", "m", "better")
        try:
            async with serving(load) as (session, service):
                service.listens(f"http://127.0.0.1:{session._base_url.port}")  # type: ignore[union-attr]

                def passed() -> bool:
                    with open_state(settings.state_file) as state:
                        gates = {gate["gate"]: gate for gate in decisions(state)[0].gates}
                        done = [job for job in jobs(state, kind=scoring.KIND) if not job.open]
                    return bool(done) and gates.get("quality", {}).get("verdict") == "passed"

                await _until(passed)
        finally:
            await runner.cleanup()
        with open_state(settings.state_file) as state:
            [job] = jobs(state, kind=scoring.KIND)
        assert job.result == {"better": {"tasks": 1.0, "safety": 1.0}, "m": {"tasks": 0.0, "safety": 0.25}}

    asyncio.run(main())


def test_a_share_that_began_in_the_future_begins_anew_when_the_clock_is_put_back(settings: Settings) -> None:
    upgrades = local_upgrades(settings)
    with open_state(settings.state_file) as state:
        state.execute("UPDATE upgrades SET share_since = ?", ((MOMENT + timedelta(days=9999)).isoformat(),))
    [(upgrade, decision)] = upgrades.evaluate_all()
    assert upgrade.share_since <= datetime.now(UTC)
    assert decision.reasons[0].startswith("0.0 of 24 hours")
    assert set(read_splits(upgrades.splits_file)) == {"a"}


@pytest.mark.parametrize(
    ("bound", "own"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")],
)
def test_a_service_reaches_itself_at_the_loopback_of_its_kind(bound: str, own: str) -> None:
    assert own_host(bound) == own
