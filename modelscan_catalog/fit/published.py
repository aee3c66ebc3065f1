"""A model's checkpoints as fit inputs, found in a published registry in milliseconds: few lines are parsed.

A line is parsed only where a plain text search finds the wanted id in it. Nothing here imports pydantic,
Arrow or DuckDB, because a single answer of the command line waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import FitInputError, PublishError
from modelscan_catalog.fit.checkpoints import (
    CheckpointFacts,
    StoredConfig,
    fit_variant,
    well_known_config,
)
from modelscan_catalog.fit.matrix_terms import FitVariant

Row = Mapping[str, Any]


@dataclass(frozen=True)
class PublishedModel:
    """A model of the registry with all its checkpoints; `named` is the one that the id asked for, if any."""

    id: str
    row: Row
    variants: tuple[FitVariant, ...]
    rows: Mapping[str, Row]
    """Published record of each variant, by its id."""
    unread: Mapping[str, str]
    """Why a variant has no architecture, by its id."""
    named: str | None
    explanation: str
    """How the id led to this model; empty where it is the model's own or a checkpoint's."""


@dataclass
class PublishedRegistry:
    """The files below `root`, read at most once each.

    Every method raises PublishError naming the file when it is missing or a wanted line is not JSON.
    """

    root: Path
    _files: dict[str, bytes] = field(default_factory=dict, repr=False)
    _lowered: dict[str, bytes] = field(default_factory=dict, repr=False)

    def find(self, query: str) -> PublishedModel:
        """The model that `query` means: a model id, a repository, an alias or a seller's id.

        Raises UnknownIdError or AmbiguousIdError with candidates, FitInputError (field `model`) for a model
        without a published checkpoint.
        """
        text = query.strip()
        model, explanation = self._resolve(text)
        found = next(self.rows("models.jsonl", "id", model), None)
        rows = {row["id"]: row for row in self.rows("variants.jsonl", "model", model)}
        if found is None or not rows:
            why = (
                "has closed weights" if found and not found.get("open_weights") else "has no checkpoint here"
            )
            raise FitInputError(
                f"model: {model} {why}, so nothing of it can be placed on a GPU", field="model"
            )
        inputs = {name: self.fit_input(row) for name, row in rows.items()}
        spelled = (name for name, row in rows.items() if text.lower() in _names(row))
        named = None if text == model else next(spelled, None)
        return PublishedModel(
            id=model,
            row=found,
            variants=tuple(variant for variant, _ in inputs.values()),
            rows=rows,
            unread={name: reason for name, (_, reason) in inputs.items() if reason},
            named=named,
            explanation="" if named or text == model else explanation,
        )

    def variant(self, repo: str) -> Row | None:
        """The published checkpoint of exactly this id or repository (case aside), or None."""
        wanted = repo.strip().lower()
        for row in self._containing("variants.jsonl", _quoted(wanted), lower=True):
            if wanted in _names(row):
                return row
        return None

    def config(self, variant: str) -> Row | None:
        """The configuration row of a variant (`config`, `quant_config`, `borrowed_from`), or None."""
        return next(self.rows("configs.jsonl", "variant", variant), None)

    def offers(self, model: str) -> list[Row]:
        """Every seller's offer of a model."""
        try:
            paths = sorted(path.name for path in (self.root / "offers").glob("*.jsonl"))
        except OSError as error:
            raise self._unreadable("offers", error) from error
        return [row for name in paths for row in self.rows(f"offers/{name}", "model", model)]

    def rows(self, name: str, key: str, value: str) -> Iterator[Row]:
        """Rows of a JSON Lines file whose field `key` is `value`, in the file's order."""
        for row in self._containing(name, _quoted(value)):
            if row.get(key) == value:
                yield row

    def table(self, name: str) -> list[Row]:
        """Every row of a JSON Lines file."""
        return list(self._containing(name, b"{"))

    def fit_input(self, row: Row) -> tuple[FitVariant, str]:
        """A published variant as a fit input, and why its architecture is not known (empty when it is).

        Where the registry has no configuration of it, that of a well-known model of its name stands in.
        """
        missing = [key for key in ("id", "model", "repo") if key not in row]
        if missing:
            raise PublishError(
                f"{self.root / 'variants.jsonl'}: a variant lacks {missing[0]}; run `modelscan build`"
            )
        quantization = row.get("quantization") or {}
        facts = CheckpointFacts(
            id=row["id"],
            model=row["model"],
            repo=row["repo"],
            scheme=quantization.get("scheme"),
            method=quantization.get("method"),
            weights_bytes=row.get("weights_bytes"),
            parameters=row.get("parameters"),
            context=row.get("context"),
        )
        stored = self.config(row["id"])
        if stored is None:
            return fit_variant(facts, well_known_config(row["repo"]))
        config = StoredConfig(stored["config"], stored.get("quant_config"), stored.get("borrowed_from"))
        return fit_variant(facts, config)

    def _resolve(self, text: str) -> tuple[str, str]:
        """Model id and explanation: the exact spellings first, all other rules by `merge.resolve`."""
        if next(self.rows("models.jsonl", "id", text), None) is not None:
            return text, ""
        links = list(self.rows("crosswalk.jsonl", "id", text))
        if len({link["model"] for link in links}) == 1:
            link = links[0]
            return link["model"], f"{text} is the {link['kind']} id of {link['model']}"
        from modelscan_catalog.merge.resolve import read_index, resolve  # pays for pydantic

        found = resolve(read_index(self.root), text)
        return found.model, found.explanation

    def _containing(self, name: str, needle: bytes, *, lower: bool = False) -> Iterator[Row]:
        data = self._bytes(name)
        if lower and name not in self._lowered:
            self._lowered[name] = data.lower()  # ASCII letters only, so positions stay
        searched = self._lowered[name] if lower else data
        position = searched.find(needle)
        while position >= 0:
            start = data.rfind(b"\n", 0, position) + 1
            end = data.find(b"\n", position)
            end = len(data) if end < 0 else end
            try:
                row = json.loads(data[start:end])
                if not isinstance(row, dict):
                    raise ValueError("it is no JSON object")
            except ValueError as error:
                number = data.count(b"\n", 0, start) + 1
                raise PublishError(
                    f"{self.root / name}:{number}: damaged ({error}); publish anew with `modelscan build`"
                ) from error
            yield row
            position = searched.find(needle, end)

    def _bytes(self, name: str) -> bytes:
        if name not in self._files:
            try:
                self._files[name] = (self.root / name).read_bytes()
            except OSError as error:
                raise self._unreadable(name, error) from error
        return self._files[name]

    def _unreadable(self, name: str, error: OSError) -> PublishError:
        why = error.strerror or error
        return PublishError(
            f"{self.root / name}: cannot be read ({why}); run `modelscan build` or name a published registry "
            "with --registry"
        )


def _quoted(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()


def _names(row: Row) -> set[str]:
    """Lower-case ids of a variant."""
    return {str(row[key]).lower() for key in ("id", "repo", "modelscope_repo") if row.get(key)}


__all__ = ["PublishedModel", "PublishedRegistry"]
