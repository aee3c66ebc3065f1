"""Models: what the witnesses of each model say, joined by the field-authority table."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelscan_catalog.merge.claims import ClaimBook, majority
from modelscan_catalog.merge.identity import Identity
from modelscan_catalog.merge.names import bare_name
from modelscan_catalog.merge.staged_tables import StagedTables
from modelscan_catalog.merge.tables import MergeTables
from modelscan_catalog.merge.witnesses import Witnesses
from modelscan_catalog.records import (
    Alias,
    Capabilities,
    Deployment,
    Limits,
    Modalities,
    Model,
    Offer,
    Parameters,
    Variant,
)
from modelscan_catalog.sources.staged import (
    GpustackSet,
    HuggingFaceRepo,
    ModelScopeRepo,
    ModelsDevLabModel,
    ModelsDevOffer,
)

CAPABILITIES = ("attachment", "reasoning", "tool_call", "structured_output", "temperature")
_SIZE_UNITS = {"M": 10**6, "B": 10**9, "T": 10**12}
STATUSES: Mapping[str, str] = {
    "deprecated": "deprecated",
    "beta": "beta",
    "alpha": "experimental",
    "experimental": "experimental",
    "stable": "stable",
}
"""models.dev's words for a status in ours; other words are unknown."""


@dataclass
class Evidence:
    """The staged rows that speak of one model."""

    lab: list[ModelsDevLabModel] = field(default_factory=list)
    first_party: list[ModelsDevOffer] = field(default_factory=list)
    sellers: list[ModelsDevOffer] = field(default_factory=list)
    sets: list[GpustackSet] = field(default_factory=list)
    huggingface: list[HuggingFaceRepo] = field(default_factory=list)
    modelscope: list[ModelScopeRepo] = field(default_factory=list)


@dataclass(frozen=True)
class Parts:
    """What the model records refer to."""

    variants: Sequence[Variant]
    offers: Sequence[Offer]
    deployments: Sequence[Deployment]


def gather_evidence(staged: StagedTables, identity: Identity, tables: MergeTables) -> dict[str, Evidence]:
    """The rows that speak of each model, by model id; every model of the crosswalk has an entry."""
    evidence: dict[str, Evidence] = defaultdict(Evidence)
    for link in identity.links:
        evidence[link.model]
    for lab_row in staged.lab_models:
        evidence[identity.canonical[lab_row.id]].lab.append(lab_row)
    for offer in staged.offers:
        home = identity.offers.get((offer.provider, offer.id))
        if home is not None:
            mine = evidence[home.model]
            own = tables.lab_of_provider.get(offer.provider) == home.model.partition("/")[0]
            (mine.first_party if own else mine.sellers).append(offer)
    for row in staged.sets:
        if row.name in identity.sets:
            evidence[identity.sets[row.name].model].sets.append(row)
    for hf_row in staged.huggingface:
        evidence[identity.huggingface[hf_row.id].model].huggingface.append(hf_row)
    for ms_row in staged.modelscope:
        evidence[identity.modelscope[ms_row.id].model].modelscope.append(ms_row)
    return dict(evidence)


