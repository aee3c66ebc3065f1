"""An upgrade over a real router and real upstreams: one takes over, one degrades and is taken back."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
from collections import Counter
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from modelscan_catalog.router.deployments import register_deployment
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.state.database import open_state
from modelscan_catalog.upgrade.policy import UpgradePolicy
from modelscan_catalog.upgrade.records import decisions
from modelscan_catalog.upgrade.router_figures import figures_of
from modelscan_catalog.upgrade.run import Upgrades, write_splits

ROUTE, CANDIDATE = "lab/old", "lab/new"
EVER = datetime(2020, 1, 1, tzinfo=UTC)
RIGHT = json.dumps({"answer": 4})
SET = {
    "id": "four",
    "messages": [{"role": "user", "content": "evaluate: 2 + 2 as JSON"}],
    "max_tokens": 8,
    "check": {"kind": "json", "values": [{"const": {"answer": 4}}]},
}
PHASE = {"least_hours": 0, "overdue_hours": 1, "least_requests": 25}
POLICY = UpgradePolicy.model_validate(
    {
        "shadow": PHASE | {"shares": [0.05]},
        "canary": PHASE | {"shares": [0.2]},
        "full": PHASE | {"shares": [1.0]},
        "window_minutes": 60,
        "window_least_requests": 10,
        "confidence": 0.999,
        "gates": {
            "success_rate": {"least": 0.98, "most_drop": 0.01, "rollback_least_requests": 10},
            # Both upstreams share two cores with the tests: only a gross difference is one.
            "p95_latency": {"most_ratio": 50, "rollback_ratio": 100},
            "cost": {"most_ratio": 1.25, "rollback_ratio": 2},
            "quality": {"evaluation_set": "four", "least": 0.8, "most_drop": 0},
            "safety": {"evaluation_set": "four", "least": 0.9, "most_drop": 0},
            "overall": {
                "least": 0.5,
                "weights": {"quality": 0.4, "latency": 0.25, "cost": 0.2, "safety": 0.15},
            },
        },
        "evaluation_max_age_days": 1,
    }
)


class Upstream:
    """Serves both models; the candidate can be told to fail."""

    def __init__(self):
        self.candidate_fails = False
        self.asked = Counter()

    async def chat(self, request):
        body = await request.json()
        self.asked[body["model"]] += 1
        if body["model"] == "new" and self.candidate_fails:
            return web.json_response({"error": {"message": "degraded"}}, status=500)
        choice = {"index": 0, "finish_reason": "stop"}
        choice["message"] = {"role": "assistant", "content": RIGHT}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        answer = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"]}
        return web.json_response(answer | {"choices": [choice], "usage": usage})

    @contextlib.asynccontextmanager
    async def running(self):
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()


def model(name, provider="local"):
    target = {"provider": provider, "model": name.rpartition("/")[2], "input_price": 1, "output_price": 1}
    return {"id": name, "context": 8192, "targets": [target]}


def write_config(folder, base_url, names):
    """``router.json``, replaced in one step as a publish does."""
    document = {
        "routing": {"direct": {"providers": [{"name": "local", "type": "local", "base_url": base_url}]}},
        "models": [model(name) for name in names],
        # A failing target rests for seconds and then minutes; here for moments.
        "policy": default_policy().model_dump(mode="json") | {"cooldown_s": 0.1, "max_cooldown_s": 0.2},
    }
    (folder / "router.json.new").write_text(json.dumps(document))
    (folder / "router.json.new").replace(folder / "router.json")


class RouterProcess:
    """A router of its own process, that can be killed and started again."""

    def __init__(self, folder):
        self.folder, self.process, self.url = folder, None, ""

    async def start(self):
        arguments = ["--config", self.folder / "router.json", "--config-dir", self.folder / "router"]
        arguments += ["--port", "0", "--usage", self.folder / "router" / "usage.sqlite"]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "modelscan_catalog.router",
            *map(str, arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ,
        )
        line = (await self.process.stdout.readline()).decode()
        self.url = line.strip().rpartition("listening on ")[2]

    async def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        await asyncio.wait_for(self.process.wait(), 30)


class Trial:
    """One upgrade over one router."""

    def __init__(self, folder, base_url, upstream, router, session):
        self.folder, self.base_url, self.upstream = folder, base_url, upstream
        self.router, self.session = router, session
        sets = folder / "sets"
        sets.mkdir()
        (sets / "four.jsonl").write_text(json.dumps(SET) + "\n")
        self.upgrades = Upgrades(
            folder / "state.db",
            folder / "router" / "splits.json",
            sets,
            POLICY,
            figures_of(folder / "router" / "usage.sqlite"),
        )

    async def ask(self, count):
        """``count`` chats of sessions of their own; which model answered how many, all with 200."""
        gate = asyncio.Semaphore(16)

        async def one(number):
            body = {"model": ROUTE, "messages": [{"role": "user", "content": "hello"}]}
            headers = {"X-Session-Id": f"session {number}"}
            url = f"{self.router.url}/v1/chat/completions"
            async with gate, self.session.post(url, json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                return (await answer.json())["model"]

        return Counter(await asyncio.gather(*(one(number) for number in range(count))))

    async def until(self, holds):
        """Wait until the router's ``GET /api/splits`` is as wanted; what it says then."""
        async with asyncio.timeout(60):
            while True:
                async with self.session.get(f"{self.router.url}/api/splits") as answer:
                    said = await answer.json()
                if holds(said):
                    return said
                await asyncio.sleep(0.1)

    async def until_split(self):
        """Wait until the router follows what the upgrades decided."""
        with open_state(self.upgrades.state) as connection:
            [found] = write_splits(connection, self.upgrades.splits_file).values() or [None]
        wanted = None if found is None else found.model_dump()
        await self.until(lambda said: said["splits"].get(ROUTE) == wanted)

    async def until_counted(self):
        """Wait until the router has stored every call that its upstream has seen."""
        async with asyncio.timeout(60):
            while self.stored() < self.upstream.asked.total():
                await asyncio.sleep(0.1)

    def stored(self):
        with contextlib.closing(sqlite3.connect(self.folder / "router" / "usage.sqlite")) as store:
            return store.execute("SELECT coalesce(SUM(requests), 0) FROM usage").fetchone()[0]

    async def evaluate(self):
        await self.until_counted()
        [(upgrade, decision)] = await asyncio.to_thread(self.upgrades.evaluate_all)
        return upgrade, decision

    async def begin(self):
        begun = await asyncio.to_thread(self.upgrades.start, ROUTE, ROUTE, CANDIDATE)
        assert begun.phase == "shadow"
        await self.until_split()

    async def score(self):
        return await asyncio.to_thread(self.upgrades.score, ROUTE, f"{self.router.url}/v1")


