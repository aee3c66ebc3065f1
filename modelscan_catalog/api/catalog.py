"""Endpoints that write catalogue entries or load the registry anew; behind the token, dry by default."""

from typing import Any

from fastapi import APIRouter, Depends

from modelscan_catalog.api import answers
from modelscan_catalog.api.bodies import Answer, CatalogPrBody, EntryBody, GenerateBody
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.reads import envelope
from modelscan_catalog.api.responses import SECRET_REFUSALS
from modelscan_catalog.api.snapshot import Snapshot
from modelscan_catalog.errors import OverrideError
from modelscan_catalog.registry.entries import check_entry, checked, generate_entry, overlay_of


def catalog_routes(context: ApiContext) -> APIRouter:
    """Entries of the catalogue: made, checked, previewed, kept on a branch; the registry read anew."""
    served = context.served
    router = APIRouter(
        tags=["catalog"], responses=SECRET_REFUSALS, dependencies=[Depends(context.authorized)]
    )

    def current() -> Snapshot:
        return served.current()

    @router.post("/refresh", response_model=Answer)
    def refresh() -> Any:
        """Load the published registry anew, and the router's configuration; a bad one is refused."""
        index = served.refresh().index
        router = context.service.reload_router() if context.service is not None else None
        counts = dict(index.counts)
        return envelope({"registry_as_of": index.data_as_of, "counts": counts, "router": router})

    @router.post("/catalog/generate", response_model=Answer)
    def generate(body: GenerateBody) -> Any:
        """An entry to edit and keep, with settings planned for named cards."""
        entry = generate_entry(current().registry, body.id, body.gpu_profile or None)
        return envelope({"entry": entry, "overlay": overlay_of(entry)})

    @router.post("/catalog/validate", response_model=Answer)
    def validate(body: EntryBody) -> Any:
        """Check an entry: schema, weights, and whether it starts on named cards."""
        return envelope(checked(check_entry(current().registry, body.entry, body.gpu_profile or None)))

    @router.post("/catalog/preview", response_model=Answer)
    def preview(body: EntryBody) -> Any:
        """Check an entry, and its KServe manifest where it starts on named cards."""
        now = current()
        found = checked(check_entry(now.registry, body.entry, body.gpu_profile or None))
        document = None
        if found["valid"] and body.gpu_profile:
            model = now.registry.model_id(body.entry["id"])
            document = answers.manifest(now, model, "kserve", body.gpu_profile)
        return envelope(found | {"manifest": document})

    @router.post("/catalog/pr", response_model=Answer)
    def pull_request(body: CatalogPrBody) -> Any:
        """Put an entry on a branch of the catalogue's repository; says what it would do unless ``apply``."""
        from modelscan_catalog.api.catalog_pr import commit_entry

        found = checked(check_entry(current().registry, body.entry, body.gpu_profile or None))
        if not found["valid"]:
            raise OverrideError("; ".join(found["errors"]))
        return envelope(commit_entry(body.entry, body.branch, body.message, apply=body.apply))

    return router
