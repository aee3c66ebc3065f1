"""Checks a list of engine flags as the engine's own argument parser would read it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.version import Version

from modelscan_catalog.manifests.engines import (
    ENGINES,
    Engine,
    EngineTable,
    Flag,
    flag_name,
    launch_names,
    load_engine,
    translate_value,
)
from modelscan_catalog.manifests.findings import Finding, Severity

_Fault = tuple[Severity, str, str]
"""Severity, code and message."""

_NUMBER = re.compile(r"^-?\d+$")
_TOKENS = re.compile(r"^(-1|auto|\d+(\.\d+)?[kmgt]|\d+[KMGT]?)$", re.IGNORECASE)
_OPTION = re.compile(r"^--?[A-Za-z]")


@dataclass(frozen=True)
class Parameter:
    """One flag as it was written: its name, its value if any, and its first and last word in the list."""

    name: str
    value: str | None
    position: int
    end: int


def read_parameters(parameters: Sequence[str]) -> tuple[list[Parameter], list[tuple[int, str]]]:
    """``--a=1``, ``--a 1`` in one string, or ``--a``, ``1`` apart; and the words that belong to no flag."""
    read: list[Parameter] = []
    stray: list[tuple[int, str]] = []
    for position, word in enumerate(parameters):
        if _OPTION.match(word):
            name, separator, value = word.partition("=")
            if any(c.isspace() for c in name):
                name, value = word.split(None, 1)
                separator = " "
            read.append(Parameter(name, value if separator else None, position, position))
        elif read and read[-1].end == position - 1 and "=" not in parameters[position - 1]:
            last = read.pop()
            joined = word if last.value is None else f"{last.value} {word}"
            read.append(Parameter(last.name, joined, last.position, position))
        else:
            stray.append((position, word))
    return read, stray


def check_flags(
    table: EngineTable,
    parameters: Sequence[str],
    *,
    where: str = "parameters",
    target: str | None = None,
    vendors: Sequence[str] = (),
) -> list[Finding]:
    """Faults of ``parameters`` for one engine version, in the order of the list.

    ``target`` names a deployer that refuses some flags of its own accord (``gpustack``). ``vendors`` are
    the accelerators in question: an engine's plugin for one of them may know more values.
    """
    read, stray = read_parameters(parameters)
    findings = [
        Finding("error", "stray_value", f"{where}[{i}]", f"{word!r} belongs to no flag") for i, word in stray
    ]
    refused = launch_names()["refused"].get(target, ())
    for parameter in read:
        spot = f"{where}[{parameter.position}]"
        findings += [
            Finding(severity, code, spot, message)
            for severity, code, message in _check_one(table, parameter, refused, target)
            if code != "wrong_value" or not _plugin_knows(table, parameter, vendors)
        ]
    return findings


def resolve_name(table: EngineTable, written: str) -> tuple[str | None, tuple[str, ...]]:
    """The flag that argparse would take ``written`` for, and the candidates when a prefix fits several.

    Exact spellings and aliases first, then ``--no-`` forms, dotted keys of JSON flags, and prefixes.
    """
    name = written
    if table.underscores and name.startswith("--"):
        head, dot, rest = name.partition(".")
        name = head.replace("_", "-") + dot + rest
        if dot and head.replace("_", "-") in table.options:
            return table.options[head.replace("_", "-")], ()
    if name in table.options:
        return table.options[name], ()
    if name.startswith("--no-"):
        positive = table.options.get("--" + name.removeprefix("--no-"))
        if positive and table.flags[positive].negatable and table.underscores:
            return positive, ()
    if not name.startswith("--") or len(name) < 4:
        return (None, ())
    matches = tuple(sorted(option for option in table.options if option.startswith(name)))
    if len({table.options[option] for option in matches}) == 1:
        return table.options[matches[0]], matches
    return None, matches


def _check_one(
    table: EngineTable, parameter: Parameter, refused: Iterable[str], target: str | None
) -> Iterable[_Fault]:
    name, matches = resolve_name(table, parameter.name)
    if name is None:
        yield _unknown(table, parameter.name, matches)
        return
    flag = table.flags[name]
    if matches:
        yield (
            "warning",
            "abbreviated_flag",
            f"{parameter.name} works only as a prefix of {name}: write it out",
        )
    if name in refused:
        yield "error", "refused_flag", f"{target} sets {name} itself and refuses it here: remove it"
    if flag.deprecated:
        fix = f"use {flag.replacement}" if flag.replacement else "remove it"
        yield "warning", "deprecated_flag", f"{name} is deprecated in {_version(table)}: {fix}"
    if "." not in parameter.name:
        yield from _check_value(table, flag, parameter)


def _plugin_knows(table: EngineTable, parameter: Parameter, vendors: Sequence[str]) -> bool:
    plugins = launch_names()["plugin_values"].get(table.engine, {})
    name = resolve_name(table, parameter.name)[0]
    return any(parameter.value in plugins.get(vendor, {}).get(name, ()) for vendor in vendors)


def _unknown(table: EngineTable, written: str, matches: tuple[str, ...]) -> _Fault:
    if matches:
        return (
            "error",
            "ambiguous_flag",
            f"{written} could be {' or '.join(matches)} in {_version(table)}: write it out",
        )
    dashed = written.replace("_", "-")
    versions = table.history.get(dashed)
    if versions and Version(versions[-1]) < Version(table.basis[0]):
        return "error", "removed_flag", f"{written} left {table.engine} after {versions[-1]}: remove it"
    if versions:
        return "error", "unknown_flag", f"{written} is not in {_version(table)}; it came with {versions[0]}"
    others = [e for e in ENGINES if e != table.engine and dashed in load_engine(e).options]
    note = f" ({others[0]} has it)" if others else ""
    return "error", "unknown_flag", f"{written} is no flag of {_version(table)}{note}: remove it"


def _check_value(table: EngineTable, flag: Flag, parameter: Parameter) -> Iterable[_Fault]:
    value = parameter.value
    kind = _kind(flag)
    if kind == "switch":
        if value is not None:
            yield "error", "wrong_value", f"{flag.name} takes no value, got {value!r}"
        return
    if value is None:
        if kind is not None or flag.choices:
            yield "error", "missing_value", f"{flag.name} needs a value"
        return
    if table.engine == "vllm" and value == "None":
        return  # vLLM reads it as the absent value
    if "$" in value:
        return  # a variable: its value is not known here
    if kind is not None and not _fits(kind, value):
        yield "error", "wrong_value", f"{flag.name} takes {_KINDS[kind]}, got {value!r}"
    yield from _check_parser(table, flag, value)
    known = table.quantizations if flag.name == "--quantization" else None
    if known and value not in known:
        yield "error", "wrong_value", f"{value!r} is no quantization of {_version(table)}"
    elif flag.choices and not known and not set(value.split()) <= set(flag.choices):
        yield "error", "wrong_value", f"{flag.name} takes one of {', '.join(flag.choices)}; got {value!r}"


def _check_parser(table: EngineTable, flag: Flag, value: str) -> Iterable[_Fault]:
    for concept, known in (
        ("tool_parser", table.tool_parsers),
        ("reasoning_parser", table.reasoning_parsers),
    ):
        if flag.name != flag_name(table.engine, concept):
            continue
        newer = table.deprecated_values.get(flag.name, {}).get(value)
        kind = concept.removesuffix("_parser")
        if newer:
            yield "warning", "deprecated_value", f"{kind} parser {value!r} is now called {newer!r}"
        elif value not in known:
            other: Engine = "sglang" if table.engine == "vllm" else "vllm"
            meant = translate_value(concept, value, other, table.engine)
            hint = f": {meant!r} is its name here" if meant and meant != value else ""
            yield (
                "error",
                "unknown_parser",
                f"{value!r} is no {kind} parser of {_version(table)}{hint}",
            )


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "tokens": "a number of tokens, such as 32768 or 32k",
    "fraction": "a number above 0 and at most 1",
}


def _kind(flag: Flag) -> str | None:
    """``switch``, a key of ``_KINDS``, or null where the value's form is unknown."""
    if flag.type == "switch" or (flag.type == "bool" and flag.default is not True):
        return "switch"
    bare = (flag.type or "").removeprefix("Optional[").removesuffix("]")
    return bare if bare in _KINDS else None


def _fits(kind: str, value: str) -> bool:
    if kind == "int":
        return _NUMBER.match(value) is not None
    if kind == "tokens":
        return _TOKENS.match(value) is not None
    try:
        number = float(value)
    except ValueError:
        return False
    return kind == "float" or 0 < number <= 1


def _version(table: EngineTable) -> str:
    read = "" if table.exact else f" (read from {' and '.join(table.basis)})"
    return f"{table.engine} {table.version}{read}"
