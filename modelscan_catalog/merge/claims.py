"""Claims: what each witness says of a field, who is believed, and what the others said."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelscan_catalog.merge.witnesses import Witness
from modelscan_catalog.records import Conflict, Provenance


@dataclass(frozen=True)
class Claim:
    """One witness's value for one field; never of an unknown value."""

    field: str
    value: Any
    witness: Witness
    note: str = ""
    decides: bool = True
    """False for a value that is kept for the conflicts and never believed."""


class ClaimBook:
    """The claims on one record."""

    def __init__(self, record: str, authority: Mapping[str, Sequence[str]]) -> None:
        """``record`` is the published name, such as ``model:openai/gpt-4o``; ``authority`` ranks witnesses by
        field."""
        self.record = record
        self._authority = authority
        self._claims: dict[str, list[Claim]] = {}

    def say(self, field: str, value: Any, witness: Witness, note: str = "") -> None:
        """Note a claim; an unknown value (None, empty tuple or text) is none, and so is the word of a witness
        whom the authority table does not believe for the field."""
        if value is None or value in ((), "") or witness.name not in self._authority.get(field, ()):
            return
        self._claims.setdefault(field, []).append(Claim(field, value, witness, note))

    def note(self, field: str, value: Any, witness: Witness, note: str) -> None:
        """Note what some of a witness's voices say against its majority, or in a tie."""
        if witness.name in self._authority.get(field, ()):
            self._claims.setdefault(field, []).append(Claim(field, value, witness, note, decides=False))

    def chosen(self, field: str) -> Claim | None:
        """The claim of the most believed witness."""
        ranks = self._authority.get(field, ())
        claims = [claim for claim in self._claims.get(field, ()) if claim.decides]
        if not claims:
            return None
        return min(
            claims,
            key=lambda claim: (claim.value == _NAMELESS, ranks.index(claim.witness.name), repr(claim.value)),
        )

    def value(self, field: str) -> Any:
        """The believed value, or None."""
        claim = self.chosen(field)
        return claim.value if claim else None

    def conflicts(self) -> list[Conflict]:
        """Other values than the believed one, once per value and source."""
        found: dict[tuple[str, str, str], Conflict] = {}
        for field in sorted(self._claims):
            best = self.chosen(field)
            if field in _NEVER_IN_CONFLICT:
                continue
            for claim in self._claims[field]:
                if best is not None and (claim is best or same_value(field, claim.value, best.value)):
                    continue
                found.setdefault(
                    (field, claim.witness.source, repr(claim.value)),
                    Conflict(
                        record=self.record,
                        field=field,
                        chosen=_plain(best.value) if best else None,
                        chosen_source=(best or claim).witness.source,
                        other=_plain(claim.value),
                        other_source=claim.witness.source,
                        rule=_rule(best, claim),
                    ),
                )
        return [found[key] for key in sorted(found)]

    def provenance(self) -> list[Provenance]:
        """One row for the witness of most fields (field ``*``), and one for each field of another."""
        best = {field: claim for field in sorted(self._claims) if (claim := self.chosen(field)) is not None}
        if not best:
            return []
        common = Counter(claim.witness for claim in best.values())
        main = min(common, key=lambda witness: (-common[witness], witness.name))
        rows = [main.provenance(self.record, "*", main.name)]
        rows += [
            claim.witness.provenance(
                self.record, field, " ".join(filter(None, (claim.witness.name, claim.note)))
            )
            for field, claim in best.items()
            if claim.witness != main
        ]
        return rows


_NAMELESS = ("other",)
"""A hub's word for a licence it has no name for: believed only when nobody names one."""

_NEVER_IN_CONFLICT = frozenset({"name", "family", "last_updated"})
"""Spellings and housekeeping dates: every seller has its own, and none is false."""


def same_value(field: str, one: Any, other: Any) -> bool:
    """Whether two values say the same.

    Parameter counts within 20 % do (sources round them), dates as far as both go, licences and architectures
    regardless of case and order.
    """
    if field.startswith("parameters."):
        return bool(abs(one - other) <= 0.2 * max(one, other))
    if field.endswith("_date") or field == "knowledge":
        shorter = min(len(one), len(other))
        return bool(one[:shorter] == other[:shorter])
    if isinstance(one, tuple) and isinstance(other, tuple):
        return {str(v).lower() for v in one} == {str(v).lower() for v in other}
    return bool(one == other)


def majority(values: Iterable[Hashable]) -> tuple[Any, str] | None:
    """The most common known value and how common; None when there is none or the first two tie."""
    counted = Counter(value for value in values if value is not None and value != ())
    if not counted:
        return None
    ordered = sorted(counted.items(), key=lambda item: (-item[1], repr(item[0])))
    if len(ordered) > 1 and ordered[0][1] == ordered[1][1]:
        return None
    return ordered[0][0], f"{ordered[0][1]} of {counted.total()}"


def _rule(best: Claim | None, other: Claim) -> str:
    if best is None:
        return f"{other.witness.name} ({other.note}): a tie leaves it unknown"
    notes = [
        f"{claim.witness.name} ({claim.note})" if claim.note else claim.witness.name
        for claim in (best, other)
    ]
    return f"{notes[0]} before {notes[1]}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
