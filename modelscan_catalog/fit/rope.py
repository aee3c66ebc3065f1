"""The rotary cache that an engine allocates beside the weights; logged weights include it."""

from __future__ import annotations

from modelscan_catalog.fit.architecture import (
    Attention,
    CompressedAttention,
    LatentAttention,
    Layer,
    Rope,
)
from modelscan_catalog.fit.fields import Fields
from modelscan_catalog.fit.mixers import Family


def rope_cache(fields: Fields, family: Family, layers: tuple[Layer, ...], context: int) -> Rope | None:
    """Positions x rotary width, in the model's dtype; fp32 for latent attention with YaRN; twice with two
    ropes.

    Positions are `max_position_embeddings`, which YaRN and its like replace with the scaled length
    (original length x factor).
    """
    if family.get("rope") == "none":
        return None
    scaling = fields.mapping("rope_scaling") or fields.mapping("rope_parameters")
    if scaling is not None and "full_attention" in scaling:
        scaling = scaling.mapping("full_attention")
    kind = (scaling.text("rope_type") or scaling.text("type")) if scaling else ""
    original = fields.integer("original_max_position_embeddings", default=0)
    positions = context if scaling is None else _scaled(scaling, kind, context, original)
    mixers = [layer.mixer for layer in layers] + [layer.second_mixer for layer in layers]
    latent = [mixer for mixer in mixers if isinstance(mixer, LatentAttention | CompressedAttention)]
    if latent:
        return Rope(positions, latent[0].rope_dim, 4)
    plain = [mixer for mixer in mixers if isinstance(mixer, Attention)]
    if not plain:
        return None
    share = fields.number("partial_rotary_factor", float(family.get("rotary_share", 1.0)))
    if scaling is not None:
        share = scaling.number("partial_rotary_factor", share)
    width = fields.integer("rotary_dim", default=0) or int(plain[0].head_dim * share)
    if family.get("two_ropes") and len({mixer.kind for mixer in plain}) > 1:
        positions += context
    if family.get("mrope") or (scaling is not None and "mrope_section" in scaling):
        positions *= 4  # vLLM's MRotaryEmbedding keeps four times the positions, for long videos
    return Rope(positions, width, 2)


def _scaled(scaling: Fields, kind: str, context: int, original: int) -> int:
    """Positions in the cache of a scaled rope (vLLM's `rotary_embedding` classes).

    YaRN counts from the original length, linear and dynamic scaling from the declared one; long rope keeps a
    cache for the original length beside the declared one.
    """
    original = scaling.integer("original_max_position_embeddings", default=original)
    factor = scaling.number("factor", 1.0)
    if kind in {"yarn", "deepseek_yarn"}:
        return int(original * factor) if original else int(context * max(1.0, factor))
    if kind in {"linear", "dynamic"}:
        return int(context * max(1.0, factor))
    if kind in {"longrope", "su"}:
        return context + original
    return context
