"""The hand-kept and learned data tables that the merge enforces, read once from ``registry/merge``."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import RecordError
from modelscan_catalog.settings import REPOSITORY_ROOT

MERGE_TABLES_DIR = REPOSITORY_ROOT / "registry" / "merge"


@dataclass(frozen=True)
class Lab:
    """A lab, the hub owners that publish its weights and the names that sellers give it."""

    id: str
    name: str
    owners: tuple[str, ...]
    spellings: tuple[str, ...]
    providers: tuple[str, ...]


@dataclass(frozen=True)
class QuantizationLabel:
    """How a piece of a repository's name is read; ``{label}`` and ``{1}`` stand for the matched text."""

    pattern: re.Pattern[str]
    scheme: str
    method: str | None
    bits: float | str | None


@dataclass(frozen=True)
class OwnerAlias:
    """A ModelScope owner that publishes what a HuggingFace owner publishes, and what shows it."""

    modelscope: str
    huggingface: str
    pairs: int
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class MergeTables:
    """All data tables; keys that are ids of others are lower case."""

    labs: Mapping[str, Lab]
    lab_of_owner: Mapping[str, str]
    lab_of_spelling: Mapping[str, str]
    lab_of_provider: Mapping[str, str]
    owner_aliases: Mapping[str, tuple[OwnerAlias, ...]]
    quantization_labels: tuple[QuantizationLabel, ...]
    quantization_connectors: frozenset[str]
    safetensors_dtypes: Mapping[str, Mapping[str, Any]]
    authority: Mapping[str, Mapping[str, tuple[str, ...]]]
    categories: Mapping[str, Mapping[str, str]]
    provider_apis: Mapping[str, Mapping[str, Any]]
    hub_suffixes: frozenset[str]
    seller_suffixes: tuple[str, ...]
    reuploaders: frozenset[str]
    format_owners: Mapping[str, str]
    """Owners whose repositories are all in one runtime's format, with the quantization method's name."""
    tag_rules: Mapping[str, Mapping[str, Any]]

    def lab_of(self, owner: str) -> str:
        """The lab that a hub owner belongs to; an owner nobody lists is its own lab."""
        return self.lab_of_owner.get(owner.lower()) or re.sub(r"[^a-z0-9._~-]+", "-", owner.lower())


def read_table(name: str, directory: Path = MERGE_TABLES_DIR) -> Any:
    """One JSON table; raises ``RecordError`` naming the file when it is missing or not JSON."""
    path = directory / name
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: the merge table cannot be read: {error}") from error


@lru_cache(maxsize=4)
def load_tables(directory: Path = MERGE_TABLES_DIR) -> MergeTables:
    """Read every table of ``directory``; raises ``RecordError`` naming the file and the missing key."""
    try:
        return _load(directory)
    except (KeyError, TypeError, re.error) as error:
        raise RecordError(f"{directory}: a merge table lacks or misspells {error}") from error


def _load(directory: Path) -> MergeTables:
    labs = {
        key: Lab(key, row["name"], tuple(row["owners"]), tuple(row["spellings"]), tuple(row["providers"]))
        for key, row in sorted(read_table("labs.json", directory)["labs"].items())
    }
    aliases: dict[str, list[OwnerAlias]] = {}
    for row in read_table("owner_aliases.json", directory)["aliases"]:
        alias = OwnerAlias(row["modelscope"], row["huggingface"], row["pairs"], tuple(row["evidence"]))
        aliases.setdefault(alias.modelscope.lower(), []).append(alias)
    quantization = read_table("quantization_labels.json", directory)
    names = read_table("name_rules.json", directory)
    return MergeTables(
        labs=labs,
        lab_of_owner={owner.lower(): lab.id for lab in labs.values() for owner in lab.owners},
        lab_of_spelling={text.lower(): lab.id for lab in labs.values() for text in (*lab.spellings, lab.id)},
        lab_of_provider={provider: lab.id for lab in labs.values() for provider in lab.providers},
        owner_aliases={key: tuple(rows) for key, rows in aliases.items()},
        quantization_labels=tuple(
            QuantizationLabel(re.compile(row["label"]), row["scheme"], row["method"], row["bits"])
            for row in quantization["labels"]
        ),
        quantization_connectors=frozenset(quantization["connectors"]),
        safetensors_dtypes=quantization["safetensors_dtypes"],
        authority={
            kind: {field: tuple(order) for field, order in fields.items()}
            for kind, fields in read_table("field_authority.json", directory)["records"].items()
        },
        categories=read_table("categories.json", directory)["tables"],
        provider_apis=read_table("provider_apis.json", directory)["npm"],
        hub_suffixes=frozenset(names["hub_suffixes"]["values"]),
        seller_suffixes=tuple(names["seller_suffixes"]["values"]),
        format_owners={owner.lower(): method for owner, method in names["format_owners"]["values"].items()},
        reuploaders=frozenset(owner.lower() for owner in names["reuploaders"]["values"]),
        tag_rules=read_table("tags.json", directory)["tags"],
    )
