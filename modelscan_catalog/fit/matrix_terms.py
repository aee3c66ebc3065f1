"""The catalogue's variants side by side: the fit formulas' terms as columns, computed once for all cards."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.card_rules import is_latent, vision_share
from modelscan_catalog.fit.formulas import GIB, Array, VariantTerms, stack_terms
from modelscan_catalog.fit.known import measured_weights_gib
from modelscan_catalog.fit.legality import rule_scheme, tensor_parallel_issue, weight_block
from modelscan_catalog.fit.memory import Plan, layout_of, variant_terms
from modelscan_catalog.fit.offload import compute_buffer_gib
from modelscan_catalog.fit.quantization import UNQUANTIZED, Scheme
from modelscan_catalog.fit.speed import UNKNOWN_SPEED, SpeedTerms, speed_terms
from modelscan_catalog.fit.weights import Parallel

COUNTS = (1, 2, 4, 8)
KV_DTYPES = ("auto", "fp8")
SHARE = 32
"""Variants in one task of an executor."""


@dataclass(frozen=True, slots=True)
class FitVariant:
    """Weights that exist, with what is known of them; None is unknown."""

    variant_id: str
    model_id: str
    repo: str
    architecture: Architecture | None = None
    scheme: Scheme | None = None
    """How the checkpoint stores its tensors; None when neither a config nor a label says."""
    weights_bytes: int | None = None
    parameters: int | None = None
    declared_context: int | None = None


@dataclass(frozen=True, slots=True)
class MatrixTerms:
    """V variants as columns. Fields of `memory` have shape (V, counts, KV dtypes, 1), its kinds one axis in
    front; fields of `speed` (V, 1, 1, 1)."""

    variant_ids: tuple[str, ...]
    engines: tuple[str, ...]
    engine_codes: NDArray[np.int64]
    """(V,): llama.cpp for GGUF files, the matrix's engine for the rest."""
    version: str | None
    memory: VariantTerms
    speed: SpeedTerms
    tp: Array
    pp: Array
    """(V, counts): the split that a count of cards uses."""
    split_legal: NDArray[np.bool_]
    declared_context: Array
    """(V,), NaN where unknown."""
    latent: NDArray[np.bool_]
    vision_share: Array
    """(V,): latent attention, and what SGLang leaves of its default share beside an image tower."""
    schemes: tuple[str, ...]
    """Names of the legality rules; `scheme_codes` (V,) index them."""
    scheme_codes: NDArray[np.int64]
    modelled: NDArray[np.bool_]
    """(V,): architecture and format are known; else only the weights bound the answer."""
    has_weights: NDArray[np.bool_]


def choose_split(
    architecture: Architecture | None, count: int, block: int | None, engine: str = "vllm"
) -> tuple[int, int] | None:
    """TP for all cards where the engines accept it, else the largest legal TP times pipeline stages.

    llama.cpp splits by layers: stages only.
    """
    if architecture is None:
        return (1, count) if engine == "llama.cpp" else (count, 1)
    if engine == "llama.cpp":
        return (1, count) if count <= len(architecture.layers) else None
    for tp in range(count, 0, -1):
        if count % tp:
            continue
        pp = count // tp
        if pp <= len(architecture.layers) and tensor_parallel_issue(architecture, tp, block) is None:
            return tp, pp
    return None


def bare_terms(weights_gib: float, count: int, declared: float) -> VariantTerms:
    """A bound from the weights alone, for models whose architecture is not known."""
    nothing = np.zeros(1)
    values: dict[str, Any] = {field.name: 0.0 for field in fields(VariantTerms)}
    values |= {field.name: nothing for field in fields(VariantTerms) if field.name.startswith("kind_")}
    values |= {
        "weights_gib": weights_gib / count,
        "weights_relative_error": 0.02,
        "bytes_per_block": 1.0,
        "declared_context_tokens": declared,
        "kind_block_tokens": np.ones(1),
    }
    return VariantTerms(**values)


