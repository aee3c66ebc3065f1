"""Parameters of the image, video and audio towers beside the text model, from their configs or a named
default.
"""

from __future__ import annotations

from typing import Any

from modelscan_catalog.fit.architecture import VisionTower
from modelscan_catalog.fit.fields import Fields
from modelscan_catalog.fit.tables import table


def _transformer(depth: int, hidden: int, inner: int, gated: bool, bias: bool, norm: int) -> int:
    """Parameters of `depth` encoder layers: attention, MLP, two norms of `norm` vectors each."""
    attention = 4 * hidden * hidden + (4 * hidden if bias else 0)
    width = 3 if gated else 2
    mlp = width * hidden * inner + ((inner * (width - 1) + hidden) if bias else 0)
    return depth * (attention + mlp + 2 * norm * hidden)


def _qwen2_vl(fields: Fields, hidden: int) -> int:
    width, depth = (
        fields.integer("embed_dim", "hidden_size", default=1280),
        fields.integer("depth", default=32),
    )
    if "embed_dim" not in fields and width == hidden:
        width = 1280
    inner = int(width * fields.number("mlp_ratio", 4))
    merged = 4 * width
    merger = 2 * width + merged * merged + merged + merged * hidden + hidden
    return _patch(fields, width) + _transformer(depth, width, inner, False, True, 2) + merger


def _patch(fields: Fields, width: int) -> int:
    size, frames = fields.integer("patch_size", default=14), fields.integer("temporal_patch_size", default=2)
    return 3 * frames * size * size * width


def _qwen2_5_vl(fields: Fields, hidden: int) -> int:
    width, depth = fields.integer("hidden_size", default=1280), fields.integer("depth", default=32)
    inner = fields.integer("intermediate_size", default=3420)
    merged = 4 * width
    merger = width + merged * merged + merged + merged * hidden + hidden
    return _patch(fields, width) + _transformer(depth, width, inner, True, True, 1) + merger


def _qwen3_vl(fields: Fields, hidden: int) -> int:
    width, depth = fields.integer("hidden_size", default=1152), fields.integer("depth", default=27)
    inner = fields.integer("intermediate_size", default=4304)
    size, frames = fields.integer("patch_size", default=16), fields.integer("temporal_patch_size", default=2)
    patch = 3 * frames * size * size * width + width
    positions = fields.integer("num_position_embeddings", default=2304) * width
    merged = 4 * width
    merger = 2 * width + merged * merged + merged + merged * hidden + hidden
    deep = len(fields.sequence("deepstack_visual_indexes"))
    deepstack = deep * (2 * merged + merged * merged + merged + merged * hidden + hidden)
    return patch + positions + _transformer(depth, width, inner, False, True, 2) + merger + deepstack


def _siglip(fields: Fields, hidden: int, projector: int) -> int:
    width = fields.integer("hidden_size", default=1152)
    depth, inner = (
        fields.integer("num_hidden_layers", default=27),
        fields.integer("intermediate_size", default=4304),
    )
    size = fields.integer("patch_size", default=14)
    side = fields.integer("image_size", default=896) // size
    patch = 3 * size * size * width + width + side * side * width
    return patch + _transformer(depth, width, inner, False, True, 2) + 2 * width + projector


def _gemma3(fields: Fields, hidden: int) -> int:
    width = fields.integer("hidden_size", default=1152)
    return _siglip(fields, hidden, width + width * hidden)


def _gemma4(fields: Fields, hidden: int) -> int:
    width, depth = fields.integer("hidden_size", default=768), fields.integer("num_hidden_layers", default=16)
    inner, head = fields.integer("intermediate_size", default=3072), fields.integer("head_dim", default=64)
    size, positions = (
        fields.integer("patch_size", default=16),
        fields.integer("position_embedding_size", default=10240),
    )
    layer = 4 * width * width + 3 * width * inner + 4 * width + 2 * head
    return depth * layer + 3 * size * size * width + 2 * positions * width + width * hidden


def _llama4(fields: Fields, hidden: int) -> int:
    width, depth = (
        fields.integer("hidden_size", default=1408),
        fields.integer("num_hidden_layers", default=34),
    )
    inner, out = (
        fields.integer("intermediate_size", default=5632),
        fields.integer("vision_output_dim", default=4096),
    )
    size = fields.integer("patch_size", default=14)
    side = fields.integer("image_size", default=336) // size
    embedding = 3 * size * size * width + (side * side + 2) * width + 4 * width
    adapter = inner * out + out * out
    return embedding + _transformer(depth, width, inner, False, True, 2) + adapter + out * hidden


