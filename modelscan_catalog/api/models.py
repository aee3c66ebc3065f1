"""Models, and what was computed of them: manifests, compatibility, recommendations."""

import dataclasses
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from modelscan_catalog.api import answers
from modelscan_catalog.api.bodies import Answer
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.filters import filtered, paged
from modelscan_catalog.api.reads import ApiCatalogue, envelope, unknown
from modelscan_catalog.api.responses import REFUSALS, Filters, Paged
from modelscan_catalog.errors import FitInputError, UnknownIdError
from modelscan_catalog.registry.details import by_price
from modelscan_catalog.registry.features import feature_matrix


def model_routes(context: ApiContext) -> APIRouter:
    """Lists of models, and everything about one."""
    served = context.served
    router = APIRouter(tags=["models"], responses=REFUSALS)

    def catalogue() -> ApiCatalogue:
        return served.current().catalogue

    def lists(path: str, rows: Callable[[], list[Any]], says: str) -> None:
        @router.get(path, response_model=Answer, description=says, name=path)
        def listed(page: Paged) -> Any:
            return paged(rows(), page)

    @router.get("/models", response_model=Answer)
    def models(wanted: Filters) -> Any:
        """Models by filters; with q by search rank."""
        return paged(filtered(catalogue(), wanted), wanted)

    lists(
        "/models/stable",
        lambda: catalogue().stable(),
        "Models that no source calls deprecated or unfinished.",
    )
    lists("/models/refiners", lambda: catalogue().refiners(), "Language models that are sold cheaply.")
    lists("/deprecations", lambda: catalogue().deprecations(), "Models that are deprecated or gone.")
    lists("/changes", lambda: served.current().registry.files.rows("changes.jsonl"), "The last changes.")
    lists("/recommendations/profiles", lambda: served.current().gpus, "GPU profiles with a published fit.")
    lists("/vllm/supported-models", answers.architectures, "Architectures that vLLM serves.")

    @router.get("/models/capability/{capability}", response_model=Answer)
    def capable(capability: str, page: Paged) -> Any:
        """Models with a capability."""
        return paged(catalogue().capable(capability), page)

    @router.get("/models/provider/{provider}", response_model=Answer)
    def provided(provider: str, page: Paged) -> Any:
        """Models that a provider sells."""
        return paged(catalogue().provided(provider), page)

    @router.get("/models/{model_id:path}/manifest", response_model=Answer)
    def manifest(model_id: str, target: str = "kserve", profile: str = "") -> Any:
        """A model's document for a target: the published one, or made for named cards."""
        now = served.current()
        return envelope(answers.manifest(now, now.registry.model_id(model_id), target, profile))

    @router.get("/models/{model_id:path}/compatibility", response_model=Answer)
    def compatibility(model_id: str, gpuType: str = "") -> Any:  # noqa: N803 - the parameter's public name
        """The published fit of its checkpoints, on one GPU profile or on all."""
        now = served.current()
        rows = answers.compatibility(now, now.registry.model_id(model_id), gpuType)
        return envelope(rows, len(rows))

    @router.get("/models/{model_id:path}/features", response_model=Answer)
    def features(model_id: str, gpuType: str) -> Any:  # noqa: N803 - the parameter's public name
        """What each engine's recorded versions can do with a checkpoint on one GPU profile, and why not."""
        try:
            checkpoint, rows = feature_matrix(served.current().registry, model_id, gpuType)
        except FitInputError as error:  # a card with an odd count is a card that nobody knows
            raise UnknownIdError(str(error), field="gpuType") from error
        return envelope([dataclasses.asdict(row) for row in rows], len(rows), checkpoint=checkpoint)

    @router.get("/models/{model_id:path}/offers", response_model=Answer)
    def offers(model_id: str) -> Any:
        """Sellers' terms, cheapest first."""
        now = served.current()
        rows = by_price(now.catalogue.offers.get(now.registry.model_id(model_id), []))
        return envelope(rows, len(rows))

    @router.get("/models/{model_id:path}", response_model=Answer)
    def model(model_id: str) -> Any:
        """A model's facts and weights, by any of its ids."""
        now = served.current()
        return envelope(now.catalogue.detail(now.registry.model_id(model_id)))

    @router.get("/recommendations/{gpu_type}", response_model=Answer)
    def recommended(gpu_type: str, page: Paged) -> Any:
        """Checkpoints that start on a GPU profile, with settings and flags."""
        return paged(answers.recommendations(served.current(), gpu_type), page)

    @router.get("/vllm/model/{architecture}", response_model=Answer)
    def architecture(architecture: str) -> Any:
        """vLLM versions that serve an architecture, and where the newest recorded one has its class."""
        rows = {row["architecture"]: row for row in answers.architectures()}
        if architecture not in rows:
            raise unknown("architecture", architecture, rows)
        return envelope(rows[architecture] | answers.serving_class(architecture))

    return router
