"""``modelscan serve`` as a process: signals, order, refusals, configuration."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from service_samples import CHAT, Upstream, process, publish


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_lets_requests_finish_and_stops_in_reverse(tmp_path: Path, name: str) -> None:
    async def asked() -> None:
        upstream = Upstream()
        upstream.wait.clear()
        async with upstream.running() as url:
            publish(tmp_path / "published", url)
            async with process(tmp_path) as (child, address), aiohttp.ClientSession(address) as session:
                slow = asyncio.create_task(_chat(session))
                while not upstream.asked:
                    await asyncio.sleep(0.02)
                child.send_signal(getattr(signal, name))
                await asyncio.sleep(0.5)
                with pytest.raises(aiohttp.ClientConnectorError):
                    async with aiohttp.ClientSession(address) as late:
                        await late.get("/health")
                assert not slow.done()
                upstream.wait.set()
                assert await slow == 200
                _, told = await child.communicate()
                assert child.returncode == 0
        lines = [line for line in told.decode().splitlines() if "started" in line or "stop" in line]
        order = [line.rpartition(": ")[2].partition(" (")[0] for line in lines]
        assert order[:6] == ["settings", "state", "registry", "router", "api", "upgrades"]
        assert order[6].startswith("requests under way")
        assert order[7] == "router"

    async def _chat(session: aiohttp.ClientSession) -> int:
        async with session.post("/v1/chat/completions", json=CHAT) as answer:
            return answer.status

    asyncio.run(asked())


def test_a_wrong_configuration_starts_with_defaults_and_says_so(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("server: {prot: 1}\nparallel_batch: many\nrate_limit: 5/minute\n")

    async def asked() -> None:
        publish(tmp_path / "published")
        async with (
            process(tmp_path, "--config", str(config), DATASTORE_DRIVER="bolt") as (_, address),
            aiohttp.ClientSession(address) as session,
        ):
            async with session.get("/system/info") as answer:
                warnings = (await answer.json())["data"]["warnings"]
            assert [line.partition(": ")[0] for line in warnings] == [
                str(config), str(config), "DATASTORE_DRIVER"
            ]  # fmt: skip
            statuses = [(await session.get("/models")).status for _ in range(6)]
            assert statuses[-1] == 429

    asyncio.run(asked())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--host", "0.0.0.0"), "others could reach"),
        (("--token", "literal"), "env:NAME"),
        (("--token", "env:NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE"),
        (("--registry", "/nowhere/at/all"), "Registry not found"),
    ],
)
def test_what_it_cannot_start_with_is_one_line_and_exit_two(
    tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    async def asked() -> None:
        publish(tmp_path / "published")
        async with process(tmp_path, *arguments) as (child, _):
            out, told = await child.communicate()
            assert child.returncode == 2
            last = told.decode().splitlines()[-1]
            assert last.startswith("error: ")
            assert text in last
            assert b"Traceback" not in told + out

    asyncio.run(asked())


def test_what_serves_loads_neither_pandas_nor_dagster() -> None:
    names = "pandas", "dagster", "duckdb", "kubernetes", "huggingface_hub", "openai", "anthropic"
    code = f"import sys, modelscan_catalog.service.process; print(*[n for n in {names} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
