"""The MCP server asked by the SDK's own client: in memory, over stdio and over loopback HTTP."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import mcp
import pytest

from modelscan_catalog.errors import PublishError
from modelscan_catalog.settings import REPOSITORY_ROOT

PUBLISHED = REPOSITORY_ROOT / "registry" / "published"
TOOLS = {"search_models", "model_info", "model_fit", "serving_plan", "price", "recent_changes"}
SERVE = [sys.executable, "-c", "from modelscan_catalog.cli.main import main; main()", "mcp"]
MODEL = "alibaba/qwen3-8b"


def _asked(transport: Any, *calls: tuple[str, dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    """The tools, and the results of ``calls`` in order."""

    async def main() -> tuple[list[Any], list[Any]]:
        async with mcp.Client(transport) as client:
            tools = (await client.list_tools()).tools
            return tools, [await client.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(asyncio.wait_for(main(), 120))


@pytest.fixture(scope="module")
def server() -> Any:
    from modelscan_catalog.api.mcp_server import mcp_server

    return mcp_server(PUBLISHED)


def test_every_tool_is_read_only_and_says_what_it_takes_and_gives(server: Any) -> None:
    tools, _ = _asked(server)
    assert {tool.name for tool in tools} == TOOLS
    for tool in tools:
        assert tool.description
        assert tool.annotations.read_only_hint is True
        assert tool.input_schema["type"] == tool.output_schema["type"] == "object"


def test_the_tools_answer_as_the_commands_do(server: Any) -> None:
    _, answers = _asked(
        server,
        ("search_models", {"query": "qwen3 8b", "limit": 2}),
        ("model_info", {"model": "Qwen/Qwen3-8B"}),
        ("model_fit", {"model": MODEL, "gpu": "rtx-4090"}),
        ("serving_plan", {"model": MODEL, "gpu": "rtx-4090:2", "context": 8192}),
        ("price", {"model": MODEL, "input_mtok": 1, "output_mtok": 1}),
        ("recent_changes", {"kind": "model", "limit": 3}),
    )
    assert [one.is_error for one in answers] == [False] * 6
    found, info, fit, plan, price, changes = (one.structured_content for one in answers)
    assert found["models"][0]["model"] == MODEL
    assert info["model"]["id"] == MODEL
    assert fit["verdict"] == "fits"
    assert fit["expected"]["total_gib"] < 24
    assert (plan["context"], plan["verdict"]) == (8192, "fits")
    sellers = [row["usd"] for row in price["offers"]]
    assert sellers == sorted(sellers)
    assert all(row["record"].startswith("model:") for row in changes["changes"])


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("model_info", {"model": "no-such-model-at-all"}, "no model of the catalogue"),
        ("model_fit", {"model": MODEL, "gpu": "no-such-card"}, "no-such-card"),
        ("serving_plan", {"model": MODEL, "gpu": "detected"}, "name the cards"),
        ("serving_plan", {"model": MODEL, "gpu": "rtx-4090", "goal": "x"}, "goal"),
        ("price", {"model": MODEL, "input_mtok": -1}, "greater than or equal to 0"),
        ("search_models", {"query": "x" * 301}, "at most 300"),
        ("search_models", {}, "query"),
    ],
)
def test_what_cannot_be_answered_is_an_error_of_the_tool_in_words(
    server: Any, tool: str, arguments: dict[str, Any], says: str
) -> None:
    _, [answer] = _asked(server, (tool, arguments))
    assert answer.is_error
    assert says in answer.content[0].text
    assert "Traceback" not in answer.content[0].text


def test_a_registry_that_is_missing_is_refused_at_the_start(tmp_path: Path) -> None:
    from modelscan_catalog.api.mcp_server import mcp_server

    with pytest.raises((PublishError, FileNotFoundError)):
        mcp_server(tmp_path)


def test_over_stdio_the_command_answers_and_ends_with_its_client() -> None:
    from mcp.client.stdio import StdioServerParameters, stdio_client

    parameters = StdioServerParameters(command=SERVE[0], args=SERVE[1:], cwd=REPOSITORY_ROOT)
    tools, [answer] = _asked(stdio_client(parameters), ("search_models", {"query": "qwen3 8b", "limit": 1}))
    assert {tool.name for tool in tools} == TOOLS
    assert answer.structured_content["models"][0]["model"] == MODEL


def test_over_http_the_command_answers_on_the_loopback_only() -> None:
    child = subprocess.Popen(
        [*SERVE, "--http", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY_ROOT,
    )
    try:
        assert child.stdout is not None
        url = child.stdout.readline().split()[-1]
        assert url.startswith("http://127.0.0.1:")
        _, [answer] = _asked(url, ("recent_changes", {"limit": 1}))
        assert answer.is_error is False
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(30)
        child.kill()
        if child.stdout is not None:
            child.stdout.close()
