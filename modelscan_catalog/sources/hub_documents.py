"""Shapes of HuggingFace Hub answers: what parsing keeps of each; prose is never carried on."""

from typing import Any

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.sources.config_facts import config_facts
from modelscan_catalog.sources.reading import load_json

CONFIG = "config.json"
QUANT_CONFIG = "hf_quant_config.json"
INDEX = "model.safetensors.index.json"

EXPANDED = (
    "cardData",
    "config",
    "createdAt",
    "downloads",
    "gated",
    "lastModified",
    "library_name",
    "likes",
    "pipeline_tag",
    "safetensors",
    "sha",
    "siblings",
    "tags",
)
"""What is asked for of each repository; lists and details take the same words."""

_ITEM_KEYS = frozenset({"id", *EXPANDED} - {"cardData", "config", "siblings", "tags"})
_CARD_KEYS = frozenset({"license", "base_model", "base_model_relation"})
_CONFIG_KEYS = frozenset({"model_type", "architectures"})
_TAGS = ("base_model:", "license:")
_WEIGHTS = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".onnx", ".nemo")


def parse(name: str, body: bytes) -> Any:
    """The kept part of the document ``name``, in the shape the Hub gave it.

    Raises ``DocumentError`` for what the Hub does not serve under that name.
    """
    kind = name.partition("/")[0]
    value = load_json(body, name)
    if kind in ("author", "popular"):
        if not isinstance(value, list):
            raise DocumentError(f"{name}: expected a list of repositories")
        return [_item(entry) for entry in value]
    if not isinstance(value, dict):
        raise DocumentError(f"{name}: expected an object")
    if kind == "repo":
        return _item(value)
    if kind == "files":
        return {"siblings": [_sized(entry) for entry in _dicts(value.get("siblings")) if _is_weight(entry)]}
    if kind in (CONFIG, QUANT_CONFIG):
        return config_facts(value)
    if kind == INDEX:
        metadata = value.get("metadata")
        entries = metadata.items() if isinstance(metadata, dict) else ()
        return {"metadata": {k: v for k, v in entries if k in ("total_size", "total_parameters")}}
    return value


def _item(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    kept = {key: value for key, value in entry.items() if key in _ITEM_KEYS}
    for key, names in (("cardData", _CARD_KEYS), ("config", _CONFIG_KEYS)):
        if isinstance(entry.get(key), dict):
            kept[key] = {k: v for k, v in entry[key].items() if k in names}
        elif entry.get(key) is not None:
            kept[key] = entry[key]
    tags = entry.get("tags")
    if isinstance(tags, list):
        kept["tags"] = [tag for tag in tags if isinstance(tag, str) and tag.startswith(_TAGS)]
    elif tags is not None:
        kept["tags"] = tags
    if "siblings" in entry:
        kept["siblings"] = [
            {"rfilename": sibling["rfilename"]}
            for sibling in _dicts(entry["siblings"])
            if _is_weight(sibling) or sibling.get("rfilename") in (CONFIG, QUANT_CONFIG, INDEX)
        ]
    return kept


def _sized(entry: dict[str, Any]) -> dict[str, Any]:
    lfs = entry.get("lfs")
    digest = lfs.get("sha256") if isinstance(lfs, dict) else None
    return {
        "rfilename": entry["rfilename"],
        **({"size": entry["size"]} if "size" in entry else {}),
        **({"lfs": {"sha256": digest}} if digest is not None else {}),
    }


def _is_weight(entry: dict[str, Any]) -> bool:
    path = entry.get("rfilename")
    return isinstance(path, str) and path.endswith(_WEIGHTS) and len(path) < 400


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def file_names(item: dict[str, Any]) -> frozenset[str] | None:
    """Names of the kept files of a parsed item; None when the Hub did not list files."""
    if "siblings" not in item:
        return None
    return frozenset(str(entry.get("rfilename")) for entry in _dicts(item["siblings"]))
