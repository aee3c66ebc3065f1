"""Models: what the witnesses of each model say, joined by the field-authority table."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelscan_catalog.merge.claims import ClaimBook
from modelscan_catalog.merge.identity import Identity
from modelscan_catalog.merge.model_claims import (
    CAPABILITIES,
    Evidence,
    claim_gpustack,
    claim_hubs,
    claim_models_dev,
    gather_evidence,
)
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


@dataclass(frozen=True)
class Parts:
    """What the model records refer to."""

    variants: Sequence[Variant]
    offers: Sequence[Offer]
    deployments: Sequence[Deployment]


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
        claim_hubs(book, evidence, variants, self._witnesses, self._tables)
        claim_models_dev(book, evidence, self._witnesses)
        claim_gpustack(book, evidence, self._witnesses, self._tables)
        book.say("name", bare_name(model), self._witnesses.of("identity"))
        offers, deployments = self._counts[model]
        modalities = Modalities(
            input=book.value("modalities.input") or (), output=book.value("modalities.output") or ()
        )
        record = Model(
            id=model,
            lab=model.partition("/")[0],
            category=self._category(model, book, modalities),
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

    def _category(self, model: str, book: ClaimBook, modalities: Modalities) -> str | None:
        """What a source says, else a family or a word of the name that tells, else what goes in and out."""
        chosen: str | None = book.value("category")
        if chosen == "llm" and {"image", "video"} & set(modalities.input):
            return "vlm"
        if chosen is not None:
            return chosen
        families = self._tables.categories["models_dev_family"]
        family = book.value("family")
        if isinstance(family, str) and family in families:
            return families[family]
        words = self._tables.categories["name_word"]
        named = next((words[word] for word in bare_name(model).split("-") if word in words), None)
        return named or _category_of(modalities)

    def _status_reason(self, book: ClaimBook) -> str | None:
        claim = book.chosen("status")
        if claim is None:
            return None
        if claim.witness.name == "sellers":
            return f"{claim.note} sellers say so"
        return f"{claim.witness.name.replace('_', ' ')} says so"


def _category_of(modalities: Modalities) -> str | None:
    """What a model does by what goes in and comes out, as far as that tells."""
    if "text" in modalities.output:
        if "text" in modalities.input:
            return "vlm" if {"image", "video"} & set(modalities.input) else "llm"
        return "speech_to_text" if modalities.input == ("audio",) else None
    only = {"image": "image", "video": "video", "audio": "text_to_speech"}
    return only.get(modalities.output[0]) if len(modalities.output) == 1 else None


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
