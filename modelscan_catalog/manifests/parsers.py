"""Which tool-call and reasoning parser a checkpoint needs, in the words of one engine version."""

import json
from dataclasses import dataclass
from functools import cache

from modelscan_catalog.manifests.engines import ENGINE_DATA, Engine, load_engine, translate_value


@dataclass(frozen=True)
class ParserChoice:
    """Names of the parsers; null where no recipe says, or this version of the engine has none."""

    tool: str | None = None
    reasoning: str | None = None


def parsers_for(engine: Engine, engine_version: str | None, *repos: str) -> ParserChoice:
    """The parsers of the first of ``repos`` that a recipe names.

    Give the checkpoint first, then what it was quantized from: a quantized copy keeps the template.
    """
    for repo in repos:
        known = _checkpoints().get(repo)
        if known:
            table = load_engine(engine, engine_version)
            return ParserChoice(
                tool=_known(known.get("tool"), "tool_parser", engine, table.tool_parsers),
                reasoning=_known(known.get("reasoning"), "reasoning_parser", engine, table.reasoning_parsers),
            )
    return ParserChoice()


def _known(name: str | None, concept: str, engine: Engine, parsers: frozenset[str]) -> str | None:
    translated = None if name is None else translate_value(concept, name, "vllm", engine)
    return translated if translated in parsers else None


@cache
def _checkpoints() -> dict[str, dict[str, str]]:
    document = json.loads((ENGINE_DATA / "parsers.json").read_text("utf-8"))
    return dict(document["checkpoints"])
