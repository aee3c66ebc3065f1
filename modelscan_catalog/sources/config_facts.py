"""Reduces a model's config.json to the facts that a fit can need: numbers, flags, short identifiers."""

import re
from collections.abc import Mapping
from typing import Any

LONGEST_IDENTIFIER = 200
LONGEST_PATTERN = 20_000
"""Of an ``re:`` entry, which may enumerate all experts of a layer."""
DEEPEST = 12
LARGEST_NAME_LIST_BYTES = 50_000
"""A longer list of module names (one published config has 3 MB of them) is written as exact patterns."""

_NOT_FACTS = frozenset(
    {
        "auto_map",
        "chat_template",
        "custom_pipelines",
        "id2label",
        "label2id",
        "task_specific_params",
        "_commit_hash",
        "_name_or_path",
    }
)
"""Code references, label texts, prompts, presets: nothing that memory or speed follows from."""


def config_facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of ``config``, in its own shape; applying it twice changes nothing.

    Kept: numbers, true, false and null (an explicit null differs from an absent key), strings of at most 200
    characters without white space (types, dtypes, activation names; ``re:`` patterns may be longer), lists
    and objects of these. Dropped: the keys in ``_NOT_FACTS``, prose (any other string) and what is nested
    deeper than 12. Lists of module names above 50 kB become ``re:`` patterns for exactly the same modules.
    """
    facts = _facts(config, 0)
    return facts if isinstance(facts, dict) else {}


def _facts(value: Any, depth: int) -> Any:
    """The facts of ``value``; ``Ellipsis`` stands for none."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < 2**63 else ...  # also drops NaN, which compares false
    if isinstance(value, str):
        return value if _is_identifier(value) else ...
    if depth >= DEEPEST:
        return ...
    if isinstance(value, Mapping):
        entries = {
            key: _facts(entry, depth + 1)
            for key, entry in value.items()
            if isinstance(key, str) and key not in _NOT_FACTS and _is_identifier(key)
        }
        return {key: entry for key, entry in entries.items() if entry is not ...}
    if isinstance(value, list):
        items = [_facts(item, depth + 1) for item in value]
        if any(item is ... for item in items):
            items = [item for item in items if item is not ...]
        return _as_patterns(items)
    return ...


def _is_identifier(text: str) -> bool:
    longest = LONGEST_PATTERN if text.startswith("re:") else LONGEST_IDENTIFIER
    if len(text) > longest or any(c.isspace() or c < " " for c in text):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_patterns(names: list[Any]) -> list[Any]:
    """``names`` itself, or exact ``re:`` patterns (compressed-tensors' notation) for a huge list of names.

    Names are grouped by their text around the last number, then those groups by the text around the number
    before. Every pattern enumerates the numbers and ends at a name's end or a dot, so that it matches the
    listed modules with what they contain, and nothing else.
    """
    if not all(isinstance(name, str) for name in names) or sum(map(len, names)) < LARGEST_NAME_LIST_BYTES:
        return names
    patterns = [name for name in names if name.startswith("re:") or "*" in name]
    plain = {re.escape(name) for name in set(names) - set(patterns)}
    grouped = _group_last_number(_group_last_number(plain))
    return patterns + sorted(f"re:{pattern}(?:\\.|$)" for pattern in grouped)


def _group_last_number(patterns: set[str]) -> set[str]:
    """Join patterns that differ only in their last bare number into one alternation."""
    groups: dict[tuple[str, str], set[int]] = {}
    lone: set[str] = set()
    for pattern in patterns:
        found = re.fullmatch(r"(.*(?<![0-9|(]))([0-9]+)((?![0-9|)]).*?)", pattern, re.DOTALL)
        if found and str(int(found[2])) == found[2]:
            groups.setdefault((found[1], found[3]), set()).add(int(found[2]))
        else:
            lone.add(pattern)
    for (before, after), numbers in groups.items():
        listed = "|".join(map(str, sorted(numbers)))
        lone.add(f"{before}({listed}){after}" if len(numbers) > 1 else f"{before}{listed}{after}")
    return lone
