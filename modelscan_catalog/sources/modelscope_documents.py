"""Shapes of ModelScope answers: what parsing keeps of each, and failures that come inside HTTP 200."""

from typing import Any

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.sources.config_facts import config_facts
from modelscan_catalog.sources.reading import load_json, only

SELECTION = "selection"
CONFIG = "config.json"
_ABSENT_CODES = frozenset({404, 10010205001, 10010205002, 10010205003})
_ITEM_KEYS = frozenset(
    {
        "id",
        "license",
        "tasks",
        "downloads",
        "likes",
        "created_at",
        "last_modified",
        "gated",
    }
)
_DETAIL_KEYS = frozenset(
    {
        "Path",
        "Name",
        "License",
        "ModelType",
        "Architectures",
        "Tasks",
        "Downloads",
        "Likes",
        "Stars",
        "CreatedTime",
        "LastUpdatedTime",
        "BaseModel",
        "ModelInfos",
    }
)
_WEIGHTS = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".onnx")


def check_answer(body: bytes, name: str) -> int:
    """200, or 404 for a failure inside HTTP 200 that says there is no such thing."""
    value = load_json(body, name)
    if name.startswith(CONFIG) and isinstance(value, dict) and "Success" not in value:
        return 200
    if isinstance(value, dict) and value.get("Success", value.get("success")) is False:
        message = str(value.get("Message", value.get("message", "")))
        code = value.get("Code", value.get("code"))
        if code in _ABSENT_CODES or code == "ResourceNotFound" or "not exist" in message.lower():
            return 404
        raise DocumentError(f"{name}: ModelScope reports a failure inside its answer: {code} {message[:120]}")
    parse(name, body)
    return 200


def parse(name: str, body: bytes) -> Any:
    """The kept part of document ``name`` in ModelScope's own shape.

    Raises ``DocumentError`` for another shape, failures inside HTTP 200 included.
    """
    kind = name.partition("/")[0]
    value = load_json(body, name)
    if not isinstance(value, dict):
        raise DocumentError(f"{name}: expected an object")
    if kind == SELECTION:
        return value
    if kind == CONFIG:
        return config_facts(value)
    data = value.get("data") if kind == "list" else value.get("Data")
    if not isinstance(data, dict):
        raise DocumentError(f"{name}: no data in the answer")
    if kind == "list":
        if not isinstance(data.get("models"), list):
            raise DocumentError(f"{name}: expected a list under data.models")
        models = [only(entry, _ITEM_KEYS) for entry in data["models"]]
        return {"data": {"models": models, "total_count": data.get("total_count")}}
    if kind == "files":
        if not isinstance(data.get("Files"), list):
            raise DocumentError(f"{name}: expected a list under Data.Files")
        entries = [entry for entry in data["Files"] if isinstance(entry, dict)]
        return {
            "Data": {
                "Files": [_file(entry) for entry in entries if _is_read(entry)],
                "Listed": data.get("Listed", len(entries)),
            }
        }
    return {"Data": _detail(data)}


def _is_read(entry: dict[str, Any]) -> bool:
    path = entry.get("Path")
    return isinstance(path, str) and (path == CONFIG or path.endswith(_WEIGHTS))


def _file(entry: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in entry.items() if k in ("Path", "Size", "Sha256", "Revision", "CommittedDate")}


def _detail(data: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in data.items() if key in _DETAIL_KEYS}
    if isinstance(kept.get("Tasks"), list):
        kept["Tasks"] = [only(task, frozenset({"Name"})) for task in kept["Tasks"]]
    infos = kept.get("ModelInfos")
    if isinstance(infos, dict):
        safetensor = infos.get("safetensor")
        kept["ModelInfos"] = (
            {"safetensor": only(safetensor, frozenset({"model_size", "tensor_type"}))} if safetensor else {}
        )
    return kept
