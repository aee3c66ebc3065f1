"""Which hub repositories are worth reading: those that other sources, the owner's list or twins name."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.records import Record
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.staged import (
    GpustackDraftModel,
    GpustackSpec,
    ModelsDevLabModel,
    ModelsDevOffer,
)

REPO_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9._-]{1,96}")
_WEIGHTS_URL = re.compile(
    r"https?://(?:www\.)?(huggingface\.co|hf\.co|modelscope\.cn/models)/([^/?#]+/[^/?#]+?)/?(?:[?#].*)?"
)


@dataclass(frozen=True)
class Selection:
    """Repository ids as others spell them."""

    named: frozenset[str]
    """Stated to be on this hub; asked for one by one where no list has them."""
    launched: frozenset[str]
    """Of these, the ones with a launch recipe or on the watchlist; their file sizes are read, too."""
    twins: frozenset[str]
    """Ids that the twin of a repository on the other hub would have; read if a list has them."""


def is_repo_id(text: Any) -> bool:
    """Whether ``text`` is ``owner/name`` and nothing that could lead elsewhere in a URL."""
    return isinstance(text, str) and bool(REPO_ID.fullmatch(text)) and "/." not in text


def owner_of(repo: str) -> str:
    """The part before the slash."""
    return repo.partition("/")[0]


def huggingface_selection(
    settings: Settings, tables: dict[str, dict[str, list[Record]]], modelscope_ids: set[str]
) -> Selection:
    """HuggingFace repositories named by ``tables`` (by source), the watchlist and ModelScope's twins."""
    launched = _launched(tables, "huggingface") | _watched(settings, "huggingface")
    named = set(launched)
    for row in tables.get("models_dev", {}).get("lab_models", ()):
        if isinstance(row, ModelsDevLabModel):
            named |= _linked(row, "huggingface.co", "hf.co")
    for row in tables.get("models_dev", {}).get("offers", ()):
        # This seller's model ids are the hub's own, sometimes with a routing suffix after a colon.
        if isinstance(row, ModelsDevOffer) and row.provider == "huggingface":
            named.add(row.id.partition(":")[0])
    others = modelscope_ids | _launched(tables, "modelscope")
    twins = _twins(others, owner_aliases(settings.registry_dir))
    return Selection(_ids(named), _ids(launched), _ids(twins))


def modelscope_selection(settings: Settings, tables: dict[str, dict[str, list[Record]]]) -> Selection:
    """ModelScope repositories named by ``tables``, the watchlist and recipes for HuggingFace weights."""
    launched = _launched(tables, "modelscope") | _watched(settings, "modelscope")
    named = set(launched)
    for row in tables.get("models_dev", {}).get("lab_models", ()):
        if isinstance(row, ModelsDevLabModel):
            named |= _linked(row, "modelscope.cn/models")
    others = _launched(tables, "huggingface") | _watched(settings, "huggingface")
    for row in tables.get("models_dev", {}).get("lab_models", ()):
        if isinstance(row, ModelsDevLabModel):
            others |= _linked(row, "huggingface.co", "hf.co")
    reverse: dict[str, set[str]] = {}
    for modelscope, owners in owner_aliases(settings.registry_dir).items():
        for owner in owners:
            reverse.setdefault(owner, set()).add(modelscope)
    return Selection(_ids(named), _ids(launched), _ids(_twins(others, reverse)))


def _ids(texts: set[str]) -> frozenset[str]:
    return frozenset(text for text in texts if is_repo_id(text))


def _launched(tables: dict[str, dict[str, list[Record]]], catalogue: str) -> set[str]:
    rows = [row for name in ("specs", "draft_models") for row in tables.get("gpustack", {}).get(name, ())]
    return {
        row.repo
        for row in rows
        if isinstance(row, GpustackSpec | GpustackDraftModel) and row.catalogue == catalogue
    }


def _linked(row: ModelsDevLabModel, *sites: str) -> set[str]:
    found = (_WEIGHTS_URL.fullmatch(url) for url in row.weights_urls)
    return {match[2] for match in found if match and match[1] in sites}


def _twins(ids: set[str], owners: dict[str, set[str]]) -> set[str]:
    """The same names under the same owner and under every alias of it."""
    return ids | {
        f"{owner}/{repo.partition('/')[2]}" for repo in ids for owner in owners.get(owner_of(repo), ())
    }


def owner_aliases(registry_dir: Path) -> dict[str, set[str]]:
    """HuggingFace owners by ModelScope owner, from ``merge/owner_aliases.json``; empty without the file."""
    content = _read_object(registry_dir / "merge" / "owner_aliases.json")
    aliases: dict[str, set[str]] = {}
    for alias in content.get("aliases", []):
        match alias:
            case {"modelscope": str(modelscope), "huggingface": str(huggingface)}:
                aliases.setdefault(modelscope, set()).add(huggingface)
    return aliases


def _watched(settings: Settings, hub: str) -> set[str]:
    """Repository ids of the hand-kept ``watchlist.json``."""
    content = _read_object(settings.registry_dir / "watchlist.json")
    listed = content.get(hub, [])
    wrong = [entry for entry in listed if not is_repo_id(entry)] if isinstance(listed, list) else [listed]
    if wrong:
        raise SettingsError(
            f"{settings.registry_dir / 'watchlist.json'}: {hub} holds {str(wrong[0])[:80]!r}; "
            "write owner/name"
        )
    return set(listed)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: expected an object")
    return content
