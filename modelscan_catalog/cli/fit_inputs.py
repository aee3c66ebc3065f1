"""What ``modelscan fit`` is asked, read from the command line and from files: every complaint is one line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.architecture import Unsupported
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.profiles import GpuProfile, resolve_gpu
from modelscan_catalog.fit.quantization import scheme_of

MOST_CONFIG_BYTES = 2_000_000
"""The longest real config.json, with every layer's quantization listed, has a quarter of this."""
MOST_INDEX_BYTES = 64_000_000
_MULTIPLES = {"k": 1024, "m": 1024 * 1024}


class Whole(click.ParamType[int]):
    """A whole number; ``32k`` is 32 x 1024."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip().lower().replace("_", "").replace(",", "")
        unit = _MULTIPLES.get(text[-1:], 1)
        digits = text[:-1] if unit > 1 else text
        try:
            return int(digits) * unit
        except ValueError:
            name = param.name if param is not None and param.name else "number"
            raise FitInputError(f"{name}: {text[:40]!r} is no whole number", field=name) from None


class Number(click.ParamType[float]):
    """A number, finite or not; the planner checks its range."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return float(value)
        except ValueError:
            name = param.name if param is not None and param.name else "number"
            raise FitInputError(f"{name}: {str(value)[:40]!r} is no number", field=name) from None


def cards(text: str | None) -> tuple[GpuProfile, int, str]:
    """Profile, count and a remark: what ``--gpu`` names, else the GPUs of this machine.

    Raises ``FitInputError`` (field ``gpu``) when there is neither, ``UnknownIdError`` for a name.
    """
    if text is not None:
        profile, count = resolve_gpu(text)
        return profile, count, ""
    from modelscan_catalog.deploy.gpu import detect_gpus

    found = detect_gpus()
    group = found.group()
    if not group or group[0].profile is None:
        seen = ", ".join(dict.fromkeys(gpu.name for gpu in found.gpus))
        why = f"no profile is known for {seen}" if seen else f"this machine has no GPU ({found.note})"
        own = "; `modelscan plan` takes a card by its memory" if group else ""
        raise FitInputError(
            f"gpu: {why}; name the cards, such as --gpu rtx-4090 or h100-80gb:8 (`modelscan gpus`){own}",
            field="gpu",
        )
    others = len(found.gpus) - len(group)
    remark = f"found on this machine{f'; {others} other GPUs left out' if others else ''}"
    return group[0].planning_profile(), len(group), remark


def engine_of(text: str | None) -> tuple[str | None, str | None]:
    """``vllm@0.33.0`` as engine and version; null leaves the choice to the planner.

    Raises ``FitInputError`` for an engine without rules or a version that its tables cannot answer for.
    """
    if text is None:
        return None, None
    from modelscan_catalog.registry.planning import known_engine

    engine, _, version = text.strip().lower().partition("@")
    return known_engine(engine, version or None)


def read_document(path: Path, field: str, most_bytes: int = MOST_CONFIG_BYTES) -> Mapping[str, Any]:
    """The JSON object of a file; raises ``FitInputError`` naming ``field`` and the file for anything else."""
    where = f"{field}: {path}"
    try:
        size = path.stat().st_size
        if size > most_bytes:
            raise FitInputError(
                f"{where} has {size / 1e6:.1f} MB; such a file has at most {most_bytes / 1e6:g} MB",
                field=field,
            )
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise FitInputError(f"{where} cannot be read ({error.strerror})", field=field) from error
    except (ValueError, RecursionError) as error:
        raise FitInputError(f"{where} is not JSON ({str(error)[:80]})", field=field) from error
    if not isinstance(found, dict):
        raise FitInputError(f"{where} holds no JSON object", field=field)
    return found


def variant_of_files(
    config: Path,
    quant_config: Path | None,
    safetensors_index: Path | None,
    parameters: int | None,
    quantization: str | None,
) -> tuple[FitVariant, str]:
    """The checkpoint that the files describe, and why its architecture is not known (empty when it is).

    Raises ``FitInputError`` naming the field of an unusable file or value.
    """
    facts = read_document(config, "config")
    quant = read_document(quant_config, "quant_config") if quant_config is not None else None
    size = None
    if safetensors_index is not None:
        metadata = read_document(safetensors_index, "safetensors_index", MOST_INDEX_BYTES).get("metadata")
        total = metadata.get("total_size") if isinstance(metadata, dict) else None
        if isinstance(total, bool) or not isinstance(total, int | float) or not 1 <= total < 1 << 52:
            raise FitInputError(
                f"safetensors_index: {safetensors_index} has no metadata.total_size in bytes ({total!r:.40})",
                field="safetensors_index.metadata.total_size",
            )
        size = int(total)
    if parameters is not None and not 1 <= parameters < 1 << 50:
        raise FitInputError(f"parameters: {parameters} is no parameter count", field="parameters")
    parsed = parse_architecture(facts, quant_config=quant)
    scheme = scheme_of(facts, quant_config=quant, label=quantization)
    known = None if isinstance(parsed, Unsupported) else parsed
    variant = FitVariant(
        variant_id=str(config),
        model_id=str(config),
        repo="",
        architecture=known,
        scheme=scheme,
        weights_bytes=size,
        parameters=parameters,
        declared_context=parsed.context or None,
    )
    return variant, parsed.reason if isinstance(parsed, Unsupported) else ""
