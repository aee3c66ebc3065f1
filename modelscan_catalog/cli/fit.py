"""``modelscan fit``: does a model run on these GPUs, and where does the memory go?"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from modelscan_catalog.cli.completion import complete_gpu, complete_model
from modelscan_catalog.cli.fit_inputs import Number, Whole, cards, engine_of, variant_of_files
from modelscan_catalog.cli.fit_report import report_lines
from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.alternatives import alternatives
from modelscan_catalog.fit.answer import answer_document, engine_flags
from modelscan_catalog.fit.candidates import Placement, scheme_name
from modelscan_catalog.fit.cost import OfferPrice, compare, own_cost
from modelscan_catalog.fit.legality import scheme_of
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.plan import ServingPlan, plan, policy_for
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.fit.published import PublishedModel, PublishedRegistry
from modelscan_catalog.registry.files import published_dir

EXIT_CODES: Mapping[str, int] = {
    "fits": 0,
    "tight": 0,
    "does_not_fit": 3,
    "unsupported": 3,
    "offload_only": 3,
    "unknown": 4,
}
WIDEST = 110
_OF_BATCH = ("batch", "out", "registry", "as_json", "concurrency", "goal", "kv_cache_dtype")
"""What may stand beside --batch: its own options, and those that have a default."""
_SIZES = ("weights", "overhead", "kv_cache")
_FILE = click.Path(path_type=Path)


@dataclass(frozen=True)
class _Subject:
    """The checkpoints to choose among, and those that may stand in when none of them runs."""

    variants: Sequence[FitVariant]
    siblings: Sequence[FitVariant]
    unread: Mapping[str, str]
    remark: str = ""
    model: PublishedModel | None = None
    repos: Sequence[str] = field(default=())


@click.command()
@click.argument("model", required=False, shell_complete=complete_model)
@click.option(
    "--gpu",
    metavar="NAME[:COUNT]",
    shell_complete=complete_gpu,
    help="Cards, such as h100-80gb:8. Default: this machine's.",
)
@click.option("--context", type=Whole(), metavar="N", help="Tokens of a request; 32k is 32768.")
@click.option("--concurrency", type=Whole(), metavar="N", default=1, help="Requests at once. [default: 1]")
@click.option("--goal", metavar="GOAL", default="standard", help="standard (default), throughput or latency.")
@click.option("--engine", metavar="NAME[@VERSION]", help="Such as vllm@0.33.0. Default: the goal's best.")
@click.option("--kv-cache-dtype", metavar="DTYPE", default="auto", help="auto (default), fp8, ...")
@click.option("--tp", type=Whole(), metavar="N", help="Tensor parallel size.")
@click.option("--pp", type=Whole(), metavar="N", help="Pipeline parallel size.")
@click.option("--utilization", type=Number(), metavar="F", help="Share of a card that the engine may use.")
@click.option("--host-memory", type=Number(), metavar="GIB", help="System memory for layers of a GGUF file.")
@click.option("--quantization", metavar="LABEL", help="Only checkpoints stored so, such as fp8 or awq.")
@click.option("--variant", metavar="REPO", help="Only this checkpoint of the model.")
@click.option("--registry", type=_FILE, metavar="DIR", default=published_dir,
              help="Published registry. [default: registry/published]")  # fmt: skip
@click.option("--config", type=_FILE, metavar="FILE", help="Judge a config.json instead of MODEL.")
@click.option("--quant-config", type=_FILE, metavar="FILE", help="Its hf_quant_config.json.")
@click.option("--safetensors-index", type=_FILE, metavar="FILE", help="Its index, for the exact size.")
@click.option("--parameters", type=Whole(), metavar="N", help="Its exact parameter count.")
@click.option("--batch", metavar="FILE", help="Requests, a JSON object a line; - is standard input.")
@click.option(
    "--out", metavar="FILE", help="Answers of --batch, line by line; - (default) is standard output."
)
@click.option("--json", "as_json", is_flag=True, help="The answer as JSON, every term in GiB.")
def fit(**asked: Any) -> None:
    """Does MODEL run on these GPUs, and where does the memory go?

    MODEL is any id that the catalogue knows: a model's, a repository's (then that checkpoint is meant), an
    alias or a seller's id. --config judges any model by its files; --batch answers many requests.

    \b
    Exit code  0  fits, or tight
               2  the question cannot be answered as it was put
               3  does not fit, is unsupported, or only with layers in system memory
               4  unknown
    """
    registry = PublishedRegistry(asked["registry"])
    if asked["batch"] is not None:
        from modelscan_catalog.cli.fit_batch import run_batch

        _refuse(asked, "batch", *(name for name in asked if name not in _OF_BATCH))
        run_batch(asked["batch"], asked["out"] or "-", registry)
        return
    if asked["out"] is not None:
        raise FitInputError("out: it takes the answers of --batch; give that too", field="out")
    profile, count, remark = cards(asked["gpu"])
    subject = _of_files(asked) if asked["config"] is not None else _of_registry(asked, registry)
    found = _planned(subject, profile, count, asked)
    document = _document(found, subject, profile, registry)
    if asked["as_json"]:
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        width = min(shutil.get_terminal_size().columns, WIDEST) if sys.stdout.isatty() else WIDEST
        remarks = [text for text in (subject.remark, remark and f"GPUs: {remark}") if text]
        lines = [*report_lines(document, profile, width, remarks)]
        if found.verdict == "unknown" and subject.model is not None:
            lines += ["", "With its files at hand: modelscan fit --config config.json (see --help)"]
        click.echo("\n".join(lines))
    click.get_current_context().exit(EXIT_CODES[found.verdict])


def _refuse(asked: Mapping[str, Any], mode: str, *others: str) -> None:
    """Options that mean nothing in a mode are an error, not ignored."""
    for name in others:
        if asked[name] is not None:
            raise FitInputError(f"{name}: it cannot be combined with --{mode}; leave one out", field=name)


def _of_files(asked: Mapping[str, Any]) -> _Subject:
    _refuse(asked, "config", "model", "variant")
    variant, reason = variant_of_files(
        asked["config"],
        asked["quant_config"],
        asked["safetensors_index"],
        asked["parameters"],
        asked["quantization"],
    )
    return _Subject([variant], [variant], {variant.variant_id: reason} if reason else {})


def _of_registry(asked: Mapping[str, Any], registry: PublishedRegistry) -> _Subject:
    if asked["model"] is None:
        raise FitInputError("model: none is named; give an id, --config FILE or --batch FILE", field="model")
    for name in ("quant_config", "safetensors_index", "parameters"):
        if asked[name] is not None:
            raise FitInputError(f"{name}: it describes a --config; give that instead of MODEL", field=name)
    model = registry.find(asked["model"])
    chosen: list[FitVariant] = list(model.variants)
    wanted = asked["variant"] or model.named
    if wanted is not None:
        chosen = [one for one in chosen if wanted.lower() in (one.variant_id.lower(), one.repo.lower())]
        if not chosen:
            raise _no_checkpoint("variant", wanted, model, (one.variant_id for one in model.variants))
    if asked["quantization"] is not None:
        label = scheme_of(asked["quantization"])
        pool = chosen if asked["variant"] else model.variants
        chosen = [one for one in pool if label in (scheme_name(one), _label(model, one))]
        if not chosen:
            raise _no_checkpoint("quantization", label, model, (scheme_name(one) for one in pool))
    return _Subject(
        variants=chosen,
        siblings=model.variants,
        unread={name: why for name, why in model.unread.items() if any(name == v.variant_id for v in chosen)},
        remark=model.explanation,
        model=model,
        repos=[one.repo for one in model.variants],
    )


def _label(model: PublishedModel, variant: FitVariant) -> str | None:
    """The rules' name of what the registry says a checkpoint is stored as."""
    label = (model.rows[variant.variant_id].get("quantization") or {}).get("scheme")
    try:
        return scheme_of(label) if label else None
    except FitInputError:
        return None


