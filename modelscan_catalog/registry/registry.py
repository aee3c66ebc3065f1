"""The registry of checkpoints, by id, category, tag and status; any alias leads to its checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelscan_catalog.errors import PublishError, UnknownIdError
from modelscan_catalog.registry.checkpoint import RegistryModel
from modelscan_catalog.registry.files import VIEW, RegistryFiles, published_dir
from modelscan_catalog.registry.overrides import override_entry, read_overlays, validated

if TYPE_CHECKING:
    from modelscan_catalog.merge.resolve import CrosswalkIndex, Resolution
    from modelscan_catalog.registry.search import Hit, SearchIndex

Row = dict[str, Any]
Models = list[RegistryModel]


class Registry:
    """A published registry; ``overlays`` is a file or directory of a user's own statements.

    Raises ``RegistryNotFoundError`` (a ``FileNotFoundError``) where nothing is published, ``PublishError``
    naming a damaged file, ``OverrideError`` naming an override that does not fit.
    """

    def __init__(self, published: Path | None = None, overlays: Path | None = None) -> None:
        self.published = published or published_dir()
        self.files = RegistryFiles(self.published)
        view = self.files.document(VIEW)
        try:
            self.version: str = view["version"]
            self.last_updated: str | None = view["last_updated"]
            self.categories: Mapping[str, Row] = view["categories"]
            self._rows: dict[str, Row] = dict(view["models"])
            self._spelled = {name.lower(): name for name in self._rows}
        except (KeyError, TypeError, AttributeError) as error:
            raise PublishError(
                f"{self.published / VIEW}: damaged ({error!r}); publish anew with `modelscan build`"
            ) from error
        self._index: CrosswalkIndex | None = None
        self._search: SearchIndex | None = None
        if overlays is not None:
            self._overlay(overlays)

    def _overlay(self, overlays: Path) -> None:
        for model, (values, where) in read_overlays(overlays).items():
            row = self._rows.get(model)
            if row is None:
                self._rows[model] = validated({"id": model} | values, where)
                self._spelled[model.lower()] = model
            else:
                self._rows[model] = override_entry(row, values, where).config

    def row(self, checkpoint: str) -> Row:
        """The entry of a checkpoint as plain JSON."""
        return self._rows[checkpoint]

    def has(self, checkpoint: str) -> bool:
        """Whether there is an entry of exactly this checkpoint."""
        return checkpoint in self._rows

    def model_id(self, query: str) -> str:
        """The catalogue's model that any id means; a checkpoint's leads to its model.

        Raises ``UnknownIdError`` or ``AmbiguousIdError`` with candidates.
        """
        text = query.strip()
        return self._exact_link(text) or self.resolve(text).model

    def get_model(self, model_id: str) -> RegistryModel:
        """The checkpoint that an id means: its own, a model's (then the official one), or any alias.

        Raises ``UnknownIdError`` or ``AmbiguousIdError`` with candidates.
        """
        return self._entry(self._checkpoint(model_id.strip()))

    def get(self, model_id: str) -> RegistryModel | None:
        """As ``get_model``, and None for an unknown id."""
        try:
            return self.get_model(model_id)
        except UnknownIdError:
            return None

    def get_all_models(self) -> Models:
        """Every checkpoint, by id."""
        return self._where(lambda _: True)

    def get_models_by_category(self, category: str) -> Models:
        """Checkpoints of a category; ``UnknownIdError`` names the known ones for any other word."""
        if category not in self.categories:
            known = sorted(self.categories)
            raise UnknownIdError(
                f"category: {category[:60]!r} is unknown; there are {', '.join(known)}", known
            )
        return self._where(lambda row: row["category"] == category)

    def get_text_models(self) -> Models:
        """Language models without image input."""
        return self._where(lambda row: row["category"] == "text-llm")

    def get_vision_models(self) -> Models:
        """Vision language models."""
        return self._where(lambda row: row["category"] == "vision-vlm")

    def get_models_by_tag(self, tag: str) -> Models:
        """Checkpoints that bear a tag; none for a tag that nobody bears."""
        return self._where(lambda row: tag in row["tags"])

    def get_recommended_models(self) -> Models:
        """Checkpoints that their model's reference plan serves, and those an override tags recommended."""
        return [model for model in self.get_all_models() if model.is_recommended]

    def get_stable_models(self) -> Models:
        """Checkpoints that no source calls deprecated, experimental or beta."""
        return [model for model in self.get_all_models() if model.is_stable]

    def resolve(self, query: str) -> Resolution:
        """The catalogue's model that any id means, and by which rule; raises as ``merge.resolve`` does."""
        from modelscan_catalog.merge.resolve import resolve

        return resolve(self._crosswalk(), query)

    def hold(self) -> None:
        """Read all that lookups need now, so that no later answer mixes it with another publish."""
        self.files.offers()
        for name in ("models.jsonl", "variants.jsonl", "crosswalk.jsonl", "changes.jsonl", "plans.jsonl"):
            self.files.rows(name)
        self._crosswalk()

    def _crosswalk(self) -> CrosswalkIndex:
        from modelscan_catalog.merge.resolve import read_index

        if self._index is None:
            self._index = read_index(self.published)
        return self._index

    def search(self, query: str, limit: int = 10) -> Sequence[Hit]:
        """Models that a person could mean by ``query``, best first."""
        return self.search_index().search(query, limit)

    def search_index(self) -> SearchIndex:
        """The index over the catalogue's models, made at the first call."""
        from modelscan_catalog.registry.search import SearchIndex

        if self._search is None:
            self._search = SearchIndex.of(self.files)
        return self._search

    def list(self) -> Models:
        """As ``get_all_models``."""
        return self.get_all_models()

    def _checkpoint(self, model_id: str) -> str:
        if model_id.lower() in self._spelled:
            return self._spelled[model_id.lower()]
        model = self.model_id(model_id)
        row = next((row for row in self.files.rows("models.jsonl") if row["id"] == model), {})
        known = [name for name in row.get("variants", ()) if name in self._rows]
        if known:
            return str(known[0])
        why = "its weights are closed" if row.get("open_weights") is False else "no hub lists its weights"
        raise UnknownIdError(f"{model_id}: {model} has no checkpoint in the registry: {why}")

    def _exact_link(self, model_id: str) -> str | None:
        """The one model whose id, or whose only link in the crosswalk, is spelled exactly so."""
        if any(row["id"] == model_id for row in self.files.rows("models.jsonl")):
            return model_id
        linked = {row["model"] for row in self.files.rows("crosswalk.jsonl") if row["id"] == model_id}
        return linked.pop() if len(linked) == 1 else None

    def _entry(self, checkpoint: str) -> RegistryModel:
        try:
            return RegistryModel.of(self._rows[checkpoint], self.published)
        except (KeyError, TypeError) as error:
            raise PublishError(
                f"{self.published / VIEW}: models.{checkpoint}: damaged ({error!r}); publish anew with "
                "`modelscan build`"
            ) from error

    def _where(self, wanted: Callable[[Row], bool]) -> Models:
        return [self._entry(name) for name, row in sorted(self._rows.items()) if wanted(row)]


_OPEN: dict[tuple[str, str], tuple[tuple[int, int] | None, Registry]] = {}


def get_registry(published: Path | None = None) -> Registry:
    """The registry of ``published`` (by default the one of this installation), read once.

    It is read anew when another was published. ``MODELSCAN_OVERLAYS`` names a user's overlays.
    """
    root = published or published_dir()
    overlays = os.environ.get("MODELSCAN_OVERLAYS", "")
    stamp = _stamp(root / VIEW)
    held = _OPEN.get((str(root), overlays))
    if held is None or held[0] != stamp or stamp is None:
        held = (stamp, Registry(root, Path(overlays) if overlays else None))
        _OPEN[str(root), overlays] = held
    return held[1]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def get_model(model_id: str) -> RegistryModel:
    """The checkpoint that an id means, of this installation's registry; see ``Registry.get_model``."""
    return get_registry().get_model(model_id)
