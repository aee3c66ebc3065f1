"""One HuggingFace repository as a staged row, from the parsed documents about it."""

import json
from collections.abc import Mapping
from typing import Any

from modelscan_catalog.sources.adapter import Document
from modelscan_catalog.sources.hub_documents import CONFIG, INDEX, QUANT_CONFIG
from modelscan_catalog.sources.reading import Row, RowLog
from modelscan_catalog.sources.repository_selection import is_repo_id
from modelscan_catalog.sources.staged import HuggingFaceRepo, RepoFile


def repository_row(
    item: dict[str, Any],
    spellings: set[str],
    parsed: Mapping[str, Any],
    documents: Mapping[str, Document],
    log: RowLog,
) -> HuggingFaceRepo:
    """The row of a list item or detail; ``spellings`` are the ids that led to it.

    Configurations and files count only where they are of the item's own revision.
    """
    repo = item["id"]
    row = Row(log, "repos", repo, item)
    sha = row.text("sha", required=True)
    config, card, safetensors = row.mapping("config"), row.mapping("cardData"), row.mapping("safetensors")
    tags = row.texts("tags")
    at = f"{repo}@{sha}"
    facts, quant, index = (parsed.get(f"{kind}/{at}") for kind in (CONFIG, QUANT_CONFIG, INDEX))
    metadata = Row(log, "repos", repo, index or {}, f"{INDEX}.").mapping("metadata")
    relation, bases = _bases(tags, card)
    built = HuggingFaceRepo(
        id=repo,
        requested_as=tuple(sorted(spellings - {repo})),
        sha=sha,
        pipeline_tag=row.text("pipeline_tag"),
        library_name=row.text("library_name"),
        model_type=config.text("model_type") if config else None,
        architectures=config.texts("architectures") if config else (),
        licenses=_licenses(card, tags),
        gated=_gated(row),
        downloads=row.count("downloads"),
        likes=row.count("likes"),
        created_at=row.instant("createdAt"),
        last_modified=row.instant("lastModified"),
        base_models=bases,
        base_model_relation=relation,
        safetensors_total=safetensors.positive("total") if safetensors else None,
        safetensors_dtypes=_dtypes(safetensors),
        index_total_size=metadata.positive("total_size") if metadata else None,
        files=_weight_files(row, parsed.get(f"files/{at}")),
        config_json=_compact(facts),
        config_sha256=documents[f"{CONFIG}/{at}"].sha256 if facts is not None else None,
        quant_config_json=_compact(quant),
    )
    row.count_unknown(("id",))
    return built


def _compact(facts: Any) -> str | None:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if facts else None


def _gated(row: Row) -> bool | None:
    """False, or "auto" and "manual" for repositories whose files need a request first."""
    value = row.values.get("gated")
    if value in ("auto", "manual"):
        row.read.add("gated")
        return True
    return row.flag("gated")


def _licenses(card: Row | None, tags: tuple[str, ...]) -> tuple[str, ...]:
    """The card's licences, else those of the tags."""
    stated = card.texts("license") if card else ()
    return stated or tuple(tag.partition(":")[2] for tag in tags if tag.startswith("license:"))


def _bases(tags: tuple[str, ...], card: Row | None) -> tuple[str | None, tuple[str, ...]]:
    """How the repository relates to which base repositories; the tags ``base_model:RELATION:ID`` say both."""
    relation = card.text("base_model_relation") if card else None
    bases = list(card.texts("base_model")) if card else []
    for tag in tags:
        _, _, rest = tag.partition("base_model:")
        word, colon, repo = rest.partition(":")
        if rest and colon and is_repo_id(repo):
            relation = relation or word
            bases.append(repo)
        elif rest and is_repo_id(rest):
            bases.append(rest)
    return relation, tuple(dict.fromkeys(base for base in bases if is_repo_id(base)))


def _dtypes(safetensors: Row | None) -> dict[str, int]:
    counts = safetensors.mapping("parameters") if safetensors else None
    if counts is None:
        return {}
    found = ((dtype, counts.positive(dtype)) for dtype in sorted(counts.values))
    return {dtype: count for dtype, count in found if count}


def _weight_files(row: Row, sized: Any) -> tuple[RepoFile, ...]:
    """Weight files with sizes where they were read; GGUF files also by name alone, each being a variant."""
    files = {}
    for entry in row.rows("siblings"):
        path = entry.text("rfilename")
        if path and path.endswith(".gguf"):
            files[path] = RepoFile(path=path)
    for entry in Row(row.log, row.table, row.record, sized or {}, "files.").rows("siblings"):
        path, size, lfs = entry.text("rfilename"), entry.count("size"), entry.mapping("lfs")
        if path and size is not None:
            files[path] = RepoFile(path=path, bytes=size, sha256=lfs.text("sha256") if lfs else None)
    return tuple(files[path] for path in sorted(files))
