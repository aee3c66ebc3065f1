"""Turns other projects' recorded contracts (flag matrices, OpenAPI, CRDs) into the committed facts.

Run when a new engine or target version is recorded: ``modelscan contracts carry CONTRACTS``.
Names, types, choices, defaults and enums are carried; descriptions and help texts are not.
"""

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.carry_schemas import carry_crds, carry_kubernetes_model, compact_schema
from modelscan_catalog.manifests.flags import read_parameters
from modelscan_catalog.store import write_bytes

_PARSER_FLAGS = {"--tool-call-parser": "tool", "--reasoning-parser": "reasoning"}


def carry_vllm(matrix: Mapping[str, Any], newest: Mapping[str, Any]) -> dict[str, Any]:
    """Flag table of all recorded vLLM versions; types and defaults as the newest version has them.

    ``matrix`` maps a version to its flags, parsers, quantizations and architectures; ``newest`` has the
    details of one version. ``versions`` of an entry is left out where all versions have it.
    """
    versions = list(matrix)
    flags: dict[str, dict[str, Any]] = {}
    for name in _in_order(matrix[version]["flags"] for version in versions):
        seen = {v: matrix[v]["flags"][name] for v in versions if name in matrix[v]["flags"]}
        last = next(reversed(seen.values()))
        detail = dict(newest["flags"].get(name, {}))
        entry: dict[str, Any] = {
            "versions": _unless_all(list(seen), versions),
            "deprecated": [v for v, flag in seen.items() if flag["deprecated"]],
            "aliases": last.get("short", []),
            "type": _vllm_type(detail, last),
            "default": _literal(detail.get("default", last.get("default"))),
            "choices": _literal(detail.get("choices")),
        }
        flags[name] = {key: value for key, value in entry.items() if value not in (None, [])}
    return {
        "engine": "vllm",
        "versions": versions,
        "flags": flags,
        **{
            group: _by_version(matrix, group, versions)
            for group in (
                "tool_parsers",
                "reasoning_parsers",
                "quantization",
                "deprecated_quantization",
                "architectures",
            )
        },
    }


def carry_sglang(document: Mapping[str, Any]) -> dict[str, Any]:
    """Flag table of the one recorded SGLang version, in the shape of ``carry_vllm``."""
    version = document["version"]
    flags = {}
    for name, flag in document["flags"].items():
        choices = flag["choices"]
        if choices == "QUANTIZATION_CHOICES":
            choices = document["quantization"]
        entry = {
            "deprecated": [version] if flag["deprecated"] else [],
            "aliases": flag["aliases"],
            "type": flag["type"],
            "default": _literal(flag["default"]),
            "choices": choices if isinstance(choices, list) else _literal_choices(flag["type"]),
            "replacement": flag.get("replacement"),
        }
        flags[name] = {key: value for key, value in entry.items() if value not in (None, [])}
    return {
        "engine": "sglang",
        "versions": [version],
        "flags": flags,
        "deprecated_values": document["deprecated_values"],
        **{
            group: dict.fromkeys(document[group])
            for group in ("tool_parsers", "reasoning_parsers", "quantization")
        },
        "deprecated_quantization": {},
        "architectures": {},
    }


