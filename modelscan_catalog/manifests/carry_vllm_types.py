"""Reads the types and choices of vLLM's flags from a released wheel, without importing it.

Run when a new newest version is recorded: ``modelscan contracts vllm-types WHEEL``.
"""

import ast
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.store import write_bytes

_ARGUMENTS = "vllm/engine/arg_utils.py"
_TOKEN_COUNTS = {
    "max_model_len",
    "max_num_batched_tokens",
    "max_num_scheduled_tokens",
    "kv_cache_memory_bytes",
    "safetensors_prefetch_block_size",
    "max_num_queued_tokens",
}
"""Fields whose flags also take 32k or 2M; the set is written out in ``_ARGUMENTS``."""


def carry_types(sources: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Flag to its ``type`` and ``choices``, as vLLM derives them from its configuration classes.

    ``sources`` maps paths inside the package to their text. A flag whose value has no simple form (JSON,
    lists, text) is left out.
    """
    trees = {path: ast.parse(text) for path, text in sources.items()}
    fields = {
        node.name: dict(_fields(node))
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    aliases = dict(_aliases(trees.values()))
    found: dict[str, dict[str, Any]] = {}
    for name, class_fields in fields.items():
        if name in ("FrontendArgs", "BaseFrontendArgs"):
            for field, annotation in class_fields.items():
                found["--" + field.replace("_", "-")] = _described(field, annotation, aliases)
    arguments = trees[_ARGUMENTS]
    classes = dict(_kwargs_classes(arguments))
    for flag, call in _added(arguments):
        origin = _field_of(call)
        if origin is None or any(k.arg in ("action", "type", "choices", "nargs") for k in call.keywords):
            continue
        annotation_of = fields.get(classes.get(origin[0], ""), {}).get(origin[1])
        if annotation_of is not None:
            found[flag] = _described(origin[1], annotation_of, aliases)
    return {flag: described for flag, described in sorted(found.items()) if described}


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, statement.annotation


def _aliases(trees: Any) -> Iterator[tuple[str, ast.expr]]:
    for tree in trees:
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                yield node.targets[0].id, node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                yield node.target.id, node.value


def _kwargs_classes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func) == "get_kwargs"
        ):
            yield node.targets[0].id, ast.unparse(node.value.args[0])


def _added(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".add_argument"):
            for name in node.args:
                if isinstance(name, ast.Constant) and str(name.value).startswith("--"):
                    yield str(name.value), node


def _field_of(call: ast.Call) -> tuple[str, str] | None:
    """Variable and field of ``**some_kwargs["field"]``, also inside ``**{**…, "default": None}``."""
    for keyword in call.keywords:
        if keyword.arg is not None:
            continue
        for node in ast.walk(keyword.value):
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.value, ast.Name)
                and isinstance(node.slice, ast.Constant)
            ):
                return node.value.id, str(node.slice.value)
    return None


def _described(field: str, annotation: ast.expr, aliases: Mapping[str, ast.expr]) -> dict[str, Any]:
    """In the order in which vLLM decides: bool, choices, collections, int, float."""
    atoms = list(_atoms(annotation, aliases))
    names = {atom for atom in atoms if isinstance(atom, str)}
    choices = [value for atom in atoms if isinstance(atom, tuple) for value in atom if value is not None]
    if "bool" in names:
        return {} if names == {"bool", "str", "None"} else {"type": "bool"}
    if choices:
        return {} if "str" in names else {"choices": choices}
    if names & {"list", "tuple", "set", "List", "Tuple", "Set"}:
        return {}
    if "int" in names:
        return {"type": "tokens" if field in _TOKEN_COUNTS else "int"}
    if "float" in names:
        return {"type": "float"}
    return {}


def _atoms(node: ast.expr, aliases: Mapping[str, ast.expr]) -> Iterator[str | tuple[Any, ...]]:
    """Names of the types in a union, and the values of each Literal as a tuple."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _atoms(ast.parse(node.value, mode="eval").body, aliases)
    elif isinstance(node, ast.Constant):
        yield "None"
    elif isinstance(node, ast.BinOp):
        yield from _atoms(node.left, aliases)
        yield from _atoms(node.right, aliases)
    elif isinstance(node, ast.Subscript):
        outer = ast.unparse(node.value).rpartition(".")[2]
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if outer == "Literal":
            for value in inner:
                yield from _literal_values(value, aliases)
        elif outer in ("Optional", "Union", "SkipValidation", "Annotated"):
            for part in inner[:1] if outer == "Annotated" else inner:
                yield from _atoms(part, aliases)
            if outer == "Optional":
                yield "None"
        else:
            yield outer
    elif isinstance(node, ast.Name):
        known = aliases.get(node.id)
        yield from _atoms(known, aliases) if isinstance(known, ast.Subscript | ast.BinOp) else [node.id]


def _literal_values(node: ast.expr, aliases: Mapping[str, ast.expr]) -> Iterator[str | tuple[Any, ...]]:
    """One member of a Literal; a name stands for another Literal, and for any text when not found."""
    if isinstance(node, ast.Constant):
        yield (node.value,)
    elif isinstance(node, ast.Name) and node.id in aliases:
        yield from _atoms(node, aliases)
    else:
        yield "str"


def carry_wheel(wheel: Path, target: Path) -> int:
    """Write the types of ``wheel``'s flags to ``target``; returns how many flags have one.

    Raises ``ManifestError`` for a file that is no vLLM wheel.
    """
    named = re.fullmatch(r"vllm-(\d[^-]*)-.+\.whl", wheel.name)
    try:
        sources = _sources(wheel)
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise ManifestError(f"{wheel}: cannot be read as a wheel ({error})") from error
    if named is None or _ARGUMENTS not in sources:
        raise ManifestError(f"{wheel}: is no vLLM wheel: expected vllm-VERSION-*.whl with {_ARGUMENTS}")
    rows = carry_types(sources)
    lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in rows.items())
    source = f"released wheel of vllm {named[1]}: configuration classes and engine/arg_utils.py"
    text = f'{{\n "source": "{source}",\n "version": "{named[1]}",\n "flags": {{\n{lines}\n }}\n}}\n'
    write_bytes(target, text.encode())
    return len(rows)


def _sources(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name).decode()
            for name in archive.namelist()
            if name.startswith((_ARGUMENTS, "vllm/config/", "vllm/entrypoints/")) and name.endswith(".py")
        }
