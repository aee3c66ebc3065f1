"""The endpoints: reads of the registry for everybody, what changes something behind the bearer token."""

import hmac
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]

from modelscan_catalog import __version__
from modelscan_catalog.api import answers
from modelscan_catalog.api.bodies import Answer, CatalogPrBody, EntryBody, GenerateBody, ValidateBody
from modelscan_catalog.api.catalogue import ApiCatalogue, envelope, unknown
from modelscan_catalog.api.errors import ErrorAnswer, add_error_handlers
from modelscan_catalog.api.filters import ModelFilters, Page, filtered, paged
from modelscan_catalog.api.hot import HotReads
from modelscan_catalog.api.snapshot import Served, Snapshot
from modelscan_catalog.errors import OverrideError
from modelscan_catalog.registry import validate_model_for_inference, validate_model_for_training
from modelscan_catalog.registry.details import by_price
from modelscan_catalog.registry.entries import check_entry, checked, generate_entry, overlay_of

OPENAPI_VERSION = "3.0.3"
"""The newest that the bundled Swagger UI draws."""
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (400, 404, 409, 413, 503)
}
_SECRET_REFUSALS = _REFUSALS | {401: {"model": ErrorAnswer}, 502: {"model": ErrorAnswer}}
Paged = Annotated[Page, Query()]
Filters = Annotated[ModelFilters, Query()]


def create_app(served: Served, token: str | None = None) -> FastAPI:
    """The application over ``served``; ``token`` guards what changes something."""
    app = FastAPI(
        title="ModelScan",
        version=__version__,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.openapi_version = OPENAPI_VERSION
    add_error_handlers(app)
    app.mount("/docs/assets", StaticFiles(directory=swagger_ui_path), name="docs assets")
    for router in (
        _documents(app),
        _system(served),
        _registry(served),
        _models(served),
        _catalog(served, token),
    ):
        for route in router.routes:
            if isinstance(route, APIRoute) and route.description:
                route.summary = route.description.partition("\n")[0].rstrip(".")
        app.include_router(router)
    app.add_middleware(HotReads, current=served.current)
    return app


def _documents(app: FastAPI) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi")
    def openapi() -> JSONResponse:
        return JSONResponse(app.openapi())

    @router.get("/docs")
    def docs() -> HTMLResponse:
        assets = "/docs/assets"
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="ModelScan",
            swagger_js_url=f"{assets}/swagger-ui-bundle.js",
            swagger_css_url=f"{assets}/swagger-ui.css",
            swagger_favicon_url=f"{assets}/favicon-32x32.png",
        )

    return router


def _system(served: Served) -> APIRouter:
    router = APIRouter(tags=["system"], responses=_REFUSALS)

    @router.get("/health", response_model=Answer)
    @router.get("/healthz", response_model=Answer)
    def health() -> Any:
        """Whether it serves, and which registry."""
        now = served.current()
        state = {
            "version": __version__,
            "registry_as_of": now.index.data_as_of,
            "refused": served.last_refusal,
        }
        return envelope({"status": "ok" if served.last_refusal is None else "stale", **state})

    @router.get("/system/info", response_model=Answer)
    def info() -> Any:
        """Version, counts, sources and GPU profiles."""
        index = served.current().index
        return envelope(
            {
                "version": __version__,
                "schema_version": index.schema_version,
                "counts": dict(index.counts),
                "sources": [state.model_dump(mode="json") for state in index.sources],
                "gpu_profiles": served.current().gpus,
            }
        )

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics(request: Request) -> str:
        """Request counts and seconds for Prometheus."""
        layer: Any = request.app.middleware_stack
        while not isinstance(layer, HotReads):
            layer = layer.app
        return layer.metrics()

    return router


def _registry(served: Served) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["registry"], responses=_REFUSALS)

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


def _models(served: Served) -> APIRouter:
    router = APIRouter(tags=["models"], responses=_REFUSALS)

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
        """Since when vLLM serves an architecture."""
        rows = {row["architecture"]: row for row in answers.architectures()}
        if architecture not in rows:
            raise unknown("architecture", architecture, rows)
        return envelope(rows[architecture])

    return router


def _catalog(served: Served, token: str | None) -> APIRouter:
    def authorized(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if token is not None and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "this endpoint needs the server's bearer token")

    router = APIRouter(tags=["catalog"], responses=_SECRET_REFUSALS, dependencies=[Depends(authorized)])

    def current() -> Snapshot:
        return served.current()

    @router.post("/refresh", response_model=Answer)
    def refresh() -> Any:
        """Load the published registry anew; one that is not whole is refused."""
        index = served.refresh().index
        return envelope({"registry_as_of": index.data_as_of, "counts": dict(index.counts)})

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