def resident_gib(variant: FitVariant) -> float:
    """Weights of an unmodelled variant: its files' bytes, else parameters x bits; NaN when unknown.

    Counts of packed formats (under 8 bits) are words or weights, as their publishers like: no size follows.
    """
    if variant.weights_bytes is not None:
        return variant.weights_bytes / GIB
    if variant.parameters is None:
        return math.nan
    if variant.scheme is None:
        return math.nan
    chosen = variant.scheme.default
    bits = chosen.bits if chosen is not None else 16.0
    return variant.parameters * bits / 8 / GIB if bits >= 8 else math.nan


@lru_cache(maxsize=512)
def served_terms(architecture: Architecture, scheme: Scheme, plan: Plan) -> VariantTerms:
    """`variant_terms`, with llama.cpp's compute buffer in the place of the servers' profile run.

    Remembered, because a plan asks for the same split on many cards.
    """
    terms = variant_terms(architecture, scheme, plan)
    if plan.rules.engine != "llama.cpp":
        return terms
    return replace(
        terms,
        sampler_bytes_per_sequence=0.0,
        sampler_bytes_per_token=0.0,
        forward_bytes_per_token=0.0,
        activation_fixed_gib=compute_buffer_gib(architecture),
        activation_extra_gib=0.0,
        activation_share=1.0,
        graphs_share=0.0,
    )


