"""The registry of checkpoints, ``/api/v1/registry``, and the sellers of models, ``/api/providers``."""

from typing import Any

from fastapi import APIRouter

from modelscan_catalog.api.bodies import Answer, ValidateBody
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.filters import paged
from modelscan_catalog.api.reads import envelope, unknown
from modelscan_catalog.api.responses import REFUSALS, Paged
from modelscan_catalog.registry import validate_model_for_inference, validate_model_for_training


def registry_routes(context: ApiContext) -> APIRouter:
    """Checkpoints, categories, validation, sellers."""
    served = context.served
    router = APIRouter(prefix="/api", tags=["registry"], responses=REFUSALS)

    @router.get("/providers", response_model=Answer)
    def providers(page: Paged) -> Any:
        """Sellers of API access."""
        return paged(served.current().catalogue.providers, page)

    @router.get("/v1/registry/models", response_model=Answer)
    def models(category: str = "", tag: str = "", include_deprecated: bool = False) -> Any:
        """Checkpoints, all at once; deprecated ones only when asked for."""
        catalogue = served.current().catalogue
        if category and category not in catalogue.categories:
            raise unknown("category", category, catalogue.categories)
        rows = catalogue.registry_rows(
            lambda row: (
                (not category or row["category"] == category)
                and (not tag or tag in row["tags"])
                and (include_deprecated or row["status"] != "deprecated")
            )
        )
        return envelope(rows, len(rows))

    @router.get("/v1/registry/models/{model_id:path}", response_model=Answer)
    def model(model_id: str) -> Any:
        """One checkpoint in full, by any of its ids."""
        registry = served.current().registry
        return envelope(registry.row(registry.get_model(model_id).id))

    @router.get("/v1/registry/categories", response_model=Answer)
    def categories() -> Any:
        """Categories as a user interface shows them."""
        return envelope(dict(served.current().catalogue.categories))

    @router.post("/v1/registry/validate/training", response_model=Answer)
    def training(body: ValidateBody) -> Any:
        """Whether the registry says that a model can be fine-tuned."""
        valid, error = validate_model_for_training(body.model_id, served.current().registry)
        return envelope({"is_valid": valid, "error_message": error})

    @router.post("/v1/registry/validate/inference", response_model=Answer)
    def inference(body: ValidateBody) -> Any:
        """Whether a model can be served, on named cards where they are given."""
        valid, error = validate_model_for_inference(
            body.model_id, body.gpu_profile or None, body.engine_version or None, served.current().registry
        )
        return envelope({"is_valid": valid, "error_message": error})

    return router
