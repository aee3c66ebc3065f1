"""Which model a repository is of: its lab's own model, another repository's quantization, or itself."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from modelscan_catalog.merge.facts import RepoFacts, compare_base, compare_twins
from modelscan_catalog.merge.names import bare_name, name_key, owner_of, sizes_of, slug, split_labels
from modelscan_catalog.merge.tables import MergeTables
from modelscan_catalog.records import Ambiguity


@dataclass(frozen=True)
class Home:
    """The model of a repository, and why."""

    model: str
    rule: str
    confidence: float
    evidence: str | None = None


@dataclass(frozen=True)
class RepoView:
    """What identity needs of a repository, whichever hub it is on."""

    id: str
    facts: RepoFacts
    quantized_from: tuple[str, ...] = ()
    """Repositories that its hub declares as its unquantized base."""
    set_names: tuple[str, ...] = ()
    """GPUStack sets that recommend it."""


@dataclass
class RepoIdentity:
    """Resolves repositories of one hub to models; ask ``home`` for each.

    ``canonical`` are the ids of lab models. ``weights`` maps repository ids (lower case) to the lab models
    whose weights link names them, ``sold_as`` counts the lab models that sellers give beside a repository's
    id (lower case). ``elsewhere`` holds homes that another hub settled already, by repository id.
    """

    kind: str
    repos: Mapping[str, RepoView]
    tables: MergeTables
    canonical: frozenset[str]
    weights: Mapping[str, Sequence[str]]
    sold_as: Mapping[str, Counter[str]]
    elsewhere: Mapping[str, Home]
    lab_of: Callable[[str], str]
    """The lab of an owner on this hub."""
    other_bases: Mapping[str, tuple[str, RepoFacts]] = field(default_factory=dict)
    """Unlabelled repositories of the other hub by id, with the model each is of."""
    ambiguities: list[Ambiguity] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._homes: dict[str, Home] = {}
        self._open: set[str] = set()
        self._by_lower = {identifier.lower(): identifier for identifier in sorted(self.repos, reverse=True)}
        self._labelled = {i: split_labels(bare_name(i), self.tables) for i in self.repos}
        self._plain_by_key: dict[str, list[str]] = defaultdict(list)
        self._siblings: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._labelled_by_key: dict[str, list[str]] = defaultdict(list)
        self._of_set: dict[str, list[str]] = defaultdict(list)
        for identifier in sorted(self.repos):
            stem, labels = self._labelled[identifier]
            if labels:
                self._siblings[owner_of(identifier).lower(), name_key(stem)].append(identifier)
                self._labelled_by_key[name_key(stem)].append(identifier)
            else:
                self._plain_by_key[name_key(stem)].append(identifier)
            for name in self.repos[identifier].set_names:
                self._of_set[name].append(identifier)
        self._canonical_by_key: dict[tuple[str, str], list[str]] = defaultdict(list)
        for identifier in sorted(self.canonical):
            lab, _, name = identifier.partition("/")
            self._canonical_by_key[lab, name_key(name)].append(identifier)
        self._other_by_key: dict[str, list[str]] = defaultdict(list)
        for identifier in sorted(self.other_bases):
            self._other_by_key[name_key(bare_name(identifier))].append(identifier)

    def home(self, identifier: str) -> Home:
        """The model of one repository."""
        if identifier not in self._homes:
            if identifier in self._open:  # two repositories that call each other their base
                return self._own(identifier, "own_repo")
            self._open.add(identifier)
            self._homes[identifier] = self._find(identifier)
            self._open.discard(identifier)
            if self._homes[identifier].rule != "own_repo":
                self.ambiguities = [doubt for doubt in self.ambiguities if doubt.id != identifier]
        return self._homes[identifier]

    def _find(self, identifier: str) -> Home:
        if identifier in self.elsewhere:
            return self.elsewhere[identifier]
        stem, labels = self._labelled[identifier]
        linked = self._by_exact_name(identifier) or self._by_weights_link(identifier)
        if linked is not None:
            return linked
        if labels:
            based = (
                self._by_declared_base(identifier)
                or self._by_set(identifier, stem)
                or self._by_base_name(identifier, stem)
                or self._by_lab_name(identifier, stem, quantized=True)
                or self._by_siblings(identifier, stem)
            )
            if based is not None:
                return based
        named = (
            self._by_lab_name(identifier, bare_name(identifier), quantized=False)
            or self._by_sellers(identifier)
            or self._by_original(identifier)
        )
        return named or self._own(identifier, "own_repo")

    def _by_exact_name(self, identifier: str) -> Home | None:
        model = self.model_id(identifier)
        if model not in self.canonical:
            return None
        return Home(model, "lab_and_name", 0.98, f"{owner_of(identifier)} publishes for the lab")

    def _by_weights_link(self, identifier: str) -> Home | None:
        models = sorted(set(self.weights.get(identifier.lower(), ())))
        if len(models) == 1:
            return Home(
                models[0], "models_dev_weights_link", 1.0, "models.dev models.json names it as the weights"
            )
        tokens = set(name_key(bare_name(identifier)).split("-"))
        spelled = [m for m in models if set(name_key(bare_name(m)).split("-")) <= tokens]
        if len(spelled) == 1:
            evidence = f"models.dev models.json links {', '.join(models)} to it; only one has its name"
            return Home(spelled[0], "models_dev_weights_link", 0.95, evidence)
        if models:
            self._doubt(identifier, models, "several lab models of models.dev link to these weights")
        return None

    def _by_declared_base(self, identifier: str) -> Home | None:
        bases = sorted({self._by_lower.get(b.lower(), b) for b in self.repos[identifier].quantized_from})
        if len(bases) > 1:
            self._doubt(identifier, bases, "its hub declares several base models")
        if len(bases) != 1 or bases[0] == identifier:
            return None
        base = bases[0]
        if base in self.repos:
            model = self.home(base).model
        elif base in self.elsewhere:
            model = self.elsewhere[base].model
        else:
            model = self.model_id(base)
        return Home(model, "declared_base", 0.98, f"its hub declares it a quantization of {base}")

    def _by_set(self, identifier: str, stem: str) -> Home | None:
        for name in self.repos[identifier].set_names:
            for other in self._of_set[name]:
                if not self._labelled[other][1] and name_key(bare_name(other)) == name_key(stem):
                    return Home(
                        self.home(other).model,
                        "gpustack_set",
                        0.97,
                        f"GPUStack set {name} lists it beside {other}",
                    )
        return None

    def _by_base_name(self, identifier: str, stem: str) -> Home | None:
        """An unlabelled repository of the stem's name: the owner's, else the only one with equal facts."""
        facts = self.repos[identifier].facts
        named = [
            i for i in self._plain_by_key.get(name_key(stem), ()) if sizes_of(stem) == sizes_of(bare_name(i))
        ]
        compared = {i: compare_base(facts, self.repos[i].facts) for i in named}
        possible = {i: result for i, result in compared.items() if not result.differ}
        own = [i for i in possible if owner_of(i).lower() == owner_of(identifier).lower()]
        if len(own) == 1:
            return Home(self.home(own[0]).model, "quantized_sibling", 0.95, f"{own[0]}: {possible[own[0]]}")
        official = [i for i in possible if owner_of(i).lower() in self.tables.lab_of_owner]
        agreeing = [i for i in possible if possible[i].agree]
        for left, confidence in (
            ([i for i in official if i in agreeing], 0.9),
            (agreeing, 0.85),
            (official, 0.8),
        ):
            models = {self.home(i).model for i in left}
            if len(models) == 1:
                base = sorted(left)[0]
                return Home(models.pop(), "quantized_name", confidence, f"{base}: {possible[base]}")
        if possible:
            self._doubt(
                identifier,
                sorted(possible),
                "its name is that of a quantization of one of these, but no fact shows it",
            )
            return None
        return self._by_official_labelled(identifier, stem, facts) or self._by_other_hub(
            identifier, stem, facts
        )

    def _by_official_labelled(self, identifier: str, stem: str, facts: RepoFacts) -> Home | None:
        """Another owner's quantization of a model whose lab publishes labelled repositories only."""
        labelled = [
            i
            for i in self._labelled_by_key[name_key(stem)]
            if self._is_official(i)
            and owner_of(i).lower() != owner_of(identifier).lower()
            and not compare_base(facts, self.repos[i].facts).differ
        ]
        models = {self.home(i).model for i in labelled}
        if len(models) != 1:
            return None
        compared = compare_base(facts, self.repos[labelled[0]].facts)
        return Home(
            models.pop(), "quantized_name", 0.85 if compared.agree else 0.8, f"{labelled[0]}: {compared}"
        )

    def _by_other_hub(self, identifier: str, stem: str, facts: RepoFacts) -> Home | None:
        found = {
            i: compare_base(facts, self.other_bases[i][1])
            for i in self._other_by_key.get(name_key(stem), ())
            if sizes_of(stem) == sizes_of(bare_name(i))
        }
        possible = [i for i in found if not found[i].differ and (found[i].agree or self._is_official(i))]
        models = {self.other_bases[i][0] for i in possible}
        if len(models) == 1:
            base = sorted(possible)[0]
            return Home(models.pop(), "quantized_name", 0.8, f"{base} on the other hub: {found[base]}")
        return None

    def _is_official(self, identifier: str) -> bool:
        return owner_of(identifier).lower() in self.tables.lab_of_owner

    def _by_lab_name(self, identifier: str, name: str, *, quantized: bool) -> Home | None:
        """The lab model of this name, also where one of the two puts the lab's name before it."""
        lab = self.lab_of(owner_of(identifier))
        keys = [name_key(name)]
        head, _, rest = keys[0].partition("-")
        if rest and head == name_key(lab):
            keys.append(rest)
        else:
            keys.append(f"{name_key(lab)}-{keys[0]}")
        for key in keys:
            near = self._canonical_by_key.get((lab, key), [])
            if len(near) == 1:
                rule = "lab_and_name_quantized" if quantized else "lab_and_name_respelled"
                return Home(near[0], rule, 0.93, f"{owner_of(identifier)} publishes for the lab {lab}")
        return None

    def _by_sellers(self, identifier: str) -> Home | None:
        votes = self.sold_as.get(identifier.lower())
        if not votes:
            return None
        sizes = sizes_of(identifier)
        fitting = {m: n for m, n in votes.items() if not sizes or not sizes_of(m) or sizes & sizes_of(m)}
        fitting = {m: n for m, n in fitting.items() if not self._weights_known(m, identifier)}
        if len(fitting) == 1:
            ((model, count),) = fitting.items()
            return Home(model, "sellers_repo_id", 0.93, f"{count} offers sell this repository id as {model}")
        if fitting:
            self._doubt(identifier, sorted(fitting), "sellers of this repository id name different models")
        return None

    def _weights_known(self, model: str, besides: str) -> bool:
        """Whether a repository is the model's own by its name or by a weights link: then another id that
        sellers mix up with it is a sibling (another date, or instruct for base), not the model."""
        lab, _, name = model.partition("/")
        own = (i for i in self._plain_by_key.get(name_key(name), ()) if self.lab_of(owner_of(i)) == lab)
        return any(own) or any(model in ms for repo, ms in self.weights.items() if repo != besides.lower())

    def _by_original(self, identifier: str) -> Home | None:
        """A known copier's repository of the same name and facts as the one that a lab publishes."""
        if owner_of(identifier).lower() not in self.tables.reuploaders:
            return None
        mine = self.repos[identifier].facts
        for other in self._plain_by_key.get(name_key(bare_name(identifier)), ()):
            compared = compare_twins(mine, self.repos[other].facts)
            if self._is_official(other) and compared.agree and not compared.differ:
                return Home(self.home(other).model, "copy_of_official_repo", 0.85, f"{other}: {compared}")
        return None

    def _by_siblings(self, identifier: str, stem: str) -> Home | None:
        """Labelled repositories of one owner that has no unlabelled one share the stem as their model."""
        mine = self.repos[identifier].facts
        siblings = [
            i
            for i in self._siblings[owner_of(identifier).lower(), name_key(stem)]
            if i != identifier and not compare_base(mine, self.repos[i].facts).differ
        ]
        if not siblings:
            return None
        first = sorted([identifier, *siblings])[0]
        stem = self._labelled[first][0]
        return Home(
            self.model_id(f"{owner_of(first)}/{stem}"), "labelled_siblings", 0.9, f"beside {siblings[0]}"
        )

    def model_id(self, identifier: str) -> str:
        """The id of a model that is named after a repository."""
        return f"{self.lab_of(owner_of(identifier))}/{slug(bare_name(identifier))}"

    def _own(self, identifier: str, rule: str) -> Home:
        return Home(self.model_id(identifier), rule, 1.0, None)

    def _doubt(self, identifier: str, candidates: Iterable[str], reason: str) -> None:
        self.ambiguities.append(
            Ambiguity(kind=self.kind, id=identifier, candidates=tuple(sorted(candidates)), reason=reason)
        )