def carry_parsers(recipes: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Which tool and reasoning parser the recipes give each checkpoint, in vLLM's names.

    ``recipes`` are parsed recipe files; a checkpoint on whose parser two recipes differ is left out.
    """
    chosen: dict[str, dict[str, set[str]]] = {}
    for recipe in recipes:
        model = recipe.get("model") or {}
        words = [str(word) for word in model.get("base_args") or ()]
        for feature in (recipe.get("features") or {}).values():
            words += [str(word) for word in (feature or {}).get("args") or ()]
        repos = [model.get("model_id")]
        repos += [(variant or {}).get("model_id") for variant in (recipe.get("variants") or {}).values()]
        for parameter in read_parameters(words)[0]:
            kind = _PARSER_FLAGS.get(parameter.name)
            for repo in repos:
                if repo and kind and parameter.value:
                    chosen.setdefault(repo, {}).setdefault(kind, set()).add(parameter.value)
    return {
        repo: {kind: next(iter(names)) for kind, names in sorted(kinds.items()) if len(names) == 1}
        for repo, kinds in sorted(chosen.items())
    }


def _in_order(groups: Iterable[Iterable[str]]) -> list[str]:
    return sorted({name for group in groups for name in group})


def _unless_all(some: list[str], versions: Sequence[str]) -> list[str] | None:
    return None if len(some) == len(versions) else some


def _by_version(
    matrix: Mapping[str, Any], group: str, versions: Sequence[str]
) -> dict[str, list[str] | None]:
    return {
        name: _unless_all([v for v in versions if name in matrix[v][group]], versions)
        for name in _in_order(matrix[v][group] for v in versions)
    }


def _vllm_type(detail: Mapping[str, Any], flag: Mapping[str, Any]) -> str | None:
    action = str(detail.get("action", ""))
    if "store_true" in action:
        return "switch"
    if "BooleanOptionalAction" in action:
        return "bool"
    named = detail.get("type", flag.get("type"))
    return named if isinstance(named, str) and named.isidentifier() else None


def _literal(text: Any) -> Any:
    """The value that ``text`` writes in Python, or null when it is an expression."""
    if not isinstance(text, str):
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    return list(value) if isinstance(value, tuple | set) else value


def _literal_choices(annotation: str) -> list[Any] | None:
    start = annotation.find("Literal[")
    if start < 0:
        return None
    values = _literal(annotation[start + len("Literal") : annotation.index("]", start) + 1])
    return [value for value in values if value is not None] if isinstance(values, list) else None


def carry_all(contracts: Path, registry: Path) -> list[Path]:
    """Write every committed fact file from ``contracts`` and return their paths.

    Raises ``ManifestError`` naming a recorded file that is missing or unreadable.
    """

    def text(name: str) -> str:
        try:
            return (contracts / name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"{contracts / name}: cannot be read ({error}): record it first") from error

    def read(name: str) -> Any:
        try:
            return json.loads(text(name))
        except ValueError as error:
            raise ManifestError(f"{contracts / name}: is not JSON ({error})") from error

    openapi = read("gpustack/openapi-2.3.0.json")["components"]["schemas"]
    matrix, newest = read("vllm_flag_matrix.json"), read("vllm_0.33.0.json")
    sglang = read("sglang_0.5.23.json")
    recipes = sorted((contracts / "recipes" / "vllm-0.33.0-recipes" / "models").rglob("*.yaml"))
    documents = {
        "engines/parsers.json": {
            "source": "vllm-project/recipes, the files for vLLM 0.33.0; names as vLLM spells them",
            "checkpoints": carry_parsers(yaml.safe_load(path.read_text("utf-8")) for path in recipes),
        },
        "engines/vllm.json": {
            "source": "vllm-project/vllm, the tagged releases named in versions; read from the argument "
            "parsers' syntax trees",
            **carry_vllm(matrix, newest),
        },
        "engines/sglang.json": {
            "source": f"sgl-project/sglang v{sglang['version']}; read from server_args.py's syntax tree",
            **carry_sglang(sglang),
        },
        "contracts/gpustack_model_create.json": {
            "$comment": "gpustack/gpustack 2.3.0, OpenAPI document, ModelCreate",
            **compact_schema(openapi["ModelCreate"], openapi),
        },
        "contracts/gpustack_model_catalog.json": _catalog_schema(read("gpustack/model_catalog.schema.json")),
        **carry_crds(read, text),
        "contracts/kubernetes_networkpolicy.json": carry_kubernetes_model("V1NetworkPolicy"),
    }
    for name, document in documents.items():
        (registry / name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(registry / name, _diffable(document))
    return [registry / name for name in documents]


def _catalog_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "$comment": "gpustack/gpustack 47277d79, schemas/model_sets.py",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _diffable(document: Mapping[str, Any]) -> bytes:
    """JSON with one line for each entry of each group: small, and readable as a diff."""
    parts = []
    for key, value in document.items():
        if isinstance(value, Mapping) and len(value) > 1:
            rows = ",\n".join(f"  {json.dumps(k)}: {_line(v)}" for k, v in value.items())
            parts.append(f" {json.dumps(key)}: {{\n{rows}\n }}")
        else:
            parts.append(f" {json.dumps(key)}: {_line(value)}")
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
