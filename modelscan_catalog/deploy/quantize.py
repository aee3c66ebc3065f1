"""How a 16-bit checkpoint becomes a smaller one: a script for llm-compressor, an engine's flag, the size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.candidates import scheme_name
from modelscan_catalog.fit.legality import quantization_support
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.memory import whole_bytes
from modelscan_catalog.fit.plan import plan
from modelscan_catalog.fit.profiles import resolve_gpu
from modelscan_catalog.fit.published import PublishedModel, Row
from modelscan_catalog.fit.quant_formats import format_named
from modelscan_catalog.fit.quantization import scheme_of
from modelscan_catalog.fit.tables import table
from modelscan_catalog.manifests.engines import ENGINES, canonical_engine, load_engine

_OF_ONE_KIND = frozenset({"gguf", "mlx", "modelslim"})
"""Containers that only llama.cpp, Apple's and Ascend's engines load."""


@dataclass(frozen=True, slots=True)
class OnlineFlag:
    """With it an engine stores the 16-bit checkpoint so while it loads it; the files stay as they are."""

    engine: str
    engine_version: str
    flag: str


@dataclass(frozen=True, slots=True)
class OnCards:
    """How the result would be served; GiB a card, null where the arithmetic was not possible."""

    gpu: str
    engine: str
    support: str
    """native, weight_only, plugin, unsupported or unknown."""
    support_reason: str
    verdict: str
    context: int | None
    required_gib: float | None
    budget_gib: float | None


@dataclass(frozen=True, slots=True)
class QuantizeRecipe:
    """From `repo` at `revision` to `format`; sizes are bytes of the weights, tensor by tensor."""

    model: str
    repo: str
    revision: str | None
    hub: str
    format: str
    trained_bytes: int
    expected_bytes: int
    published: tuple[str, ...]
    """Checkpoints of the model that are stored so already: better than one's own."""
    online: tuple[OnlineFlag, ...]
    calibrated: bool
    """Whether it needs sample texts."""
    packages: tuple[str, ...]
    script: str
    on_cards: OnCards | None


def formats() -> tuple[str, ...]:
    """What a checkpoint can be quantized to."""
    return tuple(_document()["formats"])


def quantize_recipe(model: PublishedModel, to: str, gpu: str | None = None) -> QuantizeRecipe:
    """The recipe of `model` in format `to`, and what it would need on `gpu` (`NAME` or `NAME:COUNT`).

    Raises `FitInputError` (field `to` or `model`) for a format without a recipe and a model without a 16-bit
    checkpoint whose architecture is known, and what `resolve_gpu` raises.
    """
    recipe = _recipe(to)
    variant, row = _trained(model)
    smaller = stored_as(variant, to)
    architecture = variant.architecture
    assert architecture is not None  # `_trained` takes no other
    assert variant.scheme is not None
    assert smaller.scheme is not None
    return QuantizeRecipe(
        model=model.id,
        repo=variant.repo,
        revision=row.get("revision"),
        hub=str(row.get("hub")),
        format=to.strip().lower(),
        trained_bytes=round(whole_bytes(architecture, variant.scheme)),
        expected_bytes=round(whole_bytes(architecture, smaller.scheme)),
        published=tuple(one.variant_id for one in model.variants if _stored_so(one, recipe)),
        online=tuple(_online(recipe)),
        calibrated=bool(recipe.get("calibrated")),
        packages=(f"{_document()['package']}=={_document()['version']}",),
        script=_script(variant, row, recipe, architecture),
        on_cards=None if gpu is None else _on_cards(smaller, recipe, gpu),
    )


def stored_as(variant: FitVariant, to: str) -> FitVariant:
    """A 16-bit checkpoint as if it were stored as `to`; raises as `quantize_recipe` for the format."""
    kind = "" if variant.architecture is None else variant.architecture.model_type
    return replace(
        variant, scheme=scheme_of({"model_type": kind}, label=_recipe(to)["label"]), weights_bytes=None
    )


def online_value(to: str, engine: str, version: str | None) -> str:
    """What `--quantization` of that engine is for `to`; raises `FitInputError` where it has no such value."""
    name = canonical_engine(engine)
    known = None if name is None else load_engine(name, version)
    for value in _recipe(to).get("online", {}).get(engine, ()):
        if known is not None and value in known.quantizations:
            return str(value)
    able = [key for key, one in _document()["formats"].items() if one.get("online", {}).get(engine)]
    raise FitInputError(
        f"online: {engine} {version or ''} does not store weights as {to} while it loads them; it does so as "
        f"{', '.join(able) or 'nothing'}, and `modelscan quantize` makes checkpoints",
        field="quantization",
    )


