"""Reads which class of vLLM serves an architecture, and what it supports, from a wheel that is not imported.

Run when a new newest version is recorded: ``modelscan contracts vllm-models WHEEL``.
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

_REGISTRY = "vllm/model_executor/models/registry.py"
_WITHIN = "vllm.model_executor.models"
_SERVED = "_VLLM_MODELS"
"""Its dictionary of everything that is served, made of the groups' dictionaries."""
_INTERFACE = re.compile(r"^Supports[A-Z]")
_MOST_IMPORTS = 8
"""Modules through which a name is followed to its class."""


def carry_models(registry: str) -> dict[str, dict[str, Any]]:
    """Architecture to its ``module``, ``class`` and ``groups`` (such as multimodal) by vLLM's ``registry``.

    Of an architecture in several groups the last one's class serves, as in vLLM. Raises ``ManifestError``
    where the registry has another form.
    """
    groups: dict[str, ast.Dict] = {}
    for node in ast.parse(registry).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            groups |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
    if _SERVED not in groups:
        raise ManifestError(f"{_REGISTRY}: has no {_SERVED}: its form has changed")
    found: dict[str, dict[str, Any]] = {}
    for part in groups[_SERVED].values:
        if not isinstance(part, ast.Name) or part.id not in groups:
            raise ManifestError(f"{_REGISTRY}: {_SERVED} is not made of groups: its form has changed")
        group = part.id.strip("_").removesuffix("_MODELS").lower()
        for architecture, module, name in _entries(groups[part.id], groups):
            earlier = found.get(architecture, {"groups": []})["groups"]
            found[architecture] = {"module": module, "class": name, "groups": [*earlier, group]}
    return dict(sorted(found.items()))


def _entries(group: ast.Dict, groups: Mapping[str, ast.Dict]) -> Iterator[tuple[str, str, str]]:
    for key, value in zip(group.keys, group.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(value, ast.Tuple):
            module, name = (str(ast.literal_eval(part)) for part in value.elts)
            yield str(key.value), module if module.startswith("vllm.") else f"{_WITHIN}.{module}", name
        elif key is None and isinstance(value, ast.DictComp):
            yield from _of_class(value, groups)
        else:
            raise ManifestError(
                f"{_REGISTRY}: line {value.lineno}: neither a module and a class nor a choice"
            )


def _of_class(choice: ast.DictComp, groups: Mapping[str, ast.Dict]) -> Iterator[tuple[str, str, str]]:
    """``{k: (mod, arch) for k, (mod, arch) in GROUP.items() if arch == "Class"}``: a group's of one class."""
    match choice.generators:
        case [
            ast.comprehension(
                iter=ast.Call(func=ast.Attribute(value=ast.Name(id=group), attr="items")),
                ifs=[
                    ast.Compare(
                        left=ast.Name(id="arch"), ops=[ast.Eq()], comparators=[ast.Constant(value=wanted)]
                    )
                ],
            )
        ] if group in groups:
            yield from (row for row in _entries(groups[group], groups) if row[2] == wanted)
        case _:
            raise ManifestError(f"{_REGISTRY}: line {choice.lineno}: chooses in a way that is not known")


def carry_wheel_models(wheel: Path, target: Path) -> int:
    """Write the classes of ``wheel`` to ``target``; returns how many architectures it serves.

    Raises ``ManifestError`` for a file that is no vLLM wheel.
    """
    named = re.fullmatch(r"vllm-(\d[^-]*)-.+\.whl", wheel.name)
    try:
        with zipfile.ZipFile(wheel) as archive:
            text = archive.read(_REGISTRY).decode()
            modules = {
                _module_of(name): archive.read(name).decode()
                for name in archive.namelist()
                if name.startswith("vllm/model") and name.endswith(".py")
            }
    except (OSError, KeyError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise ManifestError(f"{wheel}: cannot be read as a wheel of vLLM ({error})") from error
    if named is None:
        raise ManifestError(f"{wheel}: is no vLLM wheel: expected vllm-VERSION-*.whl")
    rows = carry_models(text)
    classes = _Classes(modules)
    for row in rows.values():
        row["interfaces"] = classes.interfaces(row["module"], row["class"])
    lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in rows.items())
    source = f"released wheel of vllm {named[1]}: model_executor/models/registry.py, and the classes it names"
    document = f'{{\n "source": "{source}",\n "version": "{named[1]}",\n "models": {{\n{lines}\n }}\n}}\n'
    write_bytes(target, document.encode())
    return len(rows)


def _module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class _Classes:
    """The classes of some modules, by their source text."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._texts = modules
        self._read: dict[str, tuple[dict[str, ast.ClassDef], dict[str, tuple[str, str]]]] = {}

    def interfaces(self, module: str, name: str) -> list[str] | None:
        """Names of vLLM's interfaces (``SupportsLoRA``) among all bases; None for no such class."""
        if self._definition(module, name) is None:
            return None
        return sorted(base for base in self._bases(module, name, set()) if _INTERFACE.match(base))

    def _bases(self, module: str, name: str, seen: set[tuple[str, str]]) -> set[str]:
        if (module, name) in seen:
            return set()
        seen.add((module, name))
        found = self._definition(module, name)
        if found is None:
            return {name}
        where, definition = found
        bases = {base.id for base in definition.bases if isinstance(base, ast.Name)}
        return {definition.name}.union(*(self._bases(where, base, seen) for base in bases))

    def _definition(self, module: str, name: str) -> tuple[str, ast.ClassDef] | None:
        """The class that ``name`` is in ``module``, followed through imports, and where it is defined."""
        for _ in range(_MOST_IMPORTS):
            if module not in self._texts:
                return None
            classes, imported = self._parsed(module)
            if name in classes:
                return module, classes[name]
            if name not in imported:
                return None
            module, name = imported[name]
        return None

    def _parsed(self, module: str) -> tuple[dict[str, ast.ClassDef], dict[str, tuple[str, str]]]:
        if module not in self._read:
            classes, imported = {}, {}
            is_package = any(other.startswith(f"{module}.") for other in self._texts)
            package = module if is_package else module.rpartition(".")[0]
            for node in ast.walk(ast.parse(self._texts[module])):
                if isinstance(node, ast.ClassDef):
                    classes[node.name] = node
                elif isinstance(node, ast.ImportFrom):
                    origin = node.module or ""
                    if node.level:
                        above = package.split(".")[: len(package.split(".")) - node.level + 1]
                        origin = ".".join([*above, origin]).rstrip(".")
                    for alias in node.names:
                        imported[alias.asname or alias.name] = (origin, alias.name)
            self._read[module] = classes, imported
        return self._read[module]
