"""On every recorded config.json, the facts alone give the same architecture and quantization scheme."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.quantization import Names, scheme_of
from modelscan_catalog.settings import REPOSITORY_ROOT
from modelscan_catalog.sources.config_facts import config_facts

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))
FOLDER = SHARED / "sources" / "huggingface"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not FOLDER.exists(), reason=f"NOT TESTED: no recorded sources at {SHARED}; set MODELSCAN_SHARED"
    ),
]


def plain(value: Any) -> Any:
    """A scheme as comparable data; lists of names hold compiled patterns that compare by identity."""
    if isinstance(value, Names):
        return sorted(value.exact), sorted(value.parts), value.expression
    if dataclasses.is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def outcome(config: dict[str, Any], quant_config: dict[str, Any] | None) -> Any:
    try:
        return parse_architecture(config), plain(scheme_of(config, quant_config=quant_config))
    except FitInputError as error:
        return str(error)


def test_facts_say_what_the_whole_config_says() -> None:
    paths = sorted((FOLDER / "configs").glob("*__*.json"))
    assert len(paths) > 100
    for path in paths:
        config = json.loads(path.read_bytes())
        other = FOLDER / "hf_quant_configs" / path.name
        quant = json.loads(other.read_bytes()) if other.exists() else None
        facts = config_facts(config)
        assert outcome(facts, config_facts(quant) if quant else None) == outcome(config, quant), path.name
        assert config_facts(facts) == facts