class ModelBuilder:
    """Builds model records from the rows that speak of each."""

    def __init__(
        self,
        staged: StagedTables,
        identity: Identity,
        tables: MergeTables,
        parts: Parts,
        witnesses: Witnesses,
    ) -> None:
        self._identity, self._tables, self._witnesses = identity, tables, witnesses
        self._evidence = gather_evidence(staged, identity, tables)
        self._variants: dict[str, list[Variant]] = defaultdict(list)
        self._aliases: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for variant in parts.variants:
            self._variants[variant.model].append(variant)
        for offer in parts.offers:
            if offer.model is not None:
                self._counts[offer.model][0] += 1
        for deployment in parts.deployments:
            self._counts[deployment.model][1] += 1
        offer_ids = {f"{provider}/{name}" for provider, name in identity.offers}
        for link in identity.links:
            if link.kind != "models_dev" or link.id in identity.canonical or link.id not in offer_ids:
                self._aliases[link.model].add((link.kind, link.id))

    @property
    def ids(self) -> list[str]:
        """Ids of all models, sorted."""
        return sorted(self._evidence)

    def build(self, model: str) -> tuple[Model, ClaimBook]:
        """The record of one model and the claims it was chosen from."""
        evidence = self._evidence[model]
        variants = sorted(self._variants[model], key=_official_first)
        book = ClaimBook(f"model:{model}", self._tables.authority["model"])
        main = next((v for v in variants if v.official and not _is_packed(v)), None)
        self._hub_claims(book, model, evidence, main)
        self._models_dev_claims(book, evidence)
        self._gpustack_claims(book, evidence)
        book.say("name", bare_name(model), self._witnesses.of("identity"))
        offers, deployments = self._counts[model]
        modalities = Modalities(
            input=book.value("modalities.input") or (), output=book.value("modalities.output") or ()
        )
        record = Model(
            id=model,
            lab=model.partition("/")[0],
            category=self._category(book, modalities),
            capabilities=Capabilities(**{name: book.value(f"capabilities.{name}") for name in CAPABILITIES}),
            modalities=modalities,
            limits=Limits(**{name: book.value(f"limits.{name}") for name in ("context", "input", "output")}),
            parameters=Parameters(
                total=book.value("parameters.total"), active=book.value("parameters.active")
            ),
            architectures=book.value("architectures") or (),
            licenses=book.value("licenses") or (),
            status_reason=self._status_reason(book),
            aliases=tuple(Alias(kind=kind, id=name) for kind, name in sorted(self._aliases[model])),
            variants=tuple(v.id for v in variants),
            offers=offers,
            deployments=deployments,
            urls=_urls(variants, evidence),
            **{
                name: book.value(name)
                for name in (
                    "name",
                    "family",
                    "status",
                    "open_weights",
                    "model_type",
                    "release_date",
                    "last_updated",
                    "knowledge",
                )
            },
        )
        return record.model_copy(update={"tags": tags_of(record, self._tables)}), book

    def _models_dev_claims(self, book: ClaimBook, evidence: Evidence) -> None:
        for rank, rows in (("models_dev_lab", evidence.lab), ("first_party", evidence.first_party)):
            for row in rows:
                witness = self._witnesses.of(rank)
                for name, value in _models_dev_values(row).items():
                    book.say(name, value, witness)
                if isinstance(row, ModelsDevLabModel) and row.license:
                    book.say("licenses", (row.license,), witness)
        witness = self._witnesses.of("sellers")
        values: dict[str, list[Any]] = defaultdict(list)
        for offer in evidence.sellers:
            for name, value in _models_dev_values(offer).items():
                values[name].append(value)
        for name, said in values.items():
            if name == "status" and (None in said or len(set(said)) > 1):
                continue  # one seller's deprecation is its own; only all of them together speak of the model
            most = majority(said)
            if most is not None:
                book.say(name, most[0], witness, most[1])
        opens = [offer.open_weights for offer in evidence.sellers if offer.open_weights is not None]
        chosen = majority(opens)
        for value in sorted(set(opens)):
            if chosen is None or value != chosen[0]:
                book.say("open_weights", value, witness, f"{opens.count(value)} of {len(opens)}")

    def _gpustack_claims(self, book: ClaimBook, evidence: Evidence) -> None:
        for row in evidence.sets:
            witness = self._witnesses.of("gpustack", row.catalogue)
            unit = _SIZE_UNITS.get(row.size_unit)
            if unit is not None:
                book.say("parameters.total", round(row.size * unit) if row.size else None, witness, "rounded")
                book.say("parameters.active", _active_parameters(row, unit), witness, "rounded")
            book.say("name", row.name, witness)
            book.say("open_weights", True, witness, "has weights to launch")
            book.say("licenses", tuple(sorted(row.licenses)), witness)
            book.say("release_date", row.release_date, witness)
            book.say("capabilities.tool_call", True if "tools" in row.capabilities else None, witness)
            book.say("capabilities.reasoning", True if "reasoning" in row.capabilities else None, witness)
            for category in row.categories:
                known = self._tables.categories["gpustack_category"].get(category)
                vision = known == "llm" and "vision" in row.capabilities
                book.say("category", "vlm" if vision else known, witness)

    def _hub_claims(self, book: ClaimBook, model: str, evidence: Evidence, main: Variant | None) -> None:
        rows: dict[str, HuggingFaceRepo | ModelScopeRepo] = {row.id: row for row in evidence.modelscope}
        rows |= {row.id: row for row in evidence.huggingface}
        weights = [v for v in self._variants[model] if v.repo in rows]
        if main is None or main.repo not in rows:
            main = next((v for v in sorted(weights, key=_official_first) if v.official), None)
        if main is None or main.repo not in rows:
            return
        row = rows[main.repo]
        witness = self._witnesses.of(main.hub, main.repo)
        book.say("open_weights", True, witness, "its weights are on the hub")
        book.say("model_type", main.model_type, witness)
        book.say("architectures", main.architectures, witness)
        config = self._witnesses.of(main.hub, main.repo, kind="config.json")
        book.say("limits.context", main.context, config, "config.json")
        book.say("name", bare_name(main.repo), witness)
        if not _is_packed(main):
            book.say("parameters.total", main.parameters, witness, "safetensors")
        if isinstance(row, HuggingFaceRepo):
            book.say("licenses", tuple(sorted(row.licenses)), witness)
            book.say(
                "category",
                self._tables.categories["huggingface_pipeline_tag"].get(row.pipeline_tag or ""),
                witness,
            )
        else:
            book.say("licenses", (row.license.lower(),) if row.license else (), witness)
            tasks = [self._tables.categories["modelscope_task"].get(task) for task in row.tasks]
            book.say("category", next((task for task in tasks if task), None), witness)

    def _category(self, book: ClaimBook, modalities: Modalities) -> str | None:
        chosen: str | None = book.value("category")
        if chosen == "llm" and {"image", "video"} & set(modalities.input):
            return "vlm"
        if chosen is not None:
            return chosen
        families = self._tables.categories["models_dev_family"]
        family = book.value("family")
        if isinstance(family, str) and family in families:
            return families[family]
        return _category_of(modalities)

    def _status_reason(self, book: ClaimBook) -> str | None:
        claim = book.chosen("status")
        return f"says {claim.witness.name} {claim.note}".rstrip() if claim else None


