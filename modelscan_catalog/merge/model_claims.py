"""What each witness says of a model: the rows that speak of it, turned into claims."""

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
from modelscan_catalog.records import Variant
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


def claim_models_dev(book: ClaimBook, evidence: Evidence, witnesses: Witnesses) -> None:
    """Claims of the lab record, of the lab's own provider and of most sellers."""
    for rank, rows in (("models_dev_lab", evidence.lab), ("first_party", evidence.first_party)):
        for row in rows:
            witness = witnesses.of(rank)
            for name, value in _models_dev_values(row).items():
                book.say(name, value, witness)
            if isinstance(row, ModelsDevLabModel) and row.license:
                book.say("licenses", (row.license,), witness)
    witness = witnesses.of("sellers")
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
            book.note("open_weights", value, witness, f"{opens.count(value)} of {len(opens)}")


def claim_gpustack(book: ClaimBook, evidence: Evidence, witnesses: Witnesses, tables: MergeTables) -> None:
    """Claims of GPUStack's model sets."""
    for row in evidence.sets:
        witness = witnesses.of("gpustack", row.catalogue)
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
            known = tables.categories["gpustack_category"].get(category)
            vision = known == "llm" and "vision" in row.capabilities
            book.say("category", "vlm" if vision else known, witness)


def claim_hubs(
    book: ClaimBook,
    evidence: Evidence,
    variants: Sequence[Variant],
    witnesses: Witnesses,
    tables: MergeTables,
) -> None:
    """Claims of the model's own repository: the official one that is no quantization, else an official one.

    ``variants`` come official ones first.
    """
    rows: dict[tuple[str, str | None], HuggingFaceRepo | ModelScopeRepo] = {
        ("modelscope", row.id): row for row in evidence.modelscope
    }
    rows |= {("huggingface", row.id): row for row in evidence.huggingface}
    own = [
        (variant, hub)
        for variant in variants
        if variant.official
        for hub in [("huggingface", variant.repo), ("modelscope", variant.modelscope_repo)]
        if hub in rows
    ]
    main, hub = next((pair for pair in own if not is_packed(pair[0])), own[0] if own else (None, None))
    if main is None or hub is None:
        return
    row = rows[hub]
    witness = witnesses.of(hub[0], row.id)
    book.say("open_weights", True, witness, "its weights are on the hub")
    book.say("model_type", main.model_type, witness)
    book.say("architectures", main.architectures, witness)
    config = witnesses.of(hub[0], row.id, kind="config.json")
    book.say("limits.context", main.context, config, "config.json")
    book.say("name", bare_name(main.repo), witness)
    if not is_packed(main):
        book.say("parameters.total", main.parameters, witness, "safetensors")
    if isinstance(row, HuggingFaceRepo):
        book.say("licenses", tuple(sorted(row.licenses)), witness)
        book.say(
            "category",
            tables.categories["huggingface_pipeline_tag"].get(row.pipeline_tag or ""),
            witness,
        )
    else:
        book.say("licenses", (row.license.lower(),) if row.license else (), witness)
        tasks = [tables.categories["modelscope_task"].get(task) for task in row.tasks]
        book.say("category", next((task for task in tasks if task), None), witness)


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


def is_packed(variant: Variant) -> bool:
    """Whether the checkpoint may store several weights in one number, which spoils its parameter count."""
    bits = variant.quantization.bits if variant.quantization else None
    return variant.quantization is not None and (bits is None or bits < 8)
