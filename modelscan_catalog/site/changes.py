"""The last publish's changes, told record by record for the page and the Atom feed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ChangeGroup:
    """All that happened to one record at one time."""

    record: str
    kind: str
    name: str
    model: str | None
    observed_at: str | None
    change: str
    """In a word or two: added, changed, removed, or withdrawn and why."""
    details: list[tuple[str, str, str]] = field(default_factory=list)
    """Field, value before, value after."""

    @property
    def title(self) -> str:
        """What happened, in one line."""
        return f"{self.kind.capitalize()} {self.name} {self.change}"

    @property
    def entry_id(self) -> str:
        """The same for the same change, whenever the feed is written."""
        return f"urn:modelscan:change:{self.record}:{self.observed_at or 'undated'}"


def change_groups(
    changes: Sequence[Mapping[str, Any]], tombstones: Sequence[Mapping[str, Any]], data_as_of: str | None
) -> list[ChangeGroup]:
    """Changes newest first, those of one record together, then what upstream no longer has."""
    groups: dict[tuple[str, str | None], ChangeGroup] = {}
    for change in changes:
        at = change.get("observed_at") or data_as_of
        group = groups.get((change["record"], at))
        if group is None:
            kind, _, name = change["record"].partition(":")
            model = name if kind == "model" and change["change"] != "removed" else None
            group = ChangeGroup(change["record"], kind, name, model, at, change["change"])
            groups[change["record"], at] = group
        if change.get("field"):
            group.details.append((change["field"], _text(change.get("before")), _text(change.get("after"))))
    told = {group.record for group in groups.values()}
    for gone in tombstones:
        if gone["record"] not in told:
            kind, _, name = gone["record"].partition(":")
            groups[gone["record"], gone["last_seen"]] = ChangeGroup(
                gone["record"], kind, name, None, gone["last_seen"], f"withdrawn: {gone['reason']}"
            )
    by_record = sorted(groups.values(), key=lambda group: group.record)
    return sorted(by_record, key=lambda group: group.observed_at or "", reverse=True)


def alike(groups: Sequence[ChangeGroup]) -> list[list[ChangeGroup]]:
    """Records of one kind to which the same happened at the same time, in the order of their first."""
    together: dict[tuple[Any, ...], list[ChangeGroup]] = {}
    for group in groups:
        key = (group.kind, group.observed_at, group.change, tuple(group.details))
        together.setdefault(key, []).append(group)
    return list(together.values())


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
