"""What ``/v1/models`` of a seller, Ollama's tags and the hub's lists say, as facts; tolerant of all else."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from modelscan_catalog.errors import DocumentError

MAX_ID_CHARACTERS = 200
_CONTEXT_NAMES = ("context_length", "context_window", "max_model_len", "max_context_length")
"""As OpenRouter, Groq, vLLM and Mistral spell it in their lists."""


def provider_models(document: Any) -> dict[str, dict[str, Any]]:
    """Facts by model id from a list in OpenAI's or Anthropic's shape.

    Raises ``DocumentError`` when it is no such list; single entries without an id are passed over.
    """
    rows = document.get("data", document.get("models")) if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise DocumentError("expected a list of models under `data`")
    found = {}
    for row in rows:
        identifier = row.get("id", row.get("name")) if isinstance(row, dict) else row
        if not _is_id(identifier):
            continue
        found[str(identifier)] = dict(_offer_facts(row)) if isinstance(row, dict) else {}
    return found


def ollama_models(document: Any) -> dict[str, dict[str, Any]]:
    """Facts by tag from ``/api/tags``; raises ``DocumentError`` when it is no such list."""
    rows = document.get("models") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise DocumentError("expected a list under `models`")
    found = {}
    for row in rows:
        if not isinstance(row, dict) or not _is_id(row.get("name")):
            continue
        raw_details = row.get("details")
        details = raw_details if isinstance(raw_details, dict) else {}
        facts = {
            "bytes": row.get("size") if isinstance(row.get("size"), int) else None,
            "digest": _text(row.get("digest")),
            "format": _text(details.get("format")),
            "family": _text(details.get("family")),
            "parameters": _text(details.get("parameter_size")),
            "quantization": _text(details.get("quantization_level")),
        }
        found[row["name"]] = {name: value for name, value in facts.items() if value is not None}
    return found


def hub_repositories(document: Any) -> dict[str, dict[str, Any]]:
    """Facts by repository from the hub's ``/api/models``; raises ``DocumentError`` when it is no list."""
    if not isinstance(document, list):
        raise DocumentError("expected a list of repositories")
    found = {}
    for row in document:
        if not isinstance(row, dict) or not _is_id(row.get("id")) or str(row["id"]).count("/") != 1:
            continue
        raw_config, raw_safetensors = row.get("config"), row.get("safetensors")
        config = raw_config if isinstance(raw_config, dict) else {}
        safetensors = raw_safetensors if isinstance(raw_safetensors, dict) else {}
        tags = [tag for tag in row.get("tags") or [] if isinstance(tag, str)]
        architectures = config.get("architectures")
        named = architectures if isinstance(architectures, list) else []
        facts = {
            "created": _text(row.get("createdAt")),
            "task": _text(row.get("pipeline_tag")),
            "downloads": row.get("downloads") if isinstance(row.get("downloads"), int) else None,
            "gated": row.get("gated") not in (None, False) if "gated" in row else None,
            "architecture": _text(named[0]) if named else None,
            "model_type": _text(config.get("model_type")),
            "parameters": safetensors.get("total") if isinstance(safetensors.get("total"), int) else None,
            "license": next((tag[8:] for tag in tags if tag.startswith("license:")), None),
            "base_model": next(
                (tag[11:] for tag in tags if tag.startswith("base_model:") and tag.count(":") == 1), None
            ),
        }
        found[str(row["id"])] = {name: value for name, value in facts.items() if value is not None}
    return found


def _offer_facts(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    created = row.get("created")
    if isinstance(created, int) and not isinstance(created, bool) and 0 < created < 10**11:
        yield "created", datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    elif _text(row.get("created_at")):
        yield "created", _text(row["created_at"])
    for name in ("owned_by", "display_name"):
        if _text(row.get(name)):
            yield name, _text(row[name])
    for name in _CONTEXT_NAMES:
        value = row.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            yield "context", value
            break


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARACTERS and value.isprintable()


def _text(value: object) -> str | None:
    """A short word or number as a fact; longer texts are prose and are not kept."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_ID_CHARACTERS:
        return None
    return value.strip() if value.isprintable() else None
