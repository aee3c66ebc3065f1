"""Repositories of the hub that vLLM can serve, by words; the catalogue's own when the hub does not answer."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from modelscan_catalog.errors import FetchError, FitInputError
from modelscan_catalog.fit.tables import table
from modelscan_catalog.hub.documents import ask
from modelscan_catalog.registry.registry import Registry
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources import hub_documents
from modelscan_catalog.sources.session import LiveSession

Origin = Literal["live", "cached", "catalogue"]
"""The hub itself, or asked within the time that answers are kept; its last answer, the hub failing; the
catalogue's own repositories, the hub failing."""
SORTS = ("downloads", "likes", "lastModified", "createdAt")
MOST_RESULTS = 100
_PAGE = 200
"""Repositories that one question looks through: those that vLLM cannot serve are left out of them."""
_EXPANDED = ("config", "createdAt", "downloads", "gated", "lastModified", "library_name", "likes",
             "pipeline_tag", "safetensors", "tags")  # fmt: skip


@dataclass(frozen=True)
class Question:
    """What is looked for; empty means any."""

    words: str = ""
    author: str = ""
    task: str = ""
    sort: str = "downloads"
    limit: int = 20
    every_architecture: bool = False
    """Also repositories that vLLM has no architecture for."""


@dataclass(frozen=True)
class Found:
    """The rows, where they are from, and why they are not the hub's own of now."""

    rows: list[dict[str, Any]]
    origin: Origin
    problem: str | None = None


def vllm_architectures() -> Mapping[str, list[str]]:
    """Architectures that vLLM serves, each with the recorded versions that have it."""
    known = table("engines/vllm.json")
    return {name: list(versions or known["versions"]) for name, versions in known["architectures"].items()}


def served_by_vllm(architectures: Sequence[str]) -> bool | None:
    """Whether vLLM has one of ``architectures``; None where none is known."""
    known = vllm_architectures()
    return any(name in known for name in architectures) if architectures else None


def search(settings: Settings, registry: Registry, question: Question) -> Found:
    """Repositories for ``question``, those that vLLM serves, best first by ``sort``.

    Raises ``FitInputError`` naming a field that cannot be used.
    """
    if question.sort not in SORTS:
        raise FitInputError(f"sort: {question.sort[:40]!r} is none of {', '.join(SORTS)}", "sort")
    if not 1 <= question.limit <= MOST_RESULTS:
        raise FitInputError(f"limit: {question.limit} is not from 1 to {MOST_RESULTS}", "limit")
    asked = {"search": question.words, "author": question.author, "pipeline_tag": question.task}
    words = {name: value for name, value in asked.items() if value}
    query = urlencode({**words, "sort": question.sort, "direction": "-1", "limit": str(_PAGE)})
    path = f"/api/models?{query}&" + "&".join(f"expand[]={key}" for key in _EXPANDED)
    name = f"search/{hashlib.sha256(path.encode()).hexdigest()[:32]}"

    async def asking(session: LiveSession) -> None:
        await session.get(name, path, fresh_s=settings.huggingface_cache_ttl_s, check=_is_list)

    try:
        answered = ask(settings, asking)
    except FetchError as error:
        rows = _known(registry, question)
        return Found(rows, "catalogue", f"{error}; these are repositories that the catalogue knows")
    items = hub_documents.parse("popular/", answered.documents[name].body)
    rows = [
        _row(item, registry) for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)
    ]
    kept = [row for row in rows if question.every_architecture or row["vllm"]]
    origin: Origin = "live" if answered.documents[name].origin == "live" else "cached"
    return Found(kept[: question.limit], origin, answered.problem)


def _is_list(body: bytes, name: str) -> int:
    hub_documents.parse(f"popular/{name}", body)
    return 200


def _row(item: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    config = item.get("config") if isinstance(item.get("config"), dict) else {}
    named = (config or {}).get("architectures")
    architectures = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    safetensors = item.get("safetensors")
    tags = item.get("tags") if isinstance(item.get("tags"), list) else []
    return {
        "id": item["id"],
        "architectures": architectures,
        "vllm": served_by_vllm(architectures),
        "task": _text(item.get("pipeline_tag")),
        "parameters": _count(safetensors.get("total")) if isinstance(safetensors, dict) else None,
        "downloads": _count(item.get("downloads")),
        "likes": _count(item.get("likes")),
        "gated": bool(item["gated"]) if "gated" in item else None,
        "license": next((tag.partition(":")[2] for tag in tags or () if tag.startswith("license:")), None),
        "last_modified": _text(item.get("lastModified")),
        "in_catalogue": registry.has(item["id"]),
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _known(registry: Registry, question: Question) -> list[dict[str, Any]]:
    """Rows of the catalogue's checkpoints on this hub that hold every word."""
    words = question.words.lower().replace("/", " ").split()
    rows = []
    for variant in registry.files.rows("variants.jsonl"):
        repo = variant["repo"]
        if variant["hub"] != "huggingface" or not all(word in repo.lower() for word in words):
            continue
        if question.author and repo.partition("/")[0].lower() != question.author.lower():
            continue
        architectures = list(variant.get("architectures") or ())
        served = served_by_vllm(architectures)
        if served or question.every_architecture:
            rows.append(
                {
                    "id": repo,
                    "architectures": architectures,
                    "vllm": served,
                    "task": None,
                    "parameters": variant.get("parameters"),
                    "downloads": variant.get("downloads"),
                    "likes": None,
                    "gated": variant.get("gated"),
                    "license": variant.get("license"),
                    "last_modified": None,
                    "in_catalogue": True,
                }
            )
    return sorted(rows, key=lambda row: (-(row["downloads"] or 0), row["id"]))[: question.limit]
