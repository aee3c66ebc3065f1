"""What an engine version does on a card by default: its share, its batch, and what the platform takes."""

from __future__ import annotations

from dataclasses import dataclass

from modelscan_catalog.fit.architecture import Architecture, CompressedAttention, LatentAttention
from modelscan_catalog.fit.engine_rules import (
    batch_defaults,
    default_utilization,
    engine_rules,
    latent_cut,
)
from modelscan_catalog.fit.memory import context_gib, non_torch_gib
from modelscan_catalog.fit.tables import constant, table

SMALL_CARD_GIB = 38.0
"""Cards under it (T4, L4, consumer cards) logged less non-torch memory than A100 and H100."""

CONTEXT_CARD_GIB = 79.2
"""The cards that `non_torch_context` was logged on."""


@dataclass(frozen=True, slots=True)
class CardRules:
    """What an engine does on a card by default, whatever the variant."""

    utilization: float
    """Before what the variant changes of it (`variant_utilization`)."""
    latent_cut: float
    """Share of the card that latent attention takes off SGLang's default."""
    vision_cut: bool
    """The default share shrinks with an image tower (SGLang)."""
    batched_tokens: int
    max_sequences: int
    edge: float
    """Share of the budget within which a verdict is `tight`."""
    weights_extra_gib: float
    weights_extra_error_gib: float
    """Logged with the weights on this platform (ROCm's runtime), and the doubt about it."""
    reserve_gib: float
    """Taken off the budget on this platform: unified memory holds the system too, ROCm its runtime. It
    includes what the card's non-torch memory differs by from the variant's term (`non_torch_shift_gib`)."""
    non_torch_shift_gib: float
    reserve_error_gib: float
    free_share: float
    """Share of the card that is free before the engine starts: unified memory holds the system too."""


def card_rules(
    total_gib: float,
    name: str = "",
    *,
    rocm: bool = False,
    unified: bool = False,
    engine: str = "vllm",
    version: str = "",
    max_model_len: int = 8192,
    ranks: int = 1,
    stages: int = 1,
    pcie: bool = False,
) -> CardRules:
    """An engine version's defaults on a card of `total_gib` (driver's figure), by its name and kind.

    `ranks` is the tensor-parallel size, `stages` the pipeline's, `pcie` that the cards have no faster
    link between them.

    Raises FitInputError for an unknown engine or version.
    """
    rules = engine_rules(engine, version)
    # NVML gives no size on unified memory: vLLM's smallest tier holds; SGLang asks CUDA then
    seen_gib = 0.0 if unified and rules.engine != "sglang" else total_gib
    sequences, tokens = batch_defaults(rules, seen_gib, name, max_model_len)
    shift = non_torch_gib(ranks, small=total_gib < SMALL_CARD_GIB, pcie=pcie) - non_torch_gib(ranks)
    # a context grows with the card; the constant is an 80 GB card's (an estimate: no run shows it)
    shift -= context_gib(rules, ranks) * max(0.0, 1 - total_gib / CONTEXT_CARD_GIB)
    reserve = shift
    if unified:
        reserve += constant("sglang_unified" if rules.engine == "sglang" else "unified_extra")
    if rocm:
        reserve += constant("rocm_reserve")
    return CardRules(
        utilization=default_utilization(rules, total_gib, ranks, stages),
        latent_cut=latent_cut(rules, total_gib),
        vision_cut=rules.vision_cut,
        batched_tokens=tokens,
        max_sequences=min(sequences, tokens),
        edge=constant("verdict_edge"),
        weights_extra_gib=(constant("rocm_weights") if rocm else 0.0)
        + (constant("sglang_weights") if rules.engine == "sglang" else 0.0),
        weights_extra_error_gib=float(table("fit/bands.json")["rocm_weights_gib"]) if rocm else 0.0,
        reserve_gib=reserve,
        non_torch_shift_gib=shift,
        reserve_error_gib=float(table("fit/bands.json")["unified_gib"]) if unified else 0.0,
        free_share=constant("unified_free") if unified else 1.0,
    )


def is_latent(architecture: Architecture) -> bool:
    """Whether any layer has multi-head latent attention."""
    return any(
        isinstance(layer.mixer, LatentAttention | CompressedAttention) for layer in architecture.layers
    )


def vision_share(architecture: Architecture) -> float:
    """What SGLang leaves of its default share for a model with an image tower: 0.95, less for towers larger
    than ViT-L, a little more for smaller ones; 1 without. (`adjust_mem_fraction_for_vlm`, which reads the
    config's num_hidden_layers and hidden_size; here the tower's own depth and width, which differ from those
    fields in Qwen's families.)
    """
    tower = architecture.vision
    if tower is None:
        return 1.0
    size = tower.depth * tower.hidden**2 / (24 * 1024**2)
    return 0.95 * max(0.8, min(1.05, 1.0 - 0.1 * (size - 1.0)))


def variant_utilization(rules: CardRules, architecture: Architecture) -> float:
    """The default share of the card for a variant: SGLang's depends on its attention and image tower."""
    share = rules.utilization - (rules.latent_cut if is_latent(architecture) else 0.0)
    return share * vision_share(architecture) if rules.vision_cut else share


def crowds(rules: CardRules, asked_share: float | None) -> bool:
    """Whether a share that was asked for is at or over the edge of what the card has free at the start."""
    return (
        asked_share is not None and asked_share > rules.free_share * (1 - rules.edge) and rules.free_share < 1
    )