def _recipe(to: str) -> Mapping[str, Any]:
    recipe: Mapping[str, Any] | None = _document()["formats"].get(to.strip().lower())
    if recipe is None:
        raise FitInputError(f"to: {to[:40]!r} has no recipe; use one of {', '.join(formats())}", field="to")
    return recipe


def _document() -> Mapping[str, Any]:
    document: Mapping[str, Any] = table("fit/quantize_recipes.json")
    return document


def _trained(model: PublishedModel) -> tuple[FitVariant, Row]:
    """The 16-bit checkpoint to begin with, the lab's own first."""
    found = [
        (one, model.rows[one.variant_id])
        for one in model.variants
        if one.architecture is not None and one.scheme is not None and scheme_name(one) == "none"
    ]
    if not found:
        raise FitInputError(
            f"model: {model.id} has no 16-bit checkpoint whose architecture is known, and a quantized one is "
            "not quantized again",
            field="model",
        )
    return max(found, key=lambda pair: bool(pair[1].get("official")))


def _stored_so(variant: FitVariant, recipe: Mapping[str, Any]) -> bool:
    """Whether a checkpoint has as many bits a weight of the same kind as the recipe's result."""
    stored = variant.scheme.default if variant.scheme is not None else None
    if stored is None or scheme_name(variant) in _OF_ONE_KIND:
        return False
    wanted = format_named(table("fit/quant_formats.json")["names"][recipe["label"]])
    return stored.bits == wanted.bits and stored.name.partition("_")[0] == wanted.name.partition("_")[0]


def _online(recipe: Mapping[str, Any]) -> Iterator[OnlineFlag]:
    """Of each engine's values the first that its newest recorded version knows."""
    for engine in ENGINES:
        known = load_engine(engine)
        values: Sequence[str] = recipe.get("online", {}).get(engine, ())
        value = next((one for one in values if one in known.quantizations), None)
        if value is not None:
            yield OnlineFlag(engine, known.version, f"--quantization={value}")


def _on_cards(smaller: FitVariant, recipe: Mapping[str, Any], gpu: str) -> OnCards:
    profile, count = resolve_gpu(gpu)
    best = plan([smaller], profile, count, with_alternatives=False).chosen
    assert best is not None  # there is one checkpoint
    support = quantization_support(recipe["rule"], profile, best.engine)
    return OnCards(
        gpu=f"{best.tp * best.pp} x {profile.id}",
        engine=best.engine,
        support=support.level,
        support_reason=support.reason,
        verdict=best.verdict,
        context=best.context,
        required_gib=best.required_gib,
        budget_gib=best.budget_gib,
    )


def _script(variant: FitVariant, row: Row, recipe: Mapping[str, Any], architecture: Architecture) -> str:
    """A Python program that writes the smaller checkpoint to a directory beside it."""
    kept = _document()["kept"]
    ignored = [*kept["always"]]
    ignored += kept["experts"] if architecture.experts is not None else []
    ignored += kept["vision"] if architecture.vision is not None else []
    modifier, transform = recipe.get("modifier", "QuantizationModifier"), recipe.get("transform")
    module = "gptq" if modifier == "GPTQModifier" else "quantization"
    hub, argument = (
        ("modelscope", "model_id")
        if row.get("hub") == "modelscope"
        else (
            "huggingface_hub",
            "repo_id",
        )
    )
    revision = f", revision={row['revision']!r}" if row.get("revision") else ""
    imports = [
        f"from {hub} import snapshot_download",
        "from llmcompressor import oneshot",
        f"from llmcompressor.modifiers.{module} import {modifier}",
        *([f"from llmcompressor.modifiers.transform import {transform}"] if transform else []),
    ]
    target = f"{variant.repo.rpartition('/')[2]}-{recipe['scheme']}"
    steps = [f"{transform}()"] if transform else []
    steps.append(f"{modifier}(targets=['Linear'], scheme={recipe['scheme']!r}, ignore={ignored!r})")
    calibration = _document()["calibration"]
    samples = [
        f"    dataset={calibration['dataset']!r},",
        f"    splits={calibration['splits']!r},",
        f"    num_calibration_samples={calibration['samples']},",
        f"    max_seq_length={calibration['max_seq_length']},",
    ]
    return "\n".join(
        [
            *imports,
            "",
            "oneshot(",
            f"    model=snapshot_download({argument}={variant.repo!r}{revision}),",
            "    recipe=[",
            *(f"        {step}," for step in steps),
            "    ],",
            *(samples if recipe.get("calibrated") else ()),
            f"    output_dir={target!r},",
            ")",
            "",
        ]
    )