@contextlib.asynccontextmanager
async def trial(folder, names=(ROUTE, CANDIDATE)):
    upstream = Upstream()
    timeout = aiohttp.ClientTimeout(total=60)
    async with upstream.running() as base_url, aiohttp.ClientSession(timeout=timeout) as session:
        write_config(folder, base_url, names)
        router = RouterProcess(folder)
        await router.start()
        try:
            yield Trial(folder, base_url, upstream, router, session)
        finally:
            await router.end()


def run(main):
    asyncio.run(asyncio.wait_for(main, 300))


async def into_canary(going):
    await going.begin()
    answered = await going.ask(1200)
    assert set(answered) == {"old"}, "a shadow answers nobody"
    upgrade, decision = await going.evaluate()
    assert 25 <= going.upstream.asked["new"] <= 120, "about 5 % of them are copied"
    assert upgrade.phase == "shadow", "without a score nothing moves"
    assert {gate.gate for gate in decision.gates if gate.verdict == "no_evidence"} >= {"quality", "safety"}

    assert (await going.score())[CANDIDATE]["four"].score == 1.0
    upgrade, decision = await going.evaluate()
    assert (upgrade.phase, upgrade.share) == ("canary", 0.2), decision.reasons
    await going.until_split()


def test_a_candidate_that_does_as_well_reaches_every_request(tmp_path):
    async def main():
        async with trial(tmp_path) as going:
            await into_canary(going)
            answered = await going.ask(400)
            assert 40 <= answered["new"] <= 130
            assert await going.ask(400) == answered, "sessions stay with their model"

            upgrade, decision = await going.evaluate()
            assert (upgrade.phase, upgrade.share) == ("full", 1.0), decision.reasons
            await going.until_split()
            assert set(await going.ask(100)) == {"new"}
            before = going.upstream.asked["old"]
            await going.score()
            assert going.upstream.asked["old"] == before + 1, "its own model is scored, not its successor"
            upgrade, decision = await going.evaluate()
            assert upgrade.phase == "retired", decision.reasons
            assert set(await going.ask(50)) == {"new"}

    run(main())


