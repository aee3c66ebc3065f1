"""What the endpoints answer with: the same documents for the server and for its static twin."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.registry.deprecations import deprecated_models
from modelscan_catalog.registry.files import VIEW, RegistryFiles, Row
from modelscan_catalog.registry.search import Hit, SearchIndex

REFINER_USD_PER_MTOK = 0.3
"""A refinement model is sold at most at this: three parts input, one part output."""

_FEW = 15
"""Names that an error lists in full."""

CAPABILITIES: Mapping[str, str] = {
    "reasoning": "reasoning",
    "tools": "tools",
    "tool_use": "tools",
    "function_calling": "tools",
    "structured-output": "structured-output",
    "structured_outputs": "structured-output",
    "vision": "vision",
    "multimodal": "vision",
    "long-context": "long-context",
    "long_context": "long-context",
    "audio-input": "audio-input",
    "open-weights": "open-weights",
}
"""A capability's spellings -> the tag that states it. What no source states (streaming) is none."""


def envelope(data: Any, total: int | None = None, **more: Any) -> dict[str, Any]:
    """The one shape of a good answer."""
    counted = {} if total is None else {"total": total}
    return {"success": True, "data": data, **counted, **more}


class ApiCatalogue:
    """The documents of one registry; nothing here changes once it is made."""

    def __init__(self, files: RegistryFiles) -> None:
        self._files = files
        self.index = SearchIndex.of(files)
        self.view: Mapping[str, Row] = files.document(VIEW)["models"]
        self.categories: Mapping[str, Row] = files.document(VIEW)["categories"]
        self.models: Mapping[str, Row] = {row["id"]: row for row in files.rows("models.jsonl")}
        self.providers: list[Row] = files.rows("providers.jsonl")
        self._variants: dict[str, list[Row]] = {}
        for row in files.rows("variants.jsonl"):
            self._variants.setdefault(row["model"], []).append(row)
        self.rows: list[Row] = [self._row(hit) for hit in self.index.everything()]
        """A row a model, the most used and newest first."""
        self.by_id: Mapping[str, Row] = {row["id"]: row for row in self.rows}

    @cached_property
    def sold_by(self) -> Mapping[str, frozenset[str]]:
        """Models that each provider sells."""
        sold: dict[str, set[str]] = {provider["id"]: set() for provider in self.providers}
        for offer in self._files.offers():
            if offer.get("model"):
                sold.setdefault(offer["provider"], set()).add(offer["model"])
        return {provider: frozenset(models) for provider, models in sold.items()}

    @cached_property
    def offers(self) -> Mapping[str, list[Row]]:
        """Offers by model id."""
        found: dict[str, list[Row]] = {}
        for offer in self._files.offers():
            if offer.get("model"):
                found.setdefault(offer["model"], []).append(offer)
        return found

    def _row(self, hit: Hit) -> Row:
        model = self.models[hit.model]
        row = dataclasses.asdict(hit)
        del row["model"], row["score"]
        return {
            "id": hit.model,
            **row,
            "tags": list(hit.tags),
            "lab": model["lab"],
            "release_date": model.get("release_date"),
            "offers": model.get("offers", 0),
        }

    def found(self, text: str, limit: int) -> list[Row]:
        """Rows of the models that ``text`` finds, best first."""
        return [self.by_id[hit.model] for hit in self.index.search(text, limit)]

    def detail(self, model: str) -> Row:
        """A model's facts and its weights."""
        return {"model": self.models[model], "variants": self._variants.get(model, [])}

    def stable(self) -> list[Row]:
        """Models that no source calls deprecated, experimental or beta."""
        return [row for row in self.rows if row["status"] in (None, "stable")]

    def refiners(self) -> list[Row]:
        """Language models that are sold cheaply, the cheapest first."""
        cheap = [
            row
            for row in self.stable()
            if row["category"] in ("llm", "vlm")
            and row["usd_per_mtok"] is not None
            and 0 < row["usd_per_mtok"] <= REFINER_USD_PER_MTOK
        ]
        return sorted(cheap, key=lambda row: (row["usd_per_mtok"], row["id"]))

    def capable(self, capability: str) -> list[Row]:
        """Models with a capability; raises ``UnknownIdError`` naming those that are stated."""
        tag = CAPABILITIES.get(capability)
        if capability == "text_generation":
            return [row for row in self.rows if row["category"] in ("llm", "vlm")]
        if tag is None:
            known = ["text_generation", *CAPABILITIES]
            raise UnknownIdError(
                f"capability: {capability[:60]!r} is stated by no source; there are {', '.join(known)}",
                known,
                "capability",
            )
        return [row for row in self.rows if tag in row["tags"]]

    def provided(self, provider: str) -> list[Row]:
        """Models that a provider sells; raises ``UnknownIdError`` with candidates."""
        if provider not in self.sold_by:
            raise unknown("provider", provider, self.sold_by)
        return [row for row in self.rows if row["id"] in self.sold_by[provider]]

    def registry_rows(self, keep: Callable[[Row], bool] = lambda _: True) -> list[Row]:
        """Checkpoints as ``/api/v1/registry/models`` lists them."""
        return [_view_row(row) for _, row in sorted(self.view.items()) if keep(row)]

    def deprecations(self) -> list[Row]:
        """Models that are deprecated or gone."""
        return deprecated_models(self._files)


def _view_row(row: Row) -> Row:
    listed = ("id", "name", "category", "parameters", "description", "tags", "status")
    needs = row["requirements"]
    return {
        **{name: row[name] for name in listed},
        "is_vision": row["category"] == "vision-vlm" or row["capabilities"]["vision"] is True,
        "is_quantized": "quantized" in row["tags"] or row["quantization"]["method"] is not None,
        "min_vram_gb": needs["min_vram_gb"],
        "recommended_vram_gb": needs["recommended_vram_gb"],
    }


def unknown(kind: str, value: str, known: Iterable[str]) -> UnknownIdError:
    """The error for an unknown ``value``: with what is spelled like it, or with all where they are few."""
    from difflib import get_close_matches

    there = sorted(known)
    near = get_close_matches(value, there, n=5, cutoff=0.5)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    if not near and len(there) <= _FEW:
        near, hint = there, f"; there are {', '.join(there)}"
    return UnknownIdError(f"{kind}: {value[:60]!r} is unknown{hint}", near, kind)


def twin_path(model: str) -> str:
    """The file of a model below ``api/``: its id, with ``_`` for what some file systems refuse."""
    lab, _, name = model.partition("/")
    return f"models/{_safe(lab)}/{_safe(name)}.json"


def _safe(text: str) -> str:
    kept = "".join(character if character.isalnum() or character in "._-" else "_" for character in text)
    return kept.lstrip(".") or "_"