def _category_of(modalities: Modalities) -> str | None:
    """What a model does by what goes in and comes out, as far as that tells."""
    if "text" in modalities.output:
        if "text" in modalities.input:
            return "vlm" if {"image", "video"} & set(modalities.input) else "llm"
        return "speech_to_text" if modalities.input == ("audio",) else None
    only = {"image": "image", "video": "video", "audio": "text_to_speech"}
    return only.get(modalities.output[0]) if len(modalities.output) == 1 else None


def _models_dev_values(row: ModelsDevLabModel | ModelsDevOffer) -> dict[str, Any]:
    values: dict[str, Any] = {f"capabilities.{name}": getattr(row, name) for name in CAPABILITIES}
    values |= {f"limits.{name}": getattr(row.limits, name) for name in ("context", "input", "output")}
    values |= {"modalities.input": row.modalities.input, "modalities.output": row.modalities.output}
    values["status"] = STATUSES.get(row.status or "")
    for name in ("name", "family", "open_weights", "release_date", "last_updated", "knowledge"):
        values[name] = getattr(row, name)
    return values


def _active_parameters(row: GpustackSet, unit: int) -> int | None:
    """Active parameters of a model set.

    The catalogues give ``size`` in trillions beside ``activated_size`` in billions: a value above the size is
    read in billions.
    """
    if not row.activated_size:
        return None
    above = row.size is not None and row.activated_size > row.size
    return round(row.activated_size * (_SIZE_UNITS["B"] if above else unit))


def _is_packed(variant: Variant) -> bool:
    """Whether the checkpoint may store several weights in one number, which spoils its parameter count."""
    bits = variant.quantization.bits if variant.quantization else None
    return variant.quantization is not None and (bits is None or bits < 8)


def _official_first(variant: Variant) -> tuple[bool, bool, int, str]:
    quantized = variant.quantization is not None and (variant.quantization.bits or 0) < 16
    return (not variant.official, quantized, -(variant.downloads or 0), variant.id)


def _urls(variants: Sequence[Variant], evidence: Evidence) -> dict[str, str]:
    urls: dict[str, str] = {}
    first = next((v for v in variants if v.official), None)
    if first is not None:
        if first.hub == "huggingface":
            urls["huggingface"] = f"https://huggingface.co/{first.repo}"
        if first.modelscope_repo is not None:
            urls["modelscope"] = f"https://www.modelscope.cn/models/{first.modelscope_repo}"
    home = next((row.home for row in evidence.sets if row.home), None)
    if home is not None:
        urls["home"] = home
    return urls


def tags_of(model: Model, tables: MergeTables) -> tuple[str, ...]:
    """The tags whose rule the model's own facts meet, sorted; an unknown fact meets none."""
    tags: list[str] = []
    for tag, rule in tables.tag_rules.items():
        value: Any = model
        for part in rule["field"].split("."):
            value = getattr(value, part)
        if value is None:
            continue
        met = (
            (value is rule["is"]) if "is" in rule
            else (rule["holds"] in value) if "holds" in rule
            else (value >= rule.get("at_least", value) and value <= rule.get("at_most", value))
        )  # fmt: skip
        if met:
            tags.append(tag)
    return tuple(sorted(tags))