def _rows(architecture: Architecture, scheme: Scheme, plan: Plan) -> list[VariantTerms]:
    """Terms of one split under every KV dtype; without stages only the cache differs between dtypes."""
    first = served_terms(architecture, scheme, plan)
    rows = [first]
    for dtype in KV_DTYPES[1:]:
        other = replace(plan, kv_cache_dtype=dtype)
        if plan.parallel.pipeline > 1:
            rows.append(served_terms(architecture, scheme, other))
            continue
        layout = layout_of(architecture, scheme, other, 0, len(architecture.layers))
        rows.append(
            replace(
                first,
                bytes_per_block=layout.bytes_per_block,
                kv_bytes_per_token=layout.token_bytes,
                kind_block_tokens=layout.block_tokens,
                kind_limit_tokens=layout.limit_tokens,
                kind_in_flight=layout.in_flight,
                kind_extra_blocks=layout.extra_blocks,
                kind_groups=layout.groups,
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class _Column:
    """One variant's part of the columns."""

    rows: list[VariantTerms]
    speed: SpeedTerms
    splits: list[tuple[int, int] | None]
    engine: str
    scheme: str
    modelled: bool


def _column(variant: FitVariant, engine: str, version: str | None) -> _Column:
    named = rule_scheme(variant.scheme) if variant.scheme is not None else "compressed-tensors"
    serving = "llama.cpp" if named == "gguf" else engine
    scheme = variant.scheme or UNQUANTIZED
    known = variant.architecture if variant.scheme is not None else None
    declared = float(variant.declared_context) if variant.declared_context else math.nan
    block = weight_block(scheme)
    splits = [choose_split(variant.architecture, count, block, serving) for count in COUNTS]
    rows: list[VariantTerms] = []
    for count, split in zip(COUNTS, splits, strict=True):
        if known is None or split is None:
            rows += [bare_terms(resident_gib(variant), count, declared)] * len(KV_DTYPES)
            continue
        plan = Plan(
            parallel=Parallel(tensor=split[0], pipeline=split[1]),
            engine=serving,
            engine_version=(version or "") if serving == engine else "",
            kv_cache_dtype=KV_DTYPES[0],
            exact_parameters=variant.parameters,
            checkpoint_bytes=variant.weights_bytes,
            known_weights_gib=measured_weights_gib(variant.repo),
        )
        rows += _rows(known, scheme, plan)
    speed = speed_terms(known, scheme) if known is not None else UNKNOWN_SPEED
    return _Column(rows, speed, splits, serving, named, known is not None)


def _memo_key(variant: FitVariant) -> Any:
    """Variants with an equal key have equal columns; fine-tunes of one model mostly do."""
    scheme = variant.scheme
    plain = scheme is not None and scheme.default is None and not scheme.rules and scheme.certain
    return (
        variant.architecture,
        "unquantized" if plain else id(scheme),
        variant.weights_bytes,
        variant.parameters,
        variant.declared_context,
        measured_weights_gib(variant.repo),
    )


class Executor(Protocol):
    """A pool of processes or a Dask client: `submit` gives something with `result`."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """Run `function(*args)` elsewhere."""


def _columns(variants: Sequence[FitVariant], engine: str, version: str | None) -> list[_Column]:
    return [_column(variant, engine, version) for variant in variants]


def build_terms(
    variants: Sequence[FitVariant],
    engine: str = "vllm",
    version: str | None = None,
    executor: Executor | None = None,
) -> MatrixTerms:
    """Terms of all variants under every count and KV dtype, in the order of `variant_id`.

    GGUF files are served by llama.cpp, all others by `engine`. Variants without an architecture keep a bound
    from their weights. An `executor` shares the work; the terms do not depend on it.
    """
    ordered = sorted(variants, key=lambda variant: variant.variant_id)
    keys = [_memo_key(variant) for variant in ordered]
    first = dict(zip(reversed(keys), reversed(ordered), strict=True))
    different = list(first.values())
    if executor is None:
        made = _columns(different, engine, version)
    else:
        parts = [different[start : start + SHARE] for start in range(0, len(different), SHARE)]
        waiting = [executor.submit(_columns, part, engine, version) for part in parts]
        made = [column for future in waiting for column in future.result()]
    memo = dict(zip(first, made, strict=True))
    columns = [memo[key] for key in keys]
    shape = (len(ordered), len(COUNTS), len(KV_DTYPES), 1)
    schemes = tuple(sorted({column.scheme for column in columns}))
    engines = tuple(sorted({column.engine for column in columns}))
    return MatrixTerms(
        variant_ids=tuple(variant.variant_id for variant in ordered),
        engines=engines,
        engine_codes=np.array([engines.index(column.engine) for column in columns], dtype=np.int64),
        version=version,
        memory=_shaped(stack_terms([row for column in columns for row in column.rows]), shape),
        speed=SpeedTerms(
            *(
                np.array([getattr(column.speed, field.name) for column in columns], dtype=np.float64)[
                    :, None, None, None
                ]
                for field in fields(SpeedTerms)
            )
        ),
        tp=np.array(
            [[split[0] if split else 1 for split in column.splits] for column in columns], dtype=float
        ),
        pp=np.array(
            [[split[1] if split else 1 for split in column.splits] for column in columns], dtype=float
        ),
        split_legal=np.array([[split is not None for split in column.splits] for column in columns]),
        declared_context=np.array(
            [float(v.declared_context) if v.declared_context else math.nan for v in ordered]
        ),
        latent=np.array([v.architecture is not None and is_latent(v.architecture) for v in ordered]),
        vision_share=np.array([vision_share(v.architecture) if v.architecture else 1.0 for v in ordered]),
        schemes=schemes,
        scheme_codes=np.array([schemes.index(column.scheme) for column in columns], dtype=np.int64),
        modelled=np.array([column.modelled for column in columns]),
        has_weights=np.array(
            [
                column.modelled or not math.isnan(resident_gib(variant))
                for variant, column in zip(ordered, columns, strict=True)
            ]
        ),
    )


def _shaped(terms: VariantTerms, shape: tuple[int, ...]) -> VariantTerms:
    reshaped: dict[str, Any] = {}
    for field in fields(VariantTerms):
        value = getattr(terms, field.name)
        reshaped[field.name] = value.reshape(
            (value.shape[0], *shape) if field.name.startswith("kind_") else shape
        )
    return VariantTerms(**reshaped)


def slice_terms(terms: MatrixTerms, start: int, stop: int) -> MatrixTerms:
    """The variants [start, stop)."""
    part = slice(start, stop)
    memory = {
        field.name: getattr(terms.memory, field.name)[
            (slice(None), part) if field.name.startswith("kind_") else part
        ]
        for field in fields(VariantTerms)
    }
    return replace(
        terms,
        variant_ids=terms.variant_ids[part],
        engine_codes=terms.engine_codes[part],
        memory=VariantTerms(**memory),
        speed=SpeedTerms(*(getattr(terms.speed, field.name)[part] for field in fields(SpeedTerms))),
        tp=terms.tp[part],
        pp=terms.pp[part],
        split_legal=terms.split_legal[part],
        declared_context=terms.declared_context[part],
        latent=terms.latent[part],
        vision_share=terms.vision_share[part],
        scheme_codes=terms.scheme_codes[part],
        modelled=terms.modelled[part],
        has_weights=terms.has_weights[part],
    )
