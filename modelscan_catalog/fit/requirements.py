"""The memory that a checkpoint asks for at two loads, whatever the card: the least and a comfortable one."""

from dataclasses import dataclass

from modelscan_catalog.fit import formulas
from modelscan_catalog.fit.engine_rules import engine_rules
from modelscan_catalog.fit.matrix_terms import FitVariant, served_terms
from modelscan_catalog.fit.memory import Plan
from modelscan_catalog.fit.weights import Parallel

LEAST_CONTEXT, LEAST_REQUESTS = 4096, 1
COMFORTABLE_CONTEXT, COMFORTABLE_REQUESTS = 32768, 8
"""Tokens a request and requests at once; the declared context where it is shorter."""
_BATCHED_TOKENS, _MAX_SEQUENCES = 2048, 256
"""The server's defaults on cards below 70 GiB."""


@dataclass(frozen=True)
class MemoryRequirement:
    """GiB of GPU memory on one card, the engine's reserve included."""

    least_gib: float
    comfortable_gib: float


def memory_requirement(variant: FitVariant) -> MemoryRequirement | None:
    """What ``variant`` needs on one card under vLLM; None where its architecture or scheme is not known.

    The need at a load divided by the share of the card that the engine takes (its default utilization).
    """
    if variant.architecture is None or variant.scheme is None:
        return None
    plan = Plan(
        parallel=Parallel(),
        engine="vllm",
        exact_parameters=variant.parameters,
        checkpoint_bytes=variant.weights_bytes,
    )
    terms = served_terms(variant.architecture, variant.scheme, plan)
    utilization = engine_rules("vllm", "").utilization
    declared = variant.declared_context or COMFORTABLE_CONTEXT

    def need(context: int, requests: int) -> float:
        required = formulas.required_gib(
            terms, float(min(context, declared)), float(requests), _BATCHED_TOKENS, _MAX_SEQUENCES
        )
        return float(required) / utilization

    return MemoryRequirement(
        need(LEAST_CONTEXT, LEAST_REQUESTS), need(COMFORTABLE_CONTEXT, COMFORTABLE_REQUESTS)
    )
