"""Flag tables of inference engines per version: which flags, parsers and names each release knows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from packaging.version import InvalidVersion, Version

from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.settings import REPOSITORY_ROOT

Engine = Literal["vllm", "sglang"]
ENGINES: tuple[Engine, ...] = ("vllm", "sglang")
ENGINE_DATA = REPOSITORY_ROOT / "registry" / "engines"


@dataclass(frozen=True)
class Flag:
    """One option of an engine's command line; null where the recorded facts do not say."""

    name: str
    aliases: tuple[str, ...]
    type: str | None
    choices: tuple[str, ...] | None
    default: Any
    deprecated: bool
    replacement: str | None

    @property
    def negatable(self) -> bool:
        """Whether ``--no-NAME`` may exist; also true for a flag whose type is unknown."""
        return self.type in ("bool", None)


@dataclass(frozen=True)
class EngineTable:
    """What one version of an engine accepts.

    ``basis`` are the recorded versions it was read from: one, or the two around an unrecorded version.
    """

    engine: Engine
    version: str
    basis: tuple[str, ...]
    flags: Mapping[str, Flag]
    options: Mapping[str, str]
    """Every spelling, aliases included, to its flag's name."""
    tool_parsers: frozenset[str]
    reasoning_parsers: frozenset[str]
    quantizations: frozenset[str]
    architectures: frozenset[str]
    deprecated_values: Mapping[str, Mapping[str, str]]
    history: Mapping[str, tuple[str, ...]]
    """Flags of other recorded versions: name to the versions that had it."""
    underscores: bool
    """Whether ``--max_model_len`` is read as ``--max-model-len``."""

    @property
    def exact(self) -> bool:
        """Whether this very version was recorded."""
        return self.basis == (self.version,)


def canonical_engine(name: str) -> Engine | None:
    """``vLLM``, ``VLLM`` or ``vllm`` as ``vllm``; null for an engine without a table."""
    lowered = name.lower()
    return next((engine for engine in ENGINES if engine == lowered), None)


def engine_versions(engine: Engine) -> tuple[str, ...]:
    """Recorded versions, oldest first."""
    return tuple(_document(engine)["versions"])


@cache
def load_engine(engine: Engine, version: str | None = None) -> EngineTable:
    """The table of ``version``; of the newest recorded one when null or not a version number.

    A version between two recorded ones accepts what either accepts, and is deprecated only where both
    are; one outside the recorded range takes the nearest.
    """
    document = _document(engine)
    basis = _basis(document["versions"], version)
    names = launch_names()
    types = names["types"].get(engine, {})
    choices = names["choices"].get(engine, {})
    details = _newest_details(engine, basis)

    def known(versions: list[str] | None) -> bool:
        return versions is None or any(v in versions for v in basis)

    flags = {}
    history = {}
    for name, entry in document["flags"].items():
        versions = entry.get("versions")
        if not known(versions):
            history[name] = tuple(versions)
            continue
        holders = [v for v in basis if versions is None or v in versions]
        detail = details.get(name, {})
        allowed = choices.get(name, entry.get("choices", detail.get("choices")))
        flags[name] = Flag(
            name=name,
            aliases=tuple(entry.get("aliases", ())),
            type=types.get(name, detail.get("type", entry.get("type"))),
            choices=None if allowed is None else tuple(map(str, allowed)),
            default=entry.get("default"),
            deprecated=all(v in entry.get("deprecated", ()) for v in holders),
            replacement=entry.get("replacement"),
        )

    def group(key: str) -> frozenset[str]:
        return frozenset(name for name, versions in document[key].items() if known(versions))

    return EngineTable(
        engine=engine,
        version=version if version and _parsed(version) else basis[-1],
        basis=basis,
        flags=flags,
        options={spelling: flag.name for flag in flags.values() for spelling in (flag.name, *flag.aliases)},
        tool_parsers=group("tool_parsers"),
        reasoning_parsers=group("reasoning_parsers"),
        quantizations=group("quantization") | group("deprecated_quantization"),
        architectures=group("architectures"),
        deprecated_values=document.get("deprecated_values", {}),
        history=history,
        underscores=engine == "vllm",
    )


def default_port(engine: Engine) -> int:
    """Where the newest recorded version of ``engine`` listens when no port is given."""
    return int(load_engine(engine).flags["--port"].default)


@cache
def launch_names() -> Any:
    """The committed table of what each engine calls the same thing."""
    return _read(ENGINE_DATA / "launch_names.json")


@cache
def accelerators() -> Any:
    """Container images and Kubernetes resource names by GPU vendor."""
    return _read(ENGINE_DATA / "accelerators.json")["vendors"]


@cache
def gpustack_versions(engine: Engine, vendor: str | None = None) -> tuple[str, ...]:
    """Versions of ``engine`` that the recorded GPUStack can start, oldest first; of any vendor when null."""
    vendors = _read(ENGINE_DATA / "gpustack_backends.json")["vendors"]
    chosen = vendors.values() if vendor is None else [vendors.get(vendor, {})]
    return tuple(sorted({v for engines in chosen for v in engines.get(engine, ())}, key=Version))


def flag_name(engine: Engine, concept: str) -> str:
    """What ``engine`` calls ``concept`` (``context``, ``batch``, ``tool_parser``, ...).

    Raises ``UnknownIdError`` when the engine has no such flag.
    """
    name = launch_names()["flags"].get(concept, {}).get(engine)
    if name is None:
        raise UnknownIdError(f"{engine} has no flag for {concept!r}", tuple(launch_names()["flags"]))
    return str(name)


def translate_value(concept: str, value: str, source: Engine, target: Engine) -> str | None:
    """``value`` of ``concept`` as ``target`` spells it; null when ``target`` has nothing like it."""
    if source == target:
        return value
    for pair in launch_names()["values"].get(concept, ()):
        if pair[source] == value:
            return str(pair[target])
    table = load_engine(target)
    known = {"tool_parser": table.tool_parsers, "reasoning_parser": table.reasoning_parsers}.get(concept)
    return value if known is None or value in known else None


def _newest_details(engine: Engine, basis: tuple[str, ...]) -> Any:
    """Types and choices that were read for one version only; nothing for a version that is not it."""
    if engine != "vllm":
        return {}
    document = _read(ENGINE_DATA / "vllm_types.json")
    return document["flags"] if basis == (document["version"],) else {}


def _document(engine: Engine) -> Any:
    return _read(ENGINE_DATA / f"{engine}.json")


@cache
def _read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _parsed(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None


def _basis(recorded: list[str], version: str | None) -> tuple[str, ...]:
    wanted = _parsed(version) if version else None
    if wanted is None:
        return (recorded[-1],)
    if version in recorded:
        return (str(version),)
    older = [v for v in recorded if Version(v) < wanted]
    newer = [v for v in recorded if Version(v) > wanted]
    return tuple(older[-1:] + newer[:1])
