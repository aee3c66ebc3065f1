"""What each of the four sources says of an identifier: steps one to four, which run side by side."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from modelscan_catalog.errors import FetchError, ModelScanError, RecordError
from modelscan_catalog.onboarding.context import Context
from modelscan_catalog.onboarding.quoted import SourceText
from modelscan_catalog.onboarding.records import Gathered
from modelscan_catalog.onboarding.texts import read_bytes, source_text
from modelscan_catalog.records import Record, SourceName
from modelscan_catalog.sources.adapter import SourceResult
from modelscan_catalog.sources.http import Answer, PoliteClient
from modelscan_catalog.sources.runner import latest, run_source
from modelscan_catalog.sources.staged import (
    GpustackSet,
    GpustackSpec,
    HuggingFaceRepo,
    ModelScopeRepo,
    ModelsDevOffer,
    ModelsDevProvider,
)
from modelscan_catalog.store import read_jsonl

_MOST_REPOSITORIES = 5


def gather_models_dev(context: Context) -> Gathered:
    """The provider, everything it offers, and its documentation when somebody may read it."""
    result = _read(context, "models_dev")
    if result is None:
        return _nothing("models_dev")
    provider = next(
        (
            row
            for row in result.tables["providers"]
            if isinstance(row, ModelsDevProvider) and row.id == context.provider
        ),
        None,
    )
    offers = tuple(
        row
        for row in result.tables["offers"]
        if isinstance(row, ModelsDevOffer) and row.provider == context.provider
    )
    texts, problems = _page(context, provider.doc if provider else None)
    named = any(offer.id == context.model for offer in offers)
    if provider is None:
        known = [row.id for row in result.tables["providers"] if isinstance(row, ModelsDevProvider)]
        summary = f"not a provider of models.dev{_near(context.provider, known)}"
    else:
        summary = f"{provider.npm}, {len(offers)} offers"
        if context.model:
            near = "" if named else _near(context.model, [offer.id for offer in offers])
            summary += f", {context.model} {'among them' if named else 'not among them'}{near}"
    return Gathered(
        source="models_dev",
        origin=result.state.origin,
        found=provider is not None,
        summary=summary,
        provider=provider,
        offers=offers,
        texts=texts,
        problems=(*result.state.problems, *problems),
    )


def gather_gpustack(context: Context) -> Gathered:
    """Launch recipes for the model's repositories."""
    result = _read(context, "gpustack")
    if result is None:
        return _nothing("gpustack")
    repos = {repo.lower() for kind in ("huggingface", "modelscope") for repo in _repositories(context, kind)}
    name = _plain_name(context.model)
    sets = {
        row.name
        for row in result.tables["sets"]
        if isinstance(row, GpustackSet) and name and _plain_name(row.name) == name
    }
    specs = [
        row
        for row in result.tables["specs"]
        if isinstance(row, GpustackSpec) and (row.repo.lower() in repos or row.set_name in sets)
    ]
    return _rows("gpustack", result, specs, "launch recipes")


def gather_huggingface(context: Context) -> Gathered:
    """The model's repositories, and the card of the first when somebody may read it."""
    result = latest("huggingface", context.settings)
    if result is None:
        return _nothing("huggingface")
    wanted = {repo.lower() for repo in _repositories(context, "huggingface")}
    found = [
        row.model_copy(update={"files": (), "config_json": None, "quant_config_json": None})
        for row in result.tables["repos"]
        if isinstance(row, HuggingFaceRepo) and row.id.lower() in wanted
    ]
    gathered = _rows("huggingface", result, found[:_MOST_REPOSITORIES], "repositories")
    if found:
        url = f"{context.settings.huggingface_url}/api/models/{found[0].id}"
        gathered = _asked_now(context, gathered, url, found[0].sha, lambda body: body.get("sha"))
    card = f"{context.settings.huggingface_url}/{found[0].id}/raw/main/README.md" if found else None
    texts, problems = _page(context, card)
    return gathered.model_copy(update={"texts": texts, "problems": (*gathered.problems, *problems)})


