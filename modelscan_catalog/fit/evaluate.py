"""One fit request to one answer: every memory term in GiB, capacity, bands, and the verdict with its
arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelscan_catalog.errors import FitInputError, ModelScanError
from modelscan_catalog.fit import formulas
from modelscan_catalog.fit.architecture import Architecture, DeltaNet, Mamba, ShortConvolution, Unsupported
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.card_rules import CardRules, card_rules, crowds, variant_utilization
from modelscan_catalog.fit.cards import Card, card_of
from modelscan_catalog.fit.engine_rules import served_version
from modelscan_catalog.fit.formulas import VariantTerms
from modelscan_catalog.fit.known import corrected_config, known_config, measured_weights_gib, usual_draft
from modelscan_catalog.fit.memory import Plan, contradictions, plan_weights, stages_layout, variant_terms
from modelscan_catalog.fit.offload import offload_answer
from modelscan_catalog.fit.quant_formats import expert_padding
from modelscan_catalog.fit.quantization import Scheme, scheme_of
from modelscan_catalog.fit.requests import FitRequest, read_request
from modelscan_catalog.fit.unsloth import is_notebook, notebook_rank, notebook_sequences
from modelscan_catalog.fit.weights import Parallel

VERDICTS = ("fits", "tight", "does_not_fit")
NO_CARD_GIB = 80.0
"""The card whose default batch stands in where a request names none."""
NO_CARD_BATCH = "; no GPU given: the batch is the default of an 80 GiB card where it is not stated"
EMPTY: dict[str, Any] = {
    "id": None,
    "verdict": "unknown",
    "weights_gib": None,
    "kv_pool_gib": None,
    "kv_bytes_per_token": None,
    "kv_tokens": None,
    "max_concurrency": None,
    "attention_block": None,
    "activation_gib": None,
    "graphs_gib": None,
    "non_torch_gib": None,
    "max_context": None,
    "missing_gib": None,
    "bands": {},
    "reason": "",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be served: architecture, storage scheme and plan."""

    architecture: Architecture
    scheme: Scheme
    plan: Plan


def subject_of(request: FitRequest) -> Subject | Unsupported:
    """The model of a request: its config if given, else the one that its name is known by.

    Raises FitInputError when there is neither, or a field is wrong.
    """
    config, parameters, assumed = request.config, request.exact_params, False
    if config is None:
        known = known_config(request.model) if request.model else None
        if known is None:
            raise FitInputError(
                f"request.model {request.model[:80]!r} is not known here; give its config.json as "
                "request.config",
                field="model",
            )
        config, assumed = known.config, not known.exact
        parameters = parameters or (known.exact_params if known.exact else None)
    elif request.model:
        config = corrected_config(request.model, config)
    architecture = parse_architecture(config)
    if isinstance(architecture, Unsupported):
        return architecture
    if (request.quantization or "").strip().lower() in {"fp32", "float32"}:
        architecture = replace(architecture, dtype_bytes=4)
    if assumed:
        architecture = replace(architecture, assumed=True)
    scheme = scheme_of(
        config, quant_config=request.quant_config, label=request.quantization, model=request.model
    )
    draft = None
    if request.num_spec_tokens is None and not request.draft_gib:
        draft = usual_draft(request.model, request.engine)
    notebook = is_notebook(request)
    parallel = Parallel(request.tp, request.pp, request.ep, request.dp, request.dcp)
    plan = Plan(
        parallel=parallel,
        engine=request.engine,
        engine_version=request.engine_version,
        kv_cache_dtype=request.kv_cache_dtype,
        speculative_tokens=request.num_spec_tokens or 0,
        enforce_eager=request.enforce_eager,
        exact_parameters=parameters,
        checkpoint_bytes=request.checkpoint_bytes,
        lora_rank=notebook_rank(architecture) if notebook else request.lora_rank or 0,
        lora_assumed=notebook,
        lora_count=request.lora_count,
        draft_gib=draft["weights_gib"] if draft else request.draft_gib,
        draft_full_layers=draft["layers"] if draft else 0,
        known_weights_gib=measured_weights_gib(request.model),
        prefix_states=request.prefix_states,
        vision=request.vision,
        rounding=not request.rocm,
        padding=expert_padding(request.gpu),
    )
    return Subject(architecture, scheme, plan)


