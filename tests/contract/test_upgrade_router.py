"""An upgrade over a real router and real upstreams: one takes over, one degrades and is taken back."""

import asyncio
import contextlib
import json
import os
import sys
from collections import Counter
from datetime import UTC, datetime

import aiohttp
from aiohttp import web

from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.state.database import open_state
from modelscan_catalog.upgrade.policy import UpgradePolicy
from modelscan_catalog.upgrade.records import decisions
from modelscan_catalog.upgrade.router_figures import figures_of
from modelscan_catalog.upgrade.run import Upgrades

ROUTE, CANDIDATE = "lab/old", "lab/new"
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
            "success_rate": {"least": 0.98, "most_drop": 0.01},
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


@contextlib.asynccontextmanager
async def router_in(folder, base_url):
    def model(name):
        target = {"provider": "local", "model": name.rpartition("/")[2], "input_price": 1, "output_price": 1}
        return {"id": name, "context": 8192, "targets": [target]}

    document = {
        "routing": {"direct": {"providers": [{"name": "local", "type": "local", "base_url": base_url}]}},
        "models": [model(ROUTE), model(CANDIDATE)],
        "policy": default_policy().model_dump(mode="json"),
    }
    (folder / "router.json").write_text(json.dumps(document))
    arguments = ["--config", folder / "router.json", "--config-dir", folder / "router", "--port", "0"]
    arguments += ["--usage", folder / "router" / "usage.sqlite"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "modelscan_catalog.router",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ,
    )
    try:
        line = (await process.stdout.readline()).decode()
        yield line.strip().rpartition("listening on ")[2]
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)


class Trial:
    """One upgrade over one router."""

    def __init__(self, folder, url, upstream, session):
        self.url, self.upstream, self.session = url, upstream, session
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
            url = f"{self.url}/v1/chat/completions"
            async with gate, self.session.post(url, json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                return (await answer.json())["model"]

        return Counter(await asyncio.gather(*(one(number) for number in range(count))))

    async def until_split(self, share):
        """Wait until the router has taken the new split up."""
        async with asyncio.timeout(15):
            while True:
                answered = await self.ask(40)
                if (answered["new"] + answered[CANDIDATE] > 0) == (share > 0):
                    return
                await asyncio.sleep(0.2)

    async def evaluate(self):
        await asyncio.sleep(1.2)  # the router stores its usage every half second
        [(upgrade, decision)] = await asyncio.to_thread(self.upgrades.evaluate_all)
        return upgrade, decision


@contextlib.asynccontextmanager
async def trial(folder):
    upstream = Upstream()
    async with (
        upstream.running() as base_url,
        router_in(folder, base_url) as url,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
    ):
        yield Trial(folder, url, upstream, session)


def run(main):
    asyncio.run(asyncio.wait_for(main, 120))


async def into_canary(going):
    begun = await asyncio.to_thread(going.upgrades.start, ROUTE, ROUTE, CANDIDATE)
    assert begun.phase == "shadow"
    await asyncio.sleep(1.5)
    answered = await going.ask(1200)
    assert set(answered) == {"old"}, "a shadow answers nobody"
    assert 25 <= going.upstream.asked["new"] <= 120

    upgrade, decision = await going.evaluate()
    assert upgrade.phase == "shadow", "without a score nothing moves"
    assert {gate.gate for gate in decision.gates if gate.verdict == "no_evidence"} >= {"quality", "safety"}

    scores = await asyncio.to_thread(going.upgrades.score, ROUTE, f"{going.url}/v1")
    assert scores[CANDIDATE] == {"four": 1.0}
    upgrade, decision = await going.evaluate()
    assert (upgrade.phase, upgrade.share) == ("canary", 0.2), decision.reasons
    await going.until_split(0.2)


def test_a_candidate_that_does_as_well_reaches_every_request(tmp_path):
    async def main():
        async with trial(tmp_path) as going:
            await into_canary(going)
            answered = await going.ask(400)
            assert 40 <= answered["new"] <= 130
            assert await going.ask(400) == answered, "sessions stay with their model"

            upgrade, decision = await going.evaluate()
            assert (upgrade.phase, upgrade.share) == ("full", 1.0), decision.reasons
            async with asyncio.timeout(15):
                while set(await going.ask(20)) != {"new"}:
                    await asyncio.sleep(0.2)
            await going.ask(100)
            upgrade, decision = await going.evaluate()
            assert upgrade.phase == "retired", decision.reasons
            assert set(await going.ask(50)) == {"new"}

    run(main())


def test_a_candidate_that_degrades_is_taken_back_and_no_user_notices(tmp_path):
    async def main():
        async with trial(tmp_path) as going:
            await into_canary(going)
            going.upstream.candidate_fails = True
            assert (await going.ask(600))["old"] == 600, "what the canary loses the primary answers"

            upgrade, decision = await going.evaluate()
            assert (upgrade.phase, decision.action) == ("rolled_back", "roll_back")
            assert decision.gates[0].gate == "success_rate"
            await asyncio.sleep(1.5)
            before = going.upstream.asked["new"]
            await going.ask(200)
            assert going.upstream.asked["new"] == before, "nothing is sent to it any more"
            with open_state(going.upgrades.state) as connection:
                last = decisions(connection)[0]
            assert datetime.fromisoformat(last.at) <= datetime.now(UTC)
            assert last.gates[0]["samples"] >= 10

    run(main())
