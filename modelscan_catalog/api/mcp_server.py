"""The catalogue's reads as tools of the Model Context Protocol (MCP); nothing here changes it.

Each tool is the question that a command of the same name answers; its answer is that command's JSON.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from modelscan_catalog import __version__
from modelscan_catalog.deploy.plan import PlanRequest
from modelscan_catalog.deploy.planner import make_plan
from modelscan_catalog.errors import FitInputError, ModelScanError
from modelscan_catalog.registry import Registry, get_registry
from modelscan_catalog.registry.costs import Load, model_costs
from modelscan_catalog.registry.details import model_details

P = ParamSpec("P")
Model = Annotated[str, Field(min_length=1, max_length=400, description="any id or spelling of a model")]
Gpu = Annotated[
    str, Field(min_length=1, max_length=100, description="cards as NAME or NAME:COUNT, such as h100-80gb:2")
]
Context = Annotated[int | None, Field(ge=1, le=10**8, description="tokens of a request")]
Limit = Annotated[int, Field(ge=1, le=100)]
_INSTRUCTIONS = (
    "A checked catalogue of language models: facts with their sources, prices at sellers, an exact fit of "
    "each checkpoint on each GPU. Null means that nobody knows. Sizes are GiB, prices USD per million tokens."
)
_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_MOST_OFFERS = 20
_FIT = ("model_id", "variant_id", "quantization", "gpu_name", "gpu_count", "context", "verdict", "binding",
        "expected", "reasons", "alternatives")  # fmt: skip


def mcp_server(published: Path) -> MCPServer[Any]:
    """A server over the registry in ``published``; a newly published one is read at the next question.

    Raises ``RegistryNotFoundError`` or ``PublishError`` for a registry that is missing or damaged.
    """
    get_registry(published)
    server: MCPServer[Any] = MCPServer(
        "modelscan", title="ModelScan", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING"
    )

    def tool(answer: Callable[P, dict[str, Any]]) -> None:
        server.tool(annotations=_READS, structured_output=True)(_told(answer))

    def registry() -> Registry:
        return get_registry(published)

    def search_models(
        query: Annotated[str, Field(min_length=1, max_length=300)], limit: Limit = 10
    ) -> dict[str, Any]:
        """Models by a name or by what is wanted: 'small vision model under 24 GB', '7b apache coding'."""
        from dataclasses import asdict

        return {"models": [asdict(hit) for hit in registry().search(query, limit)]}

    def model_info(model: Model) -> dict[str, Any]:
        """What is known of one model: facts, checkpoints, cheapest offers, reference plans, conflicts."""
        found = model_details(registry(), model)
        total = len(found["offers"])
        return found | {"offers": found["offers"][:_MOST_OFFERS], "offers_total": total}

    def model_fit(model: Model, gpu: Gpu, context: Context = None) -> dict[str, Any]:
        """Whether a model starts on these cards, with the memory of each part and what would run instead."""
        found = _planned(published, PlanRequest(model=model, gpu=gpu, context=context))
        return {name: found[name] for name in _FIT}

    def serving_plan(
        model: Model,
        gpu: Gpu,
        context: Context = None,
        concurrency: Annotated[int, Field(ge=1, le=100_000, description="requests at once")] = 1,
        goal: Annotated[str, Field(description="standard, throughput or latency")] = "standard",
    ) -> dict[str, Any]:
        """How to serve a model on these cards: checkpoint, engine, split, flags, memory, speed, and why."""
        asked = PlanRequest(model=model, gpu=gpu, context=context, concurrency=concurrency, goal=goal)
        return _planned(published, asked)

    def price(
        model: Model,
        input_mtok: Annotated[float, Field(ge=0, le=1e9, description="million tokens in")] = 3.0,
        output_mtok: Annotated[float, Field(ge=0, le=1e9, description="million tokens out")] = 1.0,
        gpu: Gpu | None = None,
        gpu_usd_per_hour: Annotated[float | None, Field(ge=0, le=1e6, description="of one card")] = None,
    ) -> dict[str, Any]:
        """What so many tokens cost at each seller, cheapest first, and on named cards at full load."""
        load = Load(input_mtok, output_mtok)
        found = model_costs(registry(), model, load, gpu, gpu_usd_per_hour)
        total = len(found["offers"])
        return found | {"offers": found["offers"][:_MOST_OFFERS], "offers_total": total}

    def recent_changes(
        kind: Annotated[
            str | None, Field(description="model, variant, offer, provider or deployment")
        ] = None,
        limit: Limit = 50,
    ) -> dict[str, Any]:
        """What the last publish that changed anything added, removed or changed."""
        rows = registry().files.rows("changes.jsonl")
        found = [row for row in rows if kind is None or row["record"].startswith(f"{kind}:")]
        return {"changes": found[:limit], "total": len(found)}

    for answer in (search_models, model_info, model_fit, serving_plan, price, recent_changes):
        tool(answer)
    return server


def _planned(published: Path, asked: PlanRequest) -> dict[str, Any]:
    if asked.gpu is None or asked.gpu.strip().lower() == "detected":
        raise FitInputError("gpu: name the cards; this server does not look at its own machine", field="gpu")
    return make_plan(published, asked).model_dump(mode="json")


def _told(answer: Callable[P, dict[str, Any]]) -> Callable[P, dict[str, Any]]:
    """Errors of ours are the tool's, with their words; a caller can mend them."""

    @wraps(answer)
    def told(*args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        try:
            return answer(*args, **kwargs)
        except ModelScanError as error:
            raise ToolError(str(error)) from error

    return told
