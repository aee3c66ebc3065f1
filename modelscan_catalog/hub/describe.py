"""One repository of the hub: its facts, whether vLLM serves it, and a draft of its catalogue entry."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from modelscan_catalog.errors import DocumentError, FetchError, UnknownIdError
from modelscan_catalog.hub.documents import Answered, ask
from modelscan_catalog.hub.search import Origin, served_by_vllm, vllm_architectures
from modelscan_catalog.registry.registry import Registry
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources import hub_documents
from modelscan_catalog.sources.adapter import Document
from modelscan_catalog.sources.hub_rows import repository_row
from modelscan_catalog.sources.reading import RowLog
from modelscan_catalog.sources.repository_selection import is_repo_id
from modelscan_catalog.sources.session import LiveSession
from modelscan_catalog.sources.staged import HuggingFaceRepo

_EXPAND = "&".join(f"expand[]={key}" for key in hub_documents.EXPANDED)
_ABSENT = (401, 403, 404)
_FILES = (hub_documents.CONFIG, hub_documents.QUANT_CONFIG, hub_documents.INDEX)


@dataclass(frozen=True)
class Description:
    """A repository as the hub describes it."""

    repo: HuggingFaceRepo
    runs_code: bool | None
    """Whether its configuration names code of its own (``auto_map``); None without a configuration."""
    origin: Origin
    problem: str | None = None


def describe(settings: Settings, repo: str, *, fresh_s: float | None = None) -> Description:
    """The hub's facts of ``repo`` and its configuration, as old as ``fresh_s`` (HUGGINGFACE_CACHE_TTL).

    Raises ``UnknownIdError`` for a repository that the hub does not have (or does not show to this token),
    ``FetchError`` when it does not answer and nothing was kept.
    """
    if not is_repo_id(repo):
        raise UnknownIdError(f"model {repo[:120]!r}: write it as owner/name, such as Qwen/Qwen3-8B")
    age = settings.huggingface_cache_ttl_s if fresh_s is None else fresh_s
    name = f"repo/{repo}"

    async def asking(session: LiveSession) -> None:
        path = f"/api/models/{quote(repo)}?{_EXPAND}"
        found = await session.get(name, path, fresh_s=age, absent=_ABSENT, check=_check_repo)
        if found.is_negative:
            return
        item = hub_documents.parse(name, found.body)
        there = hub_documents.file_names(item)
        for file in _FILES:
            if (there is None and file == hub_documents.CONFIG) or (there is not None and file in there):
                at = f"{item['id']}@{item['sha']}"
                where = f"/{quote(item['id'])}/resolve/{item['sha']}/{file}"
                await session.try_get(f"{file}/{at}", where, immutable=True, absent=_ABSENT, check=_check)

    answered = ask(settings, asking)
    document = answered.documents[name]
    if document.is_negative:
        hint = (
            "it may be private"
            if document.status == 404
            else "unknown, or private: set HUGGINGFACE_API_TOKEN"
        )
        raise UnknownIdError(f"model {repo}: the hub has no such repository ({hint})")
    return _described(repo, answered, document)


def _check(body: bytes, name: str) -> int:
    hub_documents.parse(name, body)
    return 200


def _check_repo(body: bytes, name: str) -> int:
    """What names no repository or no commit is not kept."""
    item = hub_documents.parse(name, body)
    sha = item.get("sha")
    if not is_repo_id(item.get("id")) or not isinstance(sha, str) or not sha.isalnum():
        raise DocumentError(f"{name}: names no repository or no commit")
    return 200


def _described(asked: str, answered: Answered, document: Document) -> Description:
    good = {name: one for name, one in answered.documents.items() if not one.is_negative}
    parsed = {name: hub_documents.parse(name, one.body) for name, one in good.items()}
    row = repository_row(parsed[document.name], {asked}, parsed, good, RowLog("huggingface"))
    config = good.get(f"{hub_documents.CONFIG}/{row.id}@{row.sha}")
    origin: Origin = "live" if document.origin == "live" else "cached"
    return Description(row, _runs_code(config), origin, answered.problem)


def _runs_code(config: Document | None) -> bool | None:
    """The parsed form of a configuration holds no code references, so its bytes are asked."""
    if config is None:
        return None
    try:
        return bool(json.loads(config.body).get("auto_map"))
    except (ValueError, AttributeError):
        return None


def compatibility(architectures: tuple[str, ...]) -> dict[str, Any]:
    """Whether and since which recorded version vLLM serves a checkpoint of these architectures."""
    known = vllm_architectures()
    supported = served_by_vllm(architectures)
    reasons = {
        None: "the hub names no architecture, so whether vLLM serves it is not known",
        True: "vLLM has a model class of its own for it",
        False: "no recorded version of vLLM has a model class for it; its Transformers backend may serve it",
    }
    return {
        "engine": "vllm",
        "supported": supported,
        "architectures": [{"name": name, "versions": known.get(name, [])} for name in architectures],
        "newest_known": table_versions()[-1],
        "reason": reasons[supported],
    }


def table_versions() -> list[str]:
    """Versions of vLLM that the tables know, oldest first."""
    from modelscan_catalog.fit.tables import table

    return list(table("engines/vllm.json")["versions"])


def facts(description: Description) -> dict[str, Any]:
    """The repository's facts, without the texts of its configuration files."""
    row = description.repo.model_dump(mode="json")
    for name in ("config_json", "quant_config_json", "config_sha256", "requested_as"):
        row.pop(name)
    return row | {"runs_code": description.runs_code}


def model_info(
    settings: Settings, registry: Registry, repo: str, gpu_profile: str = "", *, fresh_s: float | None = None
) -> dict[str, Any]:
    """Everything about ``repo``: facts, compatibility, draft; of the catalogue when the hub does not answer.

    Raises ``UnknownIdError`` with the nearest known repositories, ``FetchError`` for a hub that fails on a
    repository that the catalogue does not know, ``FitInputError`` where it does not start on ``gpu_profile``.
    """
    from modelscan_catalog.hub.draft import draft_entry

    try:
        found = describe(settings, repo, fresh_s=fresh_s)
    except UnknownIdError as error:
        from difflib import get_close_matches

        known = [row["repo"] for row in registry.files.rows("variants.jsonl")]
        near = get_close_matches(repo, known, n=5, cutoff=0.6)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise UnknownIdError(f"{error}{hint}", near) from error
    except FetchError as error:
        variant = next((row for row in registry.files.rows("variants.jsonl") if row["repo"] == repo), None)
        if variant is None:
            raise
        return _of_catalogue(registry, variant, gpu_profile, str(error))
    draft = draft_entry(registry, found, gpu_profile or None)
    return {
        "id": found.repo.id,
        "origin": found.origin,
        "problem": found.problem,
        "repo": facts(found),
        "compatibility": compatibility(found.repo.architectures),
        "draft": draft,
    }


def _of_catalogue(
    registry: Registry, variant: Mapping[str, Any], gpu_profile: str, problem: str
) -> dict[str, Any]:
    from modelscan_catalog.hub.draft import catalogue_draft

    return {
        "id": variant["repo"],
        "origin": "catalogue",
        "problem": f"{problem}; this is what the catalogue knows",
        "repo": dict(variant),
        "compatibility": compatibility(tuple(variant.get("architectures") or ())),
        "draft": catalogue_draft(registry, variant["id"], gpu_profile or None),
    }
