"""Requests of Unsloth's notebooks: what its loader sets in vLLM where the request leaves it open."""

from __future__ import annotations

from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.requests import FitRequest
from modelscan_catalog.fit.tables import table
from modelscan_catalog.fit.tensors import parameter_count


def is_notebook(asked: FitRequest) -> bool:
    """Whether a request is taken for a notebook: an unsloth/ checkpoint on one card under vLLM, with a
    length, a share of the card, and nothing said of LoRA.
    """
    alone = asked.tp == asked.pp == asked.dp == 1 and asked.engine == "vllm"
    sized = asked.gpu_memory_utilization is not None and asked.max_model_len is not None
    owner = str(table("fit/unsloth.json")["owner"])
    return asked.model.lower().startswith(owner) and alone and sized and asked.lora_rank is None


def notebook_rank(architecture: Architecture) -> int:
    """The LoRA rank that Unsloth's notebooks use for a model of this size."""
    facts, parameters = table("fit/unsloth.json"), parameter_count(architecture)
    ranks = [int(one["rank"]) for one in facts["ranks"] if parameters <= one["up_to_parameters"]]
    return ranks[0] if ranks else int(facts["rank"])


def notebook_sequences(left_gib: float) -> int:
    """Sequences that Unsloth's loader asks for, by the GiB of the budget beside weights and LoRA."""
    facts = table("fit/unsloth.json")
    fitting = [int(one["sequences"]) for one in facts["sequences"] if left_gib <= one["up_to_gib"]]
    return fitting[0] if fitting else int(facts["most_sequences"])