def _no_checkpoint(name: str, asked: str, model: PublishedModel, there_are: Iterator[str]) -> FitInputError:
    known = ", ".join(sorted(set(there_are)))
    return FitInputError(f"{name}: no checkpoint of {model.id} is {asked}; there are {known}", field=name)


def _planned(subject: _Subject, profile: GpuProfile, count: int, asked: Mapping[str, Any]) -> ServingPlan:
    """The plan; when it does not fit, what would run instead is sought among all the model's checkpoints."""
    engine, version = engine_of(asked["engine"])
    found = plan(
        subject.variants,
        profile,
        count,
        goal=asked["goal"],
        context=asked["context"],
        concurrency=asked["concurrency"],
        engine=engine,
        engine_version=version,
        kv_cache_dtype=asked["kv_cache_dtype"],
        tp=asked["tp"],
        pp=asked["pp"],
        utilization=asked["utilization"],
        host_memory_gib=asked["host_memory"],
        with_alternatives=False,
    )
    if found.verdict == "fits":
        return found
    rules = policy_for(asked["goal"])
    place = Placement(
        profile=profile,
        count=count,
        context=asked["context"],
        concurrency=asked["concurrency"],
        kv_cache_dtype=asked["kv_cache_dtype"],
        tp=asked["tp"],
        pp=asked["pp"],
        utilization=asked["utilization"],
    )
    chosen = found.chosen
    if engine is None and chosen is not None and chosen.binding in _SIZES and chosen.engine != "llama.cpp":
        engine = chosen.engine  # memory is in the way, and other servers need as much
    engines = (engine,) if engine is not None else rules.engine_order(profile.vendor)
    instead = alternatives(subject.siblings, place, engines, version, rank=rules.rank)
    return replace(found, alternatives=instead)


def _document(
    found: ServingPlan, subject: _Subject, profile: GpuProfile, registry: PublishedRegistry
) -> dict[str, Any]:
    chosen = found.chosen
    own = [chosen.variant.repo] if chosen is not None else []
    cost = own_cost(chosen, profile) if chosen is not None and chosen.starts else None
    offers: list[OfferPrice] = []
    if cost is not None and subject.model is not None and subject.model.row.get("offers"):
        for row in registry.offers(subject.model.id):
            price = row.get("price") or {}
            if price.get("input") is not None and price.get("output") is not None:
                offers.append(OfferPrice(row["provider"], price["input"], price["output"]))
    return answer_document(
        found,
        profile,
        flags=engine_flags(found, [*own, *subject.repos]),
        cost=cost,
        offers=compare(cost, offers) if cost is not None else (),
        unread=subject.unread,
    )
