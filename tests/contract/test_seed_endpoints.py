"""Every endpoint and command that other projects' documents promise answers, or is listed with a reason.

``registry/contracts/promised.json`` is the list; ``docs/api.md`` shows what is not provided, and why.
"""

import asyncio
import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from modelscan_catalog.cli.main import cli
from modelscan_catalog.settings import REPOSITORY_ROOT

sys.path.append(str(REPOSITORY_ROOT / "tests" / "unit" / "service"))
from service_samples import CHAT, Upstream, loader, publish, serving

PROMISED = json.loads((REPOSITORY_ROOT / "registry" / "contracts" / "promised.json").read_text("utf-8"))
MODEL, CHECKPOINT = "alibaba/qwen3-8b", "Qwen/Qwen3-8B"
HUB_IS_AWAY = (502, 503)
NO_CLUSTER = (200, 400, 502, 503)
"""A machine without a cluster says so; with one these endpoints have claims of their own."""


@dataclass(frozen=True)
class Claim:
    """A request and what its answer is: a status, and keys of the answer (dotted for those within)."""

    path: str = ""
    body: Any = None
    status: tuple[int, ...] = (200,)
    keys: tuple[str, ...] = field(default=("data",))


ROW_KEYS = tuple(
    f"data.0.{name}"
    for name in (
        "id", "name", "category", "parameters", "description", "tags", "status", "is_vision", "is_quantized",
        "min_vram_gb", "recommended_vram_gb",
    )
)  # fmt: skip
CLAIMS: dict[str, Claim] = {
    "GET /api/providers": Claim(keys=("data.0.id", "total")),
    "POST /api/providers/add": Claim(body={"identifier": "openai/gpt-4o", "offline": True}, status=(202,)),
    "GET /api/keys": Claim("/api/keys?provider=here"),
    "POST /api/keys/add": Claim(
        body={"provider_id": "here", "api_key": "env:A_KEY_OF_THE_TEST"}, keys=("sha256", "prefix")
    ),
    "POST /api/discover": Claim(body={"identifier": "openai", "offline": True}, status=(202,)),
    "GET /api/sdks": Claim(),
    "POST /api/sdks/generate": Claim(body={"providers": ["openai"]}, status=(200, 202)),
    "GET /api/stats": Claim("/api/stats?model=m", keys=("models",)),
    "GET /health": Claim(keys=("data.status", "data.version")),
    "POST /v1/chat/completions": Claim(body=CHAT, keys=("choices.0.message.content",)),
    "GET /api/v1/registry/models": Claim(
        "/api/v1/registry/models?category=text-llm", keys=("success", "total", *ROW_KEYS)
    ),
    "GET /api/v1/registry/models/{id}": Claim(
        f"/api/v1/registry/models/{CHECKPOINT}",
        keys=("data.training_defaults", "data.inference_defaults", "data.requirements", "data.urls"),
    ),
    "GET /api/v1/registry/categories": Claim(keys=("data.text-llm.name", "data.vision-vlm.icon")),
    "POST /api/v1/registry/validate/training": Claim(
        body={"model_id": CHECKPOINT}, keys=("success", "data.is_valid", "data.error_message")
    ),
    "POST /api/v1/registry/validate/inference": Claim(
        body={"model_id": CHECKPOINT}, keys=("success", "data.is_valid", "data.error_message")
    ),
    "GET /healthz": Claim(keys=("data.status",)),
    "GET /system/info": Claim(
        keys=(
            "data.version",
            "data.counts",
            "data.pvc",
            "data.paths",
            "data.gpu_profiles",
            "data.recent_jobs",
            "data.recent_history",
        )
    ),
    "GET /openapi": Claim(keys=("openapi", "paths")),
    "GET /docs": Claim(keys=()),
    "GET /metrics": Claim(keys=()),
    "GET /models": Claim(keys=("data.0.id", "total")),
    "GET /models/{id}": Claim(f"/models/{MODEL}", keys=("data.model.id", "data.variants")),
    "GET /models/{model_id}": Claim(f"/models/{CHECKPOINT}", keys=("data.model.id",)),
    "GET /models/{id}/manifest": Claim(f"/models/{MODEL}/manifest?profile=rtx-4090", keys=("data.text",)),
    "GET /models/{id}/compatibility": Claim(f"/models/{MODEL}/compatibility?gpuType=rtx-4090"),
    "POST /models/activate": Claim(body={"id": MODEL, "profile": "rtx-4090"}, status=NO_CLUSTER, keys=()),
    "POST /models/deactivate": Claim(body={}, status=NO_CLUSTER, keys=()),
    "POST /models/test": Claim(
        body={"id": MODEL, "profile": "rtx-4090"}, keys=("data.dry_run", "data.manifest", "data.valid")
    ),
    "GET /active": Claim(status=NO_CLUSTER, keys=()),
    "POST /refresh": Claim(keys=("data.counts",)),
    "POST /catalog/generate": Claim(body={"id": MODEL}, keys=("data.entry.id",)),
    "POST /catalog/preview": Claim(body={"entry": "generated"}, keys=("data.valid", "data.manifest")),
    "POST /catalog/validate": Claim(
        body={"entry": "generated"}, keys=("data.valid", "data.errors", "data.checks.0.status")
    ),
    "POST /catalog/pr": Claim(body={"entry": "generated"}, keys=("data.branch", "data.applied")),
    "POST /vllm/model-info": Claim(body={"hfModelId": CHECKPOINT}, status=(200, *HUB_IS_AWAY), keys=()),
    "GET /huggingface/search": Claim("/huggingface/search?q=qwen", status=(200, *HUB_IS_AWAY), keys=()),
    "GET /huggingface/models/{id}": Claim(
        f"/huggingface/models/{CHECKPOINT}", status=(200, *HUB_IS_AWAY), keys=()
    ),
    "GET /recommendations/{gpuType}": Claim("/recommendations/rtx-4090", keys=("data", "total")),
    "GET /recommendations/profiles": Claim(keys=("data.0",)),
    "GET /weights": Claim(),
    "GET /weights/usage": Claim(),
    "GET /weights/{name}/info": Claim("/weights/nothing/info", status=(404,), keys=("error.code",)),
    "DELETE /weights/{name}": Claim("/weights/nothing", status=(404,), keys=("error.code",)),
    "POST /weights/install": Claim(
        body={"hfModelId": CHECKPOINT}, status=(202,), keys=("data.job", "data.storageUri")
    ),
    "GET /weights/install/status/{id}": Claim(
        "/weights/install/status/" + "0" * 32, status=(404,), keys=("error.code",)
    ),
    "GET /jobs": Claim(),
    "GET /jobs/{id}": Claim("/jobs/" + "0" * 32, status=(404,), keys=("error.code",)),
    "GET /history": Claim(),
    "GET /vllm/supported-models": Claim(keys=("data.0.architecture",)),
    "GET /vllm/model/{architecture}": Claim(
        "/vllm/model/Qwen3ForCausalLM", keys=("data.architecture", "data.module", "data.groups")
    ),
    "POST /vllm/discover": Claim(body={"hfModelId": CHECKPOINT}, status=(200, *HUB_IS_AWAY), keys=()),
    "GET /models/stable": Claim(keys=("data.0.id",)),
    "GET /models/refiners": Claim(keys=("data", "total")),
    "GET /models/capability/{capability}": Claim("/models/capability/tool_use", keys=("data.0.id",)),
    "GET /models/provider/{provider}": Claim("/models/provider/openai", keys=("data.0.id",)),
    "POST /models/{model_id}/usage": Claim(f"/models/{MODEL}/usage", body={"latency_ms": 10}),
    "POST /route": Claim(body={"query": "What is the capital of France?", "model": "m"}, keys=("model",)),
    "POST /route/refinement": Claim(
        body={"query": "show me apple", "refinement_type": "fast"}, keys=("model",)
    ),
    "GET /classify": Claim("/classify?query=hello", keys=("class", "deadline_s")),
    "GET /candidates": Claim(),
    "GET /evaluations": Claim(),
    "POST /start": Claim(body={}, keys=("data.automatic",)),
    "POST /stop": Claim(body={}, keys=("data.automatic",)),
    "POST /discover": Claim(body={"providers": ["here"], "hub": False}, status=(202,)),
}


