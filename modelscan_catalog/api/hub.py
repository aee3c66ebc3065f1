"""The HuggingFace hub through this server: search, one repository, drafts of catalogue entries."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from modelscan_catalog.api.bodies import Answer
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.reads import envelope
from modelscan_catalog.api.responses import REFUSALS
from modelscan_catalog.errors import FitInputError, ModelScanError, UnknownIdError
from modelscan_catalog.hub.describe import model_info
from modelscan_catalog.hub.search import MOST_RESULTS, Question, search

_ANSWERS = REFUSALS | {502: REFUSALS[400]}
MOST_DRAFTS = 20
ModelId = Annotated[str, Path(max_length=200, description="owner/name")]


class HubQuery(BaseModel):
    """What is looked for on the hub; an empty text bounds nothing."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(default="", max_length=200)
    author: str = Field(default="", max_length=100)
    task: str = Field(default="", max_length=60, description="such as text-generation")
    sort: str = Field(default="downloads", max_length=20)
    limit: int = Field(default=20, ge=1, le=MOST_RESULTS)
    all: bool = Field(default=False, description="also repositories that vLLM has no architecture for")

    def question(self) -> Question:
        """As the library takes it."""
        return Question(self.q, self.author, self.task, self.sort, self.limit, self.all)


class ModelInfoBody(BaseModel):
    """A repository to describe."""

    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=True)

    hfModelId: str = Field(min_length=1, max_length=200, description="owner/name")  # noqa: N815
    gpu_profile: str = Field(default="", max_length=100, description="plan its settings for NAME:COUNT")


class DiscoverBody(BaseModel):
    """Repositories to draft entries of: named ones, or the first that a search finds."""

    model_config = ConfigDict(strict=True, extra="forbid")

    hfModelId: str = Field(default="", max_length=200)  # noqa: N815 - the field's public name
    hfModelIds: list[str] = Field(default_factory=list, max_length=MOST_DRAFTS)  # noqa: N815
    q: str = Field(default="", max_length=200, description="search instead of naming")
    limit: int = Field(default=5, ge=1, le=MOST_DRAFTS)
    gpu_profile: str = Field(default="", max_length=100)


def hub_routes(context: ApiContext) -> APIRouter:
    """Reads for everybody: nothing is changed, and answers are kept, so that the hub is asked rarely."""
    settings, served = context.settings, context.served
    router = APIRouter(tags=["hub"], responses=_ANSWERS)

    @router.get("/huggingface/search", response_model=Answer)
    def found(wanted: Annotated[HubQuery, Query()]) -> Any:
        """Repositories of the hub that vLLM serves; the catalogue's own when the hub does not answer."""
        answer = search(settings, served.current().registry, wanted.question())
        return envelope(answer.rows, len(answer.rows), origin=answer.origin, problem=answer.problem)

    @router.get("/huggingface/models/{model_id:path}", response_model=Answer)
    def model(model_id: ModelId) -> Any:
        """One repository: facts, whether vLLM serves it, a draft of its entry."""
        return envelope(model_info(settings, served.current().registry, model_id))

    @router.post("/vllm/model-info", response_model=Answer)
    def info(body: ModelInfoBody) -> Any:
        """The same, with settings planned for named cards."""
        registry = served.current().registry
        fresh_s = settings.vllm_cache_ttl_s
        return envelope(model_info(settings, registry, body.hfModelId, body.gpu_profile, fresh_s=fresh_s))

    @router.post("/vllm/discover", response_model=Answer)
    def discover(body: DiscoverBody) -> Any:
        """Draft entries of named repositories, or of the first that a search finds."""
        registry = served.current().registry
        named = [*([body.hfModelId] if body.hfModelId else []), *body.hfModelIds]
        origin = problem = None
        if not named:
            if not body.q:
                raise FitInputError("hfModelId: name repositories, or search with q", "hfModelId")
            answer = search(settings, registry, Question(words=body.q, limit=body.limit))
            named, origin, problem = [row["id"] for row in answer.rows], answer.origin, answer.problem
        rows = [_draft(context, name, body.gpu_profile) for name in named]
        return envelope(rows, len(rows), origin=origin, problem=problem)

    return router


def _draft(context: ApiContext, repo: str, gpu_profile: str) -> dict[str, Any]:
    """One row of a discovery: a draft, or why there is none; one bad name does not hide the others."""
    registry = context.served.current().registry
    try:
        fresh_s = context.settings.vllm_cache_ttl_s
        told = model_info(context.settings, registry, repo, gpu_profile, fresh_s=fresh_s)
    except ModelScanError as error:
        near = list(error.candidates) if isinstance(error, UnknownIdError) else []
        return {"id": repo, "error": str(error), "candidates": near}
    return {key: told[key] for key in ("id", "origin", "problem", "compatibility", "draft")}
