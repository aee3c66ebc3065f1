"""GGUF under llama.cpp: what fits on the card, and how many layers stay on it when not all do."""

from __future__ import annotations

from math import floor
from typing import Any

from modelscan_catalog.fit import formulas
from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.formulas import GIB, VariantTerms

BATCH = 512
"""llama.cpp's default micro-batch: its compute buffer holds the logits and activations of that many tokens.
"""


def compute_buffer_gib(architecture: Architecture) -> float:
    """llama.cpp's compute buffer: fp32 logits and activations of a micro-batch."""
    return BATCH * 4.0 * (architecture.vocabulary + 6 * architecture.hidden) / GIB


def offload_answer(
    answer: dict[str, Any],
    architecture: Architecture,
    terms: VariantTerms,
    total_gib: float | None,
    context: int,
    concurrency: int,
) -> dict[str, Any]:
    """The answer under llama.cpp: `fits`, `tight`, or `offload_only` with the layers that stay on the card.

    llama.cpp reserves the whole context when it starts; what does not fit stays in system memory, layer by
    layer.
    """
    buffer = compute_buffer_gib(architecture)
    weights = float(terms.weights_gib)
    cache = float(formulas.request_gib(terms, float(context), 0.0)) * concurrency
    answer["activation_gib"] = round(buffer, 4)
    answer["graphs_gib"] = 0.0
    if total_gib is None:
        answer["reason"] = "no GPU given: weights and bytes a token only"
        return answer
    pool = total_gib - weights - buffer - float(terms.non_torch_gib)
    need = weights + buffer + float(terms.non_torch_gib) + cache
    answer["kv_pool_gib"] = round(pool, 4)
    answer["max_context"] = int(formulas.max_context_tokens(terms, pool, float(concurrency), 0.0))
    answer["max_concurrency"] = round(float(formulas.capacity_requests(terms, pool, float(context), 0.0)), 4)
    answer["kv_tokens"] = int(answer["max_concurrency"] * context)
    answer["missing_gib"] = round(max(need - total_gib, 0.0), 4)
    code = int(formulas.verdict_codes(need, total_gib, 0.03))
    if code != formulas.DOES_NOT_FIT:
        answer["verdict"] = ("fits", "tight")[code]
        answer["reason"] = (
            f"weights {weights:.2f} + KV {cache:.2f} + buffers {buffer:.2f} of {total_gib:.2f} GiB"
        )
        return answer
    layers = len(architecture.layers)
    each = (weights + cache) / (layers + 1)
    held = max(0, min(layers, floor((total_gib - buffer - float(terms.non_torch_gib)) / each)))
    answer["verdict"] = "offload_only"
    answer["reason"] = (
        f"{held} of {layers} layers fit on the card; {answer['missing_gib']:.2f} GiB stay in system memory"
    )
    return answer