def gather_modelscope(context: Context) -> Gathered:
    """The model's repositories."""
    result = latest("modelscope", context.settings)
    if result is None:
        return _nothing("modelscope")
    wanted = {repo.lower() for kind in ("modelscope", "huggingface") for repo in _repositories(context, kind)}
    found = [
        row.model_copy(update={"files": (), "config_json": None})
        for row in result.tables["repos"]
        if isinstance(row, ModelScopeRepo) and row.id.lower() in wanted
    ]
    gathered = _rows("modelscope", result, found[:_MOST_REPOSITORIES], "repositories")
    if not found:
        return gathered
    url = f"{context.settings.modelscope_url}/api/v1/models/{found[0].id}"
    return _asked_now(context, gathered, url, None, lambda body: None)


def _read(context: Context, source: SourceName) -> SourceResult | None:
    """A source of one document: live when allowed, else what is at hand."""
    if context.live:
        with suppress(
            ModelScanError
        ):  # what went wrong live is in the stored result's problems, or nothing is
            return run_source(source, context.settings)
    return latest(source, context.settings)


def _repositories(context: Context, kind: str) -> list[str]:
    """Repositories that the catalogue's crosswalk links to the identifier; none without a registry."""
    try:
        links = read_jsonl(context.settings.published_dir / "crosswalk.jsonl")
    except RecordError:
        return []
    models = {
        row["model"] for row in links if row["kind"] == "models_dev" and row["id"] == context.identifier
    }
    return [row["id"] for row in links if row["kind"] == kind and row["model"] in models]


def _asked_now(
    context: Context,
    gathered: Gathered,
    url: str,
    stored: str | None,
    revision: Callable[[dict[str, Any]], str | None],
) -> Gathered:
    """``gathered`` with what the hub says of its first repository at this moment, when it may be asked."""
    if not context.live:
        return gathered

    async def ask() -> Answer:
        async with PoliteClient(context.settings) as client:
            return await client.get(url)

    try:
        answer = asyncio.run(ask())
        body = json.loads(answer.body) if answer.status == 200 else {}
    except (FetchError, ValueError) as error:
        return gathered.model_copy(
            update={"problems": (*gathered.problems, f"not asked live: {error}"[:300])}
        )
    if answer.status != 200:
        problem = f"the repository answers HTTP {answer.status} now"
        return gathered.model_copy(update={"problems": (*gathered.problems, problem)})
    now = revision(body) if isinstance(body, dict) else None
    moved = f", now at {now[:12]}" if now and now != stored else ""
    return gathered.model_copy(update={"origin": "live", "summary": f"{gathered.summary}{moved}"})


def _page(context: Context, url: str | None) -> tuple[tuple[SourceText, ...], tuple[str, ...]]:
    """A page's text, read only when a language model is set up to read it."""
    if url is None or not context.live or not context.synthesis.models():
        return (), ()
    try:
        body = read_bytes(url, live=True, allow_loopback=context.allow_loopback)
    except FetchError as error:
        return (), (str(error),)
    return (source_text(url, body),), ()


def _near(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, sorted(known), n=3)
    return f"; did you mean {', '.join(near)}?" if near else ""


def _rows(source: str, result: SourceResult, rows: Sequence[Record], what: str) -> Gathered:
    return Gathered(
        source=source,
        origin=result.state.origin,
        found=bool(rows),
        summary=f"{len(rows)} {what}",
        rows=tuple(row.model_dump(mode="json", exclude_defaults=True) for row in rows),
        problems=result.state.problems,
    )


def _nothing(source: str) -> Gathered:
    return Gathered(source=source, origin="missing", found=False, summary="no data of this source at hand")


def _plain_name(name: str | None) -> str:
    return re.sub(r"[^a-z0-9]+", "", (name or "").rpartition("/")[2].lower())