def _promised() -> list[str]:
    names = [f"{row['method']} {row['path']}" for row in PROMISED["endpoints"] if "because" not in row]
    return sorted(set(names))


def test_every_promised_endpoint_has_a_claim() -> None:
    assert sorted(CLAIMS) == _promised()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, Any]]:
    """The answer to every claim, asked of one service; no request leaves this machine."""
    folder = tmp_path_factory.mktemp("promised")
    return asyncio.run(_all_asked(folder))


async def _all_asked(folder: Path) -> dict[str, tuple[int, Any]]:
    nowhere = {"huggingface_url": "http://127.0.0.1:9", "modelscope_url": "http://127.0.0.1:9",
               "models_dev_url": "http://127.0.0.1:9", "gpustack_url": "http://127.0.0.1:9"}  # fmt: skip
    found: dict[str, tuple[int, Any]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KUBECONFIG", raising=False)
        patch.setenv("HOME", str(folder))
        patch.setenv("A_KEY_OF_THE_TEST", "x" * 20)
        async with Upstream().running() as url:
            publish(folder / "published", url)
            async with serving(loader(folder, **nowhere)) as (session, _):
                _, made = await _ask(session, "POST", "/catalog/generate", {"id": MODEL})
                for name, claim in CLAIMS.items():
                    method, _, pattern = name.partition(" ")
                    body = claim.body
                    if body == {"entry": "generated"}:
                        body = {"entry": made["data"]["entry"]}
                    found[name] = await _ask(session, method, claim.path or pattern, body)
    return found


async def _ask(session: aiohttp.ClientSession, method: str, path: str, body: Any) -> tuple[int, Any]:
    json_body = {} if body is None else {"json": body}
    async with session.request(method, path, **json_body) as answer:
        is_json = answer.content_type == "application/json"
        return answer.status, await (answer.json() if is_json else answer.text())


def _within(value: Any, dotted: str) -> bool:
    for part in re.split(r"\.", dotted):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return False
    return True


@pytest.mark.parametrize("name", _promised())
def test_it_answers_as_its_document_says(name: str, answers: dict[str, tuple[int, Any]]) -> None:
    status, body = answers[name]
    claim = CLAIMS[name]
    assert status in claim.status, f"{status}: {str(body)[:300]}"
    missing = [key for key in claim.keys if not _within(body, key)]
    assert missing == [], str(body)[:500]
    if status >= 400:
        assert set(body) == {"success", "error"}


@pytest.mark.parametrize("row", PROMISED["commands"], ids=lambda row: row["command"])
def test_every_promised_command_is_there_or_says_why_not(row: dict[str, str]) -> None:
    arguments = row["command"].split()[1:]
    found = CliRunner().invoke(cli, [*arguments, *([] if "--version" in arguments else ["--help"])])
    assert (found.exit_code == 0 and "because" not in row) or row.get("because"), found.output


def test_what_is_not_provided_is_in_the_documents() -> None:
    told = (REPOSITORY_ROOT / "docs" / "api.md").read_text("utf-8")
    for part in ("endpoints", "commands", "others"):
        for row in PROMISED[part]:
            if "because" in row:
                assert row["because"] in told, row


def test_the_table_of_endpoints_is_up_to_date() -> None:
    made = [sys.executable, str(REPOSITORY_ROOT / "docs" / "api_table.py")]
    done = subprocess.run(made, capture_output=True, text=True, check=False, cwd=REPOSITORY_ROOT)
    assert done.returncode == 0, done.stderr