def test_a_candidate_that_degrades_is_taken_back_and_no_user_notices(tmp_path):
    async def main():
        async with trial(tmp_path) as going:
            await into_canary(going)
            going.upstream.candidate_fails = True
            async with asyncio.timeout(120):
                decision = None
                while decision is None or decision.action == "stay":
                    assert set(await going.ask(100)) == {"old"}, "what the canary loses the primary answers"
                    upgrade, decision = await going.evaluate()
            assert (upgrade.phase, decision.action) == ("rolled_back", "roll_back")
            assert decision.gates[0].gate == "success_rate"
            await going.until(lambda said: said["splits"] == {})
            before = going.upstream.asked["new"]
            await going.ask(200)
            assert going.upstream.asked["new"] == before, "nothing is sent to it any more"
            with open_state(going.upgrades.state) as connection:
                last = decisions(connection)[0]
            assert datetime.fromisoformat(last.at) <= datetime.now(UTC)
            assert last.gates[0]["samples"] >= 10

    run(main())


def test_a_router_that_is_killed_goes_on_with_the_same_split_and_the_same_figures(tmp_path):
    async def main():
        async with trial(tmp_path) as going:
            await into_canary(going)
            answered = await going.ask(200)
            await going.until_counted()
            before = figures_of(tmp_path / "router" / "usage.sqlite")(ROUTE, EVER, datetime.now(UTC))

            await going.router.end(signal.SIGKILL)
            await going.router.start()
            assert await going.ask(200) == answered, "sessions stay with their model"
            await going.until_counted()
            after = figures_of(tmp_path / "router" / "usage.sqlite")(ROUTE, EVER, datetime.now(UTC))
            assert after["canary"].requests == before["canary"].requests + answered["new"]
            upgrade, decision = await going.evaluate()
            assert (upgrade.phase, upgrade.share) == ("full", 1.0), decision.reasons

    run(main())


def test_where_a_new_catalogue_drops_the_candidate_the_routes_own_model_answers_and_it_is_told(tmp_path):
    async def main():
        async with trial(tmp_path) as going:
            await into_canary(going)
            write_config(tmp_path, going.base_url, [ROUTE])
            said = await going.until(lambda said: ROUTE in said["idle"])
            assert CANDIDATE in said["idle"][ROUTE]
            assert set(await going.ask(100)) == {"old"}
            upgrade, _ = await going.evaluate()
            assert upgrade.phase == "canary", "nothing moves without requests"

            write_config(tmp_path, going.base_url, [ROUTE, CANDIDATE])
            await going.until_split()
            assert set(await going.ask(200)) == {"old", "new"}

    run(main())


@pytest.mark.parametrize("price", [None, 1.0], ids=["cost unknown", "cost said"])
def test_a_model_that_is_deployed_on_this_machine_can_be_tried_and_goes_on_once_its_cost_is_said(
    tmp_path, price
):
    async def main():
        async with trial(tmp_path, names=[ROUTE]) as going:
            prices = {"input_price": price, "output_price": price}
            register_deployment(
                tmp_path / "router", "engine", CANDIDATE, going.base_url, served_model="new", **prices
            )
            await going.begin()
            await going.until(lambda said: not said["idle"])
            await going.score()
            while (await going.ask(300)) and going.upstream.asked["new"] < 40:
                pass
            upgrade, decision = await going.evaluate()
            [cost] = [gate for gate in decision.gates if gate.gate == "cost"]
            expected = ("no_evidence", "shadow") if price is None else ("passed", "canary")
            assert (cost.verdict, upgrade.phase) == expected, decision.reasons

    run(main())