def _mllama(fields: Fields, hidden: int) -> int:
    width, depth = (
        fields.integer("hidden_size", default=1280),
        fields.integer("num_hidden_layers", default=32),
    )
    depth += fields.integer("num_global_layers", default=8)
    inner, size = fields.integer("intermediate_size", default=5120), fields.integer("patch_size", default=14)
    tokens = (fields.integer("image_size", default=560) // size) ** 2 + 1
    tiles = fields.integer("max_num_tiles", default=4)
    tile_embedding = (tiles * tiles // 2 + 1) * tiles * width
    positions = tokens * width + (tiles * tiles // 2 + 1) * tiles * tokens * width + 2 * tile_embedding
    output = fields.integer("vision_output_dim", default=7680)
    encoder = _transformer(depth, width, inner, False, False, 2) + depth * (inner + width)
    return 3 * size * size * width + positions + encoder + 5 * width + output * hidden + hidden


def _generic(fields: Fields, hidden: int) -> int:
    """A plain vision transformer with a two-layer projector: CLIP, InternViT, Pixtral, MoonViT and their
    like.
    """
    width = fields.integer("hidden_size", "vt_hidden_size", "width", "embed_dim", default=1024)
    depth = fields.integer("num_hidden_layers", "depth", "layers", "vt_num_hidden_layers", default=24)
    depth += fields.integer("num_global_layers", default=0)
    inner = fields.integer("intermediate_size", "vt_intermediate_size", default=0)
    inner = inner or int(width * fields.number("mlp_ratio", 4.0))
    gated = fields.text("model_type") in {"pixtral", "glm4v", "glm4v_moe"}
    size = fields.integer("patch_size", default=14)
    merge = fields.integer("spatial_merge_size", default=1)
    merged = width * merge * merge
    projector = merged * hidden + hidden * hidden
    return 3 * size * size * width + _transformer(depth, width, inner, gated, not gated, 2) + projector


BUILDERS = {
    "qwen2_vl": _qwen2_vl,
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen2_5_omni_vision_encoder": _qwen2_5_vl,
    "qwen3_vl": _qwen3_vl,
    "qwen3_vl_moe": _qwen3_vl,
    "qwen3_5": _qwen3_vl,
    "qwen3_5_moe": _qwen3_vl,
    "siglip_vision_model": _gemma3,
    "gemma3": _gemma3,
    "gemma4_vision": _gemma4,
    "gemma4": _gemma4,
    "llama4_vision_model": _llama4,
    "llama4": _llama4,
    "mllama_vision_model": _mllama,
    "mllama": _mllama,
}
QWEN = {"qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"}
SHARDED = QWEN | {"siglip_vision_model", "gemma3"}


def _patches(kind: str) -> int:
    """Qwen's towers take images of any size up to 65,536 patches; the others have a fixed size."""
    return 65_536 if kind in QWEN else 4_096


def vision_tower(
    document: Fields, hidden: int, family_default: str, names_vision: bool, name: str = ""
) -> VisionTower | None:
    """The tower of a config; the family's published one when the config names a multimodal class and omits
    it.

    `family_default` is the family's entry in `registry/fit/families.json`; `names_vision` says that the
    checkpoint's class is a multimodal one.
    """
    by_class = table("fit/vision_towers.json")["classes"]
    family_default = family_default or str(by_class.get(name, ""))
    given = document.mapping("vision_config") or document.mapping("siglip_config")
    if given is not None:
        kind = given.text("model_type")
        if kind not in BUILDERS and family_default in BUILDERS:
            kind = family_default
        return _tower(kind, given, hidden, "vision_config")
    if not (names_vision and family_default):
        return None
    defaults: dict[str, Any] = table("fit/vision_towers.json")["towers"]
    if family_default not in defaults:
        return None
    values = Fields(defaults[family_default], f"registry/fit/vision_towers.json {family_default}")
    source = f"the published {family_default} tower; the config leaves its tower out"
    return _tower(family_default, values, hidden, source)


def _tower(kind: str, fields: Fields, hidden: int, source: str) -> VisionTower:
    width = fields.integer("embed_dim", "hidden_size", "width", "vt_hidden_size", default=1024)
    if kind == "qwen2_vl" and "embed_dim" not in fields and width == hidden:
        width = 1280
    depth = fields.integer("depth", "num_hidden_layers", "layers", "vt_num_hidden_layers", default=24)
    inner = fields.integer("intermediate_size", "vt_intermediate_size", default=0)
    inner = inner or int(width * fields.number("mlp_ratio", 4.0))
    gated = kind in {"qwen2_5_vl", "gemma4", "gemma4_vision", "pixtral", "pixtral_1024", "glm4v"}
    return VisionTower(
        parameters=BUILDERS.get(kind, _generic)(fields, hidden),
        sharded=kind in SHARDED,
        hidden=width,
        patches=_patches(kind),
        depth=depth,
        layer_matrices=(3 * width * width, width * width, (2 if gated else 1) * width * inner, width * inner),
        source=source,
    )
