"""The few facts of a hub repository by which two repositories are told to be the same or not."""

import json
from dataclasses import dataclass, field
from typing import Any

from modelscan_catalog.sources.staged import HuggingFaceRepo, ModelScopeRepo

_TEXT_CONFIGS = ("text_config", "llm_config", "language_config", "thinker_config")
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers")
_HIDDEN = ("hidden_size", "n_embd", "d_model")
PARAMETER_TOLERANCE = 0.02
"""Relative difference below which two totals are one: counts differ by tied embeddings and buffers."""


@dataclass(frozen=True)
class RepoFacts:
    """Facts of one repository; null where its hub says nothing."""

    model_type: str | None = None
    architectures: tuple[str, ...] = ()
    layers: int | None = None
    hidden_size: int | None = None
    vocab_size: int | None = None
    parameters: int | None = None
    config_sha256: str | None = None
    weight_sha256s: frozenset[str] = frozenset()
    license: str | None = None
    context: int | None = None
    dtype: str | None = None
    config: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The language model's part of a configuration, which multimodal models nest."""
    for name in _TEXT_CONFIGS:
        nested = config.get(name)
        if isinstance(nested, dict) and nested:
            return text_config(nested)
    return config


def parsed_config(text: str | None) -> dict[str, Any]:
    """A configuration's facts, or nothing when there is none or it is no object."""
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _whole(config: dict[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def repo_facts(repo: HuggingFaceRepo | ModelScopeRepo) -> RepoFacts:
    """Read the facts of a staged repository."""
    config = parsed_config(repo.config_json)
    text = text_config(config)
    parameters = repo.safetensors_total if isinstance(repo, HuggingFaceRepo) else None
    licenses = (
        repo.licenses if isinstance(repo, HuggingFaceRepo) else ((repo.license,) if repo.license else ())
    )
    dtype = text.get("torch_dtype") or text.get("dtype") or config.get("torch_dtype") or config.get("dtype")
    architectures = config.get("architectures")
    return RepoFacts(
        model_type=_text(config.get("model_type")) or repo.model_type,
        architectures=repo.architectures
        or (tuple(str(a) for a in architectures) if isinstance(architectures, list) else ()),
        layers=_whole(text, _LAYERS),
        hidden_size=_whole(text, _HIDDEN),
        vocab_size=_whole(text, ("vocab_size",)),
        parameters=parameters,
        config_sha256=repo.config_sha256,
        weight_sha256s=frozenset(f.sha256 for f in repo.files if f.sha256 and is_weight_file(f.path)),
        license=licenses[0].lower() if len(licenses) == 1 else None,
        context=_whole(text, ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len"))
        or _whole(config, ("max_position_embeddings",)),
        dtype=dtype if isinstance(dtype, str) else None,
        config=config,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def is_weight_file(path: str) -> bool:
    """Whether a repository file holds weights."""
    return path.endswith((".safetensors", ".gguf", ".bin", ".pt", ".pth"))


@dataclass(frozen=True)
class Comparison:
    """Names of the facts on which two repositories agree, and those on which they do not."""

    agree: tuple[str, ...]
    differ: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"same {name}" for name in self.agree] + [f"other {name}" for name in self.differ]
        return ", ".join(parts) or "no fact to compare"


def compare_twins(a: RepoFacts, b: RepoFacts) -> Comparison:
    """Compare two copies that would hold the same weights."""
    agree, differ = _shape(a, b)
    if a.parameters and b.parameters:
        near = abs(a.parameters - b.parameters) <= PARAMETER_TOLERANCE * max(a.parameters, b.parameters)
        (agree if near else differ).append("parameters")
    if a.config_sha256 and a.config_sha256 == b.config_sha256:
        agree.append("config_sha256")
    if a.weight_sha256s & b.weight_sha256s:
        agree.append("weight_sha256")
    if a.license and a.license == b.license:
        agree.append("license")
    return Comparison(tuple(agree), tuple(differ))


def compare_base(quantized: RepoFacts, base: RepoFacts) -> Comparison:
    """Compare a quantized checkpoint with its supposed base: the shape only, for packed weights are counted
    differently by publisher."""
    agree, differ = _shape(quantized, base)
    return Comparison(tuple(agree), tuple(differ))


def _shape(a: RepoFacts, b: RepoFacts) -> tuple[list[str], list[str]]:
    agree: list[str] = []
    differ: list[str] = []
    for name in ("model_type", "architectures", "layers", "hidden_size"):
        one, other = getattr(a, name), getattr(b, name)
        if one and other:
            (agree if one == other else differ).append(name)
    return agree, differ
