"""Which of a model's checkpoints a request leaves to choose among, and where their weights come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from modelscan_catalog.deploy.plan import Hub, PlanRequest
from modelscan_catalog.deploy.plan_sources import downloaded_copy, local_checkpoint
from modelscan_catalog.deploy.quantize import stored_as
from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.candidates import scheme_name
from modelscan_catalog.fit.legality import scheme_of
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.published import PublishedModel, Row

INT4 = frozenset({"awq", "gptq", "wna16", "moe_wna16", "autoround"})
"""The rules' names of what people call INT4; a catalogue's own label says only `int4`."""


@dataclass(frozen=True)
class Choice:
    """A checkpoint that may be planned: its fit input, its published row, and where it is loaded from."""

    variant: FitVariant
    row: Row
    hub: Hub
    path: Path | None = None


@dataclass(frozen=True)
class Choices:
    """What is left to choose among; when nothing is, `refusal` says why and what there is."""

    choices: tuple[Choice, ...]
    refusal: str = ""
    field: str = ""


def checkpoints(model: PublishedModel, request: PlanRequest) -> Choices:
    """The checkpoints of `model` that the request's variant, quantization and source leave.

    Raises `FitInputError` for a quantization that no rule knows and a directory that holds no weights.
    """
    if request.online:
        return _stored_by_the_engine(model, request)
    every = [(variant, model.rows[variant.variant_id]) for variant in model.variants]
    wanted = request.variant or (model.named if request.quantization is None else None)
    kept = [(v, row) for v, row in every if wanted is None or wanted.lower() in _names(v, row)]
    if not kept:
        there = _listed(variant.variant_id for variant, _ in every)
        return Choices((), f"{model.id} has no checkpoint {wanted}; there are {there}", "variant")
    if request.quantization is not None:
        labels = _asked(request.quantization)
        stored = [(v, row) for v, row in kept if labels.intersection(_labels(v, row))]
        if not stored:
            there = _listed(_word(scheme) for v, row in kept for scheme in _labels(v, row)[-1:])
            what = f"checkpoint of {model.id}" if wanted is None else f"checkpoint {wanted}"
            why = f"no {what} is stored as {request.quantization}; there are {there}"
            return Choices((), why, "quantization")
        kept = stored
    if request.local_path is not None:
        return Choices((local_choice(Path(request.local_path), model, kept),))
    found = tuple(choice for v, row in kept if (choice := _from(v, row, request.source)) is not None)
    if not found:
        return Choices((), _no_source(model, kept, request.source), "source")
    return Choices(found if wanted is not None else _official_first(found))


def _stored_by_the_engine(model: PublishedModel, request: PlanRequest) -> Choices:
    """The 16-bit checkpoints as an engine would hold them that quantizes while it loads."""
    if request.quantization is None:
        raise FitInputError("online: name the format too, with --quantization", field="quantization")
    trained = checkpoints(model, request.model_copy(update={"online": False, "quantization": "bf16"}))
    return replace(
        trained,
        choices=tuple(
            replace(one, variant=stored_as(one.variant, request.quantization)) for one in trained.choices
        ),
    )


def _official_first(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Of checkpoints that are stored the same way those of the model's own lab, where one can be modelled."""
    own = {
        scheme_name(one.variant)
        for one in choices
        if one.row.get("official") and one.variant.architecture is not None
    }
    return tuple(one for one in choices if one.row.get("official") or scheme_name(one.variant) not in own)


def local_choice(path: Path, model: PublishedModel, kept: Sequence[tuple[FitVariant, Row]]) -> Choice:
    """The weights of a directory, judged by their own files, as the checkpoint that is stored so too."""
    own = local_checkpoint(path, model.id)
    alike = [(v, row) for v, row in kept if scheme_name(v) == scheme_name(own)]
    if not alike:
        there = _listed(scheme_name(v) for v, _ in kept)
        raise FitInputError(
            f"local_path: the weights in {path} are stored as {scheme_name(own)}; of {model.id} these are "
            f"wanted: {there}",
            field="local_path",
        )
    named, row = alike[0]
    return Choice(replace(own, variant_id=named.variant_id, repo=named.repo), row, "local", path)


def _from(variant: FitVariant, row: Row, source: Hub | None) -> Choice | None:
    """The checkpoint from the asked source, else from its first hub; None where it is not there."""
    if source == "local":
        path = downloaded_copy(row)
        return Choice(variant, row, "local", path) if path is not None else None
    if source in (None, row.get("hub")):
        hub: Hub = "modelscope" if row.get("hub") == "modelscope" else "huggingface"
        return Choice(variant, row, hub)
    if source == "modelscope" and row.get("modelscope_repo"):
        return Choice(variant, row, "modelscope")
    return None


def _no_source(model: PublishedModel, kept: Sequence[tuple[FitVariant, Row]], source: Hub | None) -> str:
    names = _listed(variant.variant_id for variant, _ in kept)
    if source == "local":
        return f"no complete copy of {names} is installed here or in a cache of HuggingFace or ModelScope"
    elsewhere = _listed(v.variant_id for v in model.variants if _from(v, model.rows[v.variant_id], source))
    others = f"; it has {elsewhere}" if elsewhere else ""
    return f"{source} has no copy of {names} that the catalogue knows of{others}"


def _asked(text: str) -> frozenset[str]:
    """The rules' names of an asked format; `int4` is any format of 4-bit integers."""
    return INT4 if text.strip().lower() == "int4" else frozenset({scheme_of(text)})


def _labels(variant: FitVariant, row: Row) -> list[str]:
    """The rules' names of how a checkpoint is stored: by its files, and by the registry."""
    label = (row.get("quantization") or {}).get("scheme")
    names = [scheme_name(variant)] if variant.scheme is not None else []
    try:
        names += [scheme_of(label)] if label else []
    except FitInputError:
        names += [str(label)]
    return list(dict.fromkeys(names))


def _word(scheme: str) -> str:
    return "bf16" if scheme == "none" else scheme


def _names(variant: FitVariant, row: Row) -> set[str]:
    spelled = (variant.variant_id, variant.repo, row.get("modelscope_repo"))
    return {name.lower() for name in spelled if name}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))