def evaluate(request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one request of the batch contract; the same request always gives the same answer.

    Keys of the answer are those of `EMPTY`: GiB per GPU of the largest rank, tokens and requests for the
    whole engine at `max_model_len`; None is unknown. Raises FitInputError or UnknownIdError naming the
    field.
    """
    asked = read_request(request)
    answer = _answer(asked)
    if asked.ignored:
        answer["reason"] += f"; unknown fields had no effect: {', '.join(asked.ignored)}"
    return answer


def _answer(asked: FitRequest) -> dict[str, Any]:
    card = card_of(asked)
    version = served_version(asked.engine, asked.engine_version, asked.gpu, notebook=is_notebook(asked))
    asked = replace(asked, engine_version=version)
    subject = subject_of(asked)
    if isinstance(subject, Unsupported):
        return _unsupported(asked, card, subject)
    answer = _modelled(asked, card, subject)
    ignored = contradictions(subject.architecture, subject.scheme, subject.plan)
    answer["reason"] += "".join(f"; ignored: {one}" for one in ignored)
    return answer


def _modelled(asked: FitRequest, card: Card | None, subject: Subject) -> dict[str, Any]:
    """The answer for an architecture that is known."""
    architecture, plan = subject.architecture, subject.plan
    terms = variant_terms(architecture, subject.scheme, plan)
    context = asked.max_model_len or architecture.context
    total = card.total_gib if card else NO_CARD_GIB
    rules = card_rules(
        total,
        card.name if card else "",
        rocm=card.rocm if card else asked.rocm,
        unified=card.unified if card else asked.unified,
        engine=asked.engine,
        version=asked.engine_version,
        max_model_len=context,
        ranks=asked.tp,
        stages=asked.pp,
        pcie=card.pcie if card else False,
    )
    if rules.weights_extra_gib:
        weights = float(terms.weights_gib) + rules.weights_extra_gib
        error = float(terms.weights_relative_error) + rules.weights_extra_error_gib / weights
        terms = replace(terms, weights_gib=weights, weights_relative_error=error)
    utilization = asked.gpu_memory_utilization or variant_utilization(rules, architecture)
    tokens = asked.max_num_batched_tokens or rules.batched_tokens
    sequences = min(asked.max_num_seqs or rules.max_sequences, tokens)
    if plan.lora_assumed:
        tokens = asked.max_num_batched_tokens or context
        usual = notebook_sequences(total * utilization - float(terms.weights_gib))
        sequences = min(asked.max_num_seqs or usual, tokens)
    answer = _memory_terms(asked, subject, terms, tokens, sequences)
    answer["non_torch_gib"] = round(float(terms.non_torch_gib) + rules.non_torch_shift_gib, 4)
    if plan.rules.engine == "llama.cpp":
        return offload_answer(
            answer, architecture, terms, card.total_gib if card else None, context, asked.concurrency
        )
    budget = total * utilization - rules.reserve_gib
    pool = float(budget - terms.weights_gib - formulas.overhead_gib(terms, tokens, sequences))
    spread = _pool_spread(terms, tokens, sequences, rules, card.spread_gib if card else 0.0)
    given = asked.kv_pool_gib
    if given is None and card is None:
        answer["reason"] = "no GPU given: no pool and no verdict" + NO_CARD_BATCH
        return answer
    if given is not None:
        pool, spread = given, 0.0
    answer["kv_pool_gib"] = round(pool, 4)
    answer["bands"]["kv_pool_gib"] = [round(pool - spread, 4), round(pool + spread, 4)]
    _capacity(answer, subject, terms, pool, spread, context, tokens, asked.concurrency)
    need = float(formulas.request_gib(terms, context, tokens)) * asked.concurrency
    _verdict(
        answer,
        subject,
        terms,
        asked,
        rules,
        need=need,
        pool=pool,
        spread=spread,
        budget=budget,
        context=context,
    )
    if given is None and answer["verdict"] == "fits" and crowds(rules, asked.gpu_memory_utilization):
        answer["verdict"] = "tight"
        answer["reason"] += (
            f"; the share {utilization:g} is at the edge of what the system leaves free of unified memory"
        )
    if card is None:
        answer["reason"] += NO_CARD_BATCH
    return answer


def _memory_terms(
    asked: FitRequest, subject: Subject, terms: VariantTerms, tokens: int, sequences: int
) -> dict[str, Any]:
    """The terms that hold on any card."""
    architecture = subject.architecture
    stages = plan_weights(architecture, subject.scheme, subject.plan)
    layout = stages_layout(architecture, subject.scheme, subject.plan, stages)
    weights = float(terms.weights_gib)
    error = weights * float(terms.weights_relative_error)
    recurrent = any(
        isinstance(mixer, DeltaNet | Mamba | ShortConvolution)
        for layer in architecture.layers
        for mixer in (layer.mixer, layer.second_mixer)
    )
    answer: dict[str, Any] = {**EMPTY, "bands": {}, "id": asked.id}
    answer["weights_gib"] = round(weights, 4)
    answer["bands"]["weights_gib"] = [round(weights - error, 4), round(weights + error, 4)]
    answer["kv_bytes_per_token"] = round(layout.token_bytes, 3)
    answer["attention_block"] = layout.attention_block if recurrent else None
    answer["activation_gib"] = round(float(formulas.activation_gib(terms, tokens, sequences)), 4)
    answer["graphs_gib"] = round(float(terms.graphs_gib), 4)
    return answer


def _pool_spread(
    terms: VariantTerms, tokens: int, sequences: int, rules: CardRules, card_spread: float
) -> float:
    low, high = formulas.pool_band_gib(terms, 1.0, 1.0, tokens, sequences)
    return float(np.hypot((high - low) / 2, rules.reserve_error_gib + card_spread))


def _capacity(
    answer: dict[str, Any],
    subject: Subject,
    terms: VariantTerms,
    pool: float,
    spread: float,
    context: int,
    tokens: int,
    concurrency: int,
) -> None:
    """Tokens, requests and the longest context that a pool holds, with their bands."""

    def requests_in(size: float) -> float:
        return float(formulas.capacity_requests(terms, size, float(context), float(tokens)))

    replicas = subject.plan.parallel.data
    requests = requests_in(pool)
    answer["max_concurrency"] = round(requests * replicas, 4)
    answer["kv_tokens"] = reported_tokens(subject.plan, terms, pool, requests, context) * replicas
    longest = float(formulas.max_context_tokens(terms, pool, float(concurrency), float(tokens)))
    answer["max_context"] = int(longest)
    low, high = requests_in(pool - spread), requests_in(pool + spread)
    answer["bands"]["max_concurrency"] = [round(low * replicas, 4), round(high * replicas, 4)]
    answer["bands"]["kv_tokens"] = [
        reported_tokens(subject.plan, terms, pool - spread, low, context) * replicas,
        reported_tokens(subject.plan, terms, pool + spread, high, context) * replicas,
    ]


def reported_tokens(plan: Plan, terms: VariantTerms, pool: float, requests: float, context: int) -> int:
    """The engine's own figure of its cache in tokens.

    From vLLM 0.21 concurrency x length; before, blocks over groups x the smallest block, times the
    decode-context ranks. For hybrids the two differ, and neither is what a request can use.
    """
    if plan.rules.length_capacity:
        return int(requests * context)
    blocks = float(formulas.pool_blocks(terms, pool))
    groups = max(1.0, float(np.sum(np.ceil(terms.kind_groups))))
    growing = np.asarray(terms.kind_block_tokens)[np.asarray(terms.kind_limit_tokens) > 0]
    block = float(np.min(growing)) if growing.size else 1.0
    return int(blocks // groups * block)


def _verdict(
    answer: dict[str, Any],
    subject: Subject,
    terms: VariantTerms,
    asked: FitRequest,
    rules: CardRules,
    *,
    need: float,
    pool: float,
    spread: float,
    budget: float,
    context: int,
) -> None:
    """`fits`, `tight` or `does_not_fit`, with the arithmetic of the binding constraint."""
    short = need - pool
    reference = budget if asked.kv_pool_gib is None else max(need, pool, 1e-9)
    required = reference - pool + need
    code = int(formulas.verdict_codes(required, reference, rules.edge, min(spread, reference * 0.1)))
    answer["verdict"] = VERDICTS[code]
    answer["missing_gib"] = round(max(short, 0.0), 4)
    weights, overhead = float(terms.weights_gib), budget - float(terms.weights_gib) - pool
    if asked.kv_pool_gib is not None:
        answer["reason"] = (
            f"{asked.concurrency} x {context} tokens need {need:.2f} GiB of the given {pool:.2f} GiB"
        )
        return
    binding = "weights" if weights > budget else "weights and overhead" if pool <= 0 else "KV cache"
    left = f"leaves {pool:.2f} GiB for the KV cache" if pool > 0 else f"is {-pool:.2f} GiB over"
    answer["reason"] = (
        f"{binding}: budget {budget:.2f} GiB - weights {weights:.2f} - overhead {overhead:.2f} {left}; "
        f"{asked.concurrency} x {context} tokens need {need:.2f}"
    )
    if subject.plan.lora_assumed:
        answer["reason"] += (
            f"; taken for Unsloth's notebook with LoRA of rank {subject.plan.lora_rank} (give lora_rank, "
            "0 for none)"
        )
    if subject.plan.draft_full_layers:
        answer["reason"] += (
            "; num_spec_tokens is not given: its usual draft model is counted (give 0 for none)"
        )


def _unsupported(asked: FitRequest, card: Card | None, found: Unsupported) -> dict[str, Any]:
    """The answer for a layout that no rule covers: a bound from the bytes that must load."""
    answer: dict[str, Any] = {
        **EMPTY,
        "bands": {},
        "id": asked.id,
        "verdict": "unsupported",
        "reason": found.reason,
    }
    size = asked.checkpoint_bytes
    if size is None and asked.exact_params:
        scheme = scheme_of({}, label=asked.quantization, model=asked.model)
        bits = scheme.default.bits if scheme.default else 16.0
        size = int(asked.exact_params * bits / 8)
    if size is not None:
        weights = size / formulas.GIB / asked.tp / asked.pp
        answer["weights_gib"] = round(weights, 4)
        answer["bands"]["weights_gib"] = [round(weights, 4), round(weights * asked.tp * 1.1, 4)]
        if card is not None and weights > card.total_gib:
            answer["verdict"] = "does_not_fit"
            answer["missing_gib"] = round(weights - card.total_gib, 4)
    return answer


def evaluate_line(request: Any) -> dict[str, Any]:
    """`evaluate`, with bad input as an answer of verdict `unknown` whose reason names the field."""
    try:
        return evaluate(request)
    except ModelScanError as error:
        identity = str(request.get("id", "")) if isinstance(request, Mapping) else ""
        return {**EMPTY, "bands": {}, "id": identity, "reason": str(error)}
