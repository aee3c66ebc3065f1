"""Which HuggingFace repository a ModelScope repository is a copy of: rules with evidence, never a guess."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from modelscan_catalog.merge.facts import Comparison, RepoFacts, compare_twins
from modelscan_catalog.merge.names import bare_name, hub_key, name_key, owner_of, sizes_of, split_labels
from modelscan_catalog.merge.tables import MergeTables
from modelscan_catalog.records import Ambiguity

STRONG_FACTS = frozenset(
    {"model_type", "architectures", "layers", "hidden_size", "parameters", "config_sha256", "weight_sha256"}
)
_SHAPE_FACTS = frozenset({"layers", "hidden_size", "parameters"})


@dataclass(frozen=True)
class Twin:
    """Two repositories that hold the same weights on two hubs."""

    modelscope: str
    huggingface: str
    rule: str
    confidence: float
    evidence: str


@dataclass(frozen=True)
class Hub:
    """The repositories of one hub: facts by id, none where the repository is only named by others."""

    facts: Mapping[str, RepoFacts | None]
    derived: frozenset[str] = frozenset()
    """Ids that declare another repository as their base."""

    def fact(self, identifier: str) -> RepoFacts:
        return self.facts.get(identifier) or RepoFacts()


class TwinLinker:
    """Links ModelScope ids to HuggingFace ids; built once per pair of hubs."""

    def __init__(
        self,
        huggingface: Hub,
        modelscope: Hub,
        tables: MergeTables,
        *,
        stated: Mapping[str, tuple[str, str]] | None = None,
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        """``stated`` maps a ModelScope id to a HuggingFace id and the source that states the pair;
        ``renamed`` maps former HuggingFace ids to present ones."""
        self._hf, self._ms, self._tables = huggingface, modelscope, tables
        self._stated = stated or {}
        self._by_lower: dict[str, str] = {}
        for former, present in sorted((renamed or {}).items()):
            self._by_lower[former.lower()] = present
        for identifier in sorted(huggingface.facts, reverse=True):
            self._by_lower[identifier.lower()] = identifier
        self._owners = {owner_of(identifier).lower() for identifier in huggingface.facts}
        self._by_key = _group(huggingface.facts, lambda i: name_key(bare_name(i)))
        self._by_hub_key = _group(huggingface.facts, lambda i: hub_key(bare_name(i), tables))
        self._by_sha: dict[str, set[str]] = defaultdict(set)
        for identifier, facts in huggingface.facts.items():
            for sha in facts.weight_sha256s if facts else ():
                self._by_sha[sha].add(identifier)

    def link_all(self) -> tuple[list[Twin], list[Ambiguity]]:
        """One twin or one ambiguity or nothing for each ModelScope repository, sorted by id."""
        twins: list[Twin] = []
        doubts: list[Ambiguity] = []
        for identifier in sorted(self._ms.facts):
            found = self.link(identifier)
            if isinstance(found, Twin):
                twins.append(found)
            elif found is not None:
                doubts.append(found)
        return twins, doubts

    def link(self, identifier: str, absent: frozenset[str] = frozenset()) -> Twin | Ambiguity | None:
        """The twin of a ModelScope id, an ambiguity when several could be, None when none could.

        ``absent`` are HuggingFace ids to do without, as if their hub had them not.
        """
        facts = self._ms.fact(identifier)
        shared = {i for sha in facts.weight_sha256s for i in self._by_sha.get(sha, ())} - absent
        if len(shared) == 1:
            return Twin(identifier, shared.pop(), "weight_sha256", 1.0, "a weight file with the same sha256")
        if identifier in self._stated:
            other, source = self._stated[identifier]
            return Twin(identifier, self._by_lower.get(other.lower(), other), "stated_pair", 0.98, source)
        same = self._by_lower.get(identifier.lower())
        if same is not None and same not in absent:
            return self._same_id(identifier, same)
        key = name_key(bare_name(identifier))
        candidates = [i for i in self._by_key.get(key, ()) if i not in absent]
        if candidates:
            return self._by_name(identifier, candidates)
        loose = self._by_hub_key.get(hub_key(bare_name(identifier), self._tables), [])
        loose = [i for i in loose if i not in absent and self._is_known_copy(identifier, i)]
        return self._by_name(identifier, loose)

    def _same_id(self, identifier: str, same: str) -> Twin | Ambiguity:
        compared = compare_twins(self._ms.fact(identifier), self._hf.fact(same))
        if _contradicts(compared):
            reason = f"the HuggingFace repository of the same id has other facts: {compared}"
            return _doubt(identifier, [same], reason)
        if identifier == same:
            return Twin(identifier, same, "same_id", 0.98, str(compared))
        return Twin(identifier, same, "same_id_other_case", 0.97, str(compared))

    def _by_name(self, identifier: str, named: Sequence[str]) -> Twin | Ambiguity | None:
        compared = {i: compare_twins(self._ms.fact(identifier), self._hf.fact(i)) for i in named}
        possible = {i: result for i, result in compared.items() if not _contradicts(result)}
        if not possible:
            return None
        aliases = {
            a.huggingface.lower(): a for a in self._tables.owner_aliases.get(owner_of(identifier).lower(), ())
        }
        for alike, rule, confidence in (
            (_same_letters, "same_owner_other_spelling", 0.94),
            (_one_begins_the_other, "owner_of_longer_name", 0.9),
        ):
            own = [i for i in possible if alike(owner_of(i), owner_of(identifier))]
            if len(own) == 1:
                evidence = f"owners {owner_of(identifier)} and {owner_of(own[0])}; {possible[own[0]]}"
                return Twin(identifier, own[0], rule, confidence, evidence)
        if not split_labels(bare_name(identifier), self._tables)[1]:
            # copiers are aliases for the quantized checkpoints that they make, not for what they copy
            aliases = {owner: a for owner, a in aliases.items() if owner not in self._tables.reuploaders}
        known = [i for i in possible if owner_of(i).lower() in aliases]
        if len(known) == 1:
            alias = aliases[owner_of(known[0]).lower()]
            evidence = f"{alias.modelscope} publishes {alias.pairs} repositories of {alias.huggingface}; "
            return Twin(
                identifier, known[0], "owner_alias_same_name", 0.96, evidence + str(possible[known[0]])
            )
        if known:
            return self._one_of_several(identifier, known, possible)
        if self._publishes_elsewhere(owner_of(identifier)):
            reason = "its owner publishes on HuggingFace too, and this name is there under other owners only"
            return _doubt(identifier, possible, reason)
        if len(possible) > 1:
            return self._one_of_several(identifier, sorted(possible), possible)
        (only, result), *_ = possible.items()
        if owner_of(only).lower() not in self._tables.reuploaders:
            if STRONG_FACTS & set(result.agree):
                return Twin(identifier, only, "unique_name_same_facts", 0.92, str(result))
            if sizes_of(bare_name(only)) or name_key(bare_name(only)).count("-") >= 2:
                evidence = f"the only repository of that name; {result}"
                return Twin(identifier, only, "unique_name", 0.8, evidence)
        reason = "a repository of another owner has the same name, and no fact shows that it is the same"
        return _doubt(identifier, possible, reason)

    def _publishes_elsewhere(self, owner: str) -> bool:
        """Whether a ModelScope owner is no copier and has a HuggingFace account, its own or a known one."""
        aliases = self._tables.owner_aliases.get(owner.lower(), ())
        return len(aliases) == 1 or (not aliases and owner.lower() in self._owners)

    def _is_known_copy(self, identifier: str, other: str) -> bool:
        """Whether a name that differs in the loader's suffix may be compared at all.

        The suffix can mean a converted checkpoint: only under an alias of the owner, or with equal facts.
        """
        aliases = {
            a.huggingface.lower() for a in self._tables.owner_aliases.get(owner_of(identifier).lower(), ())
        }
        compared = compare_twins(self._ms.fact(identifier), self._hf.fact(other))
        return owner_of(other).lower() in aliases or bool(STRONG_FACTS & set(compared.agree))

    def _one_of_several(
        self, identifier: str, several: Sequence[str], possible: Mapping[str, Comparison]
    ) -> Twin | Ambiguity:
        spelled = [i for i in several if bare_name(i) == bare_name(identifier)] or list(several)
        originals = [
            i
            for i in spelled
            if owner_of(i).lower() not in self._tables.reuploaders and i not in self._hf.derived
        ]
        official = [i for i in originals if owner_of(i).lower() in self._tables.lab_of_owner]
        for left, rule in ((official, "name_of_official_repo"), (originals, "name_of_original_repo")):
            if left and len({self._tables.lab_of(owner_of(i)) for i in left}) == 1:
                return Twin(identifier, left[0], rule, 0.85, f"the others are copies; {possible[left[0]]}")
        return _doubt(identifier, several, "several HuggingFace repositories bear the same name")


def _letters(owner: str) -> str:
    return re.sub(r"[^a-z0-9]", "", owner.lower())


def _same_letters(one: str, other: str) -> bool:
    """Whether two owners differ in case and separators only, as ``TeleAI`` and ``Tele-AI`` do."""
    return _letters(one) == _letters(other)


def _one_begins_the_other(one: str, other: str) -> bool:
    """Whether an owner's name goes on where another's ends, as ``MiniMax`` and ``MiniMaxAI`` do."""
    shorter, longer = sorted((_letters(one), _letters(other)), key=len)
    return len(shorter) >= 5 and longer.startswith(shorter)


def _doubt(identifier: str, candidates: Iterable[str], reason: str) -> Ambiguity:
    return Ambiguity(kind="modelscope", id=identifier, candidates=tuple(sorted(candidates)), reason=reason)


def _contradicts(compared: Comparison) -> bool:
    """Whether the facts rule out one and the same checkpoint: another shape, or another type and nothing
    in common (hubs spell the type of one model differently now and then)."""
    if "config_sha256" in compared.agree or "weight_sha256" in compared.agree:
        return False
    if _SHAPE_FACTS & set(compared.differ):
        return True
    return bool(compared.differ) and not STRONG_FACTS & set(compared.agree)


def _group(identifiers: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for identifier in sorted(identifiers):
        groups[key(identifier)].append(identifier)
    return groups


def gpustack_pairs(
    specs_by_set: Mapping[tuple[str, str], Sequence[str]],
    drafts: Mapping[tuple[str, str], str],
) -> dict[str, tuple[str, str]]:
    """Pairs that GPUStack's two catalogues state, as ModelScope id -> (HuggingFace id, evidence).

    ``specs_by_set`` lists the repositories by (catalogue, set name). Two repositories of one set are paired
    when they bear the same name, or when each catalogue's set knows only one.
    """
    pairs: dict[str, tuple[str, str]] = {}
    for (catalogue, name), repos in sorted(specs_by_set.items()):
        if catalogue != "modelscope":
            continue
        others = sorted(set(specs_by_set.get(("huggingface", name), ())))
        mine = sorted(set(repos))
        evidence = f"GPUStack catalogues, set {name}"
        for repo in mine:
            same = [other for other in others if name_key(bare_name(other)) == name_key(bare_name(repo))]
            if len(same) == 1:
                pairs[repo] = (same[0], evidence)
            elif len(mine) == 1 and len(others) == 1:
                pairs[repo] = (others[0], evidence)
    for (catalogue, name), repo in sorted(drafts.items()):
        other = drafts.get(("huggingface", name))
        if catalogue == "modelscope" and other is not None:
            pairs[repo] = (other, f"GPUStack catalogues, draft model {name}")
    return pairs
