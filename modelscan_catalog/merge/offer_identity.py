"""Which model an offer sells, where models.dev does not say: exact ids first, then names with evidence."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelscan_catalog.merge.names import name_key, slug, split_labels
from modelscan_catalog.merge.repo_identity import Home
from modelscan_catalog.merge.tables import MergeTables
from modelscan_catalog.records import Ambiguity
from modelscan_catalog.sources.staged import ModelsDevOffer


@dataclass(frozen=True)
class KnownModel:
    """What is known of a model before its offers are linked: enough to confirm a match by name."""

    id: str
    families: frozenset[str] = frozenset()
    open_weights: bool | None = None
    contexts: frozenset[int] = frozenset()
    named_by_lab: bool = False


class OfferLinker:
    """Links sellers' ids to models; ``repo_homes`` maps repository ids of both hubs in lower case."""

    def __init__(
        self,
        models: Mapping[str, KnownModel],
        repo_homes: Mapping[str, str],
        tables: MergeTables,
        names: Mapping[str, Sequence[str]],
    ) -> None:
        """``names`` gives further names of each model: of its repositories and model sets."""
        self._models, self._repo_homes, self._tables = dict(models), repo_homes, tables
        self._by_name: dict[str, set[str]] = defaultdict(set)
        self._by_lab_name: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._labs_of_family: dict[str, set[str]] = defaultdict(set)
        self._labs_of_first_token: dict[str, set[str]] = defaultdict(set)
        for identifier, known in sorted(models.items()):
            lab, _, name = identifier.partition("/")
            for text in (name, *names.get(identifier, ())):
                self._remember(identifier, lab, text)
            if known.named_by_lab:
                for family in known.families:
                    self._labs_of_family[family].add(lab)
                self._labs_of_first_token[name_key(name).split("-")[0]].add(lab)

    def _remember(self, model: str, lab: str, name: str) -> None:
        self._by_name[name_key(name)].add(model)
        self._by_lab_name[lab, name_key(name)].add(model)

    def link_all(
        self, offers: Sequence[ModelsDevOffer]
    ) -> tuple[dict[tuple[str, str], Home], list[Ambiguity]]:
        """Homes by (provider, id), and an ambiguity for each offer that no rule links.

        Offers of a lab's own provider come first: a model that only they name is a model of that lab.
        """
        homes: dict[tuple[str, str], Home] = {}
        doubts: list[Ambiguity] = []
        rest: list[ModelsDevOffer] = []
        for offer in offers:
            if offer.canonical_model_id is not None:
                homes[offer.provider, offer.id] = Home(offer.canonical_model_id, "models_dev_canonical", 1.0)
            elif offer.provider in self._tables.lab_of_provider:
                found = self._link(offer) or self._first_party(offer)
                if isinstance(found, Home):
                    homes[offer.provider, offer.id] = found
                else:
                    rest.append(offer)
            else:
                rest.append(offer)
        for offer in rest:
            found = self._link(offer)
            if isinstance(found, Home):
                homes[offer.provider, offer.id] = found
            else:
                doubts.append(found or self._nothing(offer, (), "no known model has this id or name"))
        return homes, doubts

    def _link(self, offer: ModelsDevOffer) -> Home | Ambiguity | None:
        raw = offer.id.lower().lstrip("~")
        bare = raw
        for suffix in self._tables.seller_suffixes:
            bare = bare.removesuffix(suffix)
        for text in dict.fromkeys((raw, bare)):
            if text in self._models:
                return Home(text, "lab_model_id", 0.99, None)
            if text in self._repo_homes:
                return Home(self._repo_homes[text], "repo_id", 0.98, "the seller's id is a repository id")
        segments = [part for part in bare.split("/") if part]
        if not segments:
            return None
        lab, stated = self._stated_lab(segments)
        names = [*self._names(stated, lab), *([segments[-1]] if stated != segments[-1] else [])]
        own_lab = self._tables.lab_of_provider.get(offer.provider)
        for said in (text for text in (lab, own_lab) if text is not None):
            for name in names:
                found = self._by_lab_name.get((said, name_key(name)), set())
                if len(found) == 1 and said == lab and not self._tuned_siblings(*found):
                    evidence = f"the seller writes {lab} before the name"
                    return Home(next(iter(found)), "lab_spelling_and_name", 0.95, evidence)
                if found:
                    return self._confirmed(offer, found, name)
        for name in names:
            found = self._by_name.get(name_key(name), set())
            if lab is not None:  # what stands before the name may be another seller
                found = {model for model in found if self._models[model].named_by_lab}
            if found:
                return self._confirmed(offer, found, name)
        return None

    def _stated_lab(self, segments: Sequence[str]) -> tuple[str | None, str]:
        """The lab that a seller writes before the name, and the name: ``z-ai/glm-5``, ``zai.glm-5`` and
        ``zai-org-glm-5`` all say ``glm-5`` of one lab."""
        last = segments[-1]
        if len(segments) > 1:
            return self._tables.lab_of_spelling.get(segments[-2]), last
        if not self._by_name.get(name_key(last)):
            for spelling in sorted(self._tables.lab_of_spelling, key=lambda text: (-len(text), text)):
                rest = last.removeprefix(spelling)
                if rest != last and rest[:1] in (".", "-", ":") and len(rest) > 1:
                    return self._tables.lab_of_spelling[spelling], rest[1:]
        return None, last

    def _names(self, name: str, lab: str | None) -> list[str]:
        names = [name]
        if lab is not None and name.startswith(f"{lab}-"):
            names.append(name[len(lab) + 1 :])
        stem, labels = split_labels(name, self._tables)
        if labels:
            names.append(stem)
        return names

    def _confirmed(self, offer: ModelsDevOffer, found: set[str], name: str) -> Home | Ambiguity:
        """One of the models that bear the name, when facts agree or the full name is distinctive.

        Models that their lab names come before those of labs' repositories, and these before all others.
        """
        named_by_lab = {m for m in found if self._models[m].named_by_lab}
        of_labs = {m for m in found if m.partition("/")[0] in self._tables.labs}
        pool = {m: self._models[m] for m in named_by_lab or of_labs or found}
        tuned = set(self._tuned_siblings(*pool))
        if tuned:
            reason = "the base model has this name, and sellers mostly mean the tuned one by it"
            return self._nothing(offer, tuple(sorted({*pool, *tuned})), reason)
        possible = {m: known for m, known in pool.items() if not _other_family(offer, known)}
        agreeing = {m: text for m, known in possible.items() if (text := _agreement(offer, known))}
        if len(agreeing) == 1:
            ((model, text),) = agreeing.items()
            return Home(model, "unique_name_same_facts", 0.9, text)
        if len(possible) == 1 and not agreeing and _is_distinctive(name):
            ((model, known),) = possible.items()
            if not (offer.open_weights and known.open_weights is False):
                return Home(model, "unique_distinctive_name", 0.85, "no other model bears this full name")
        reason = (
            "several models bear this name" if len(possible) > 1 else "the model of this name has other facts"
        )
        return self._nothing(offer, tuple(sorted(found)), reason)

    def _tuned_siblings(self, *models: str) -> list[str]:
        """Models named as the tuned form of one of ``models`` that no lab sells under its own name."""
        bases = [model for model in models if not self._models[model].named_by_lab]
        tuned = [f"{model}-{word}" for model in bases for word in ("it", "instruct", "chat")]
        return [model for model in tuned if model in self._models]

    def _first_party(self, offer: ModelsDevOffer) -> Home | None:
        """A lab's own provider names a model of the lab, unless its family or name is another lab's."""
        lab = self._tables.lab_of_provider[offer.provider]
        name = offer.id.lower().lstrip("~")
        if "/" in name:
            return None
        labs = self._labs_of_family.get(offer.family or "", set())
        first = self._labs_of_first_token.get(name_key(name).split("-")[0], set())
        if (labs and lab not in labs) or (first and lab not in first):
            return None
        model = f"{lab}/{slug(name)}"
        if model not in self._models:
            self._models[model] = KnownModel(
                model,
                frozenset({offer.family} if offer.family else ()),
                offer.open_weights,
                frozenset({offer.limits.context} if offer.limits.context else ()),
                named_by_lab=True,
            )
            self._remember(model, lab, name)
        return Home(model, "first_party_id", 0.97, f"{offer.provider} sells its own model")

    def _nothing(self, offer: ModelsDevOffer, candidates: Sequence[str], reason: str) -> Ambiguity:
        return Ambiguity(
            kind="models_dev", id=f"{offer.provider}/{offer.id}", candidates=tuple(candidates), reason=reason
        )


def _other_family(offer: ModelsDevOffer, model: KnownModel) -> bool:
    """Whether the offer names a family that is none of the model's, nor a part of one's name."""
    mine = offer.family
    return bool(
        mine
        and model.families
        and not any(mine.startswith(family) or family.startswith(mine) for family in model.families)
    )


def _agreement(offer: ModelsDevOffer, model: KnownModel) -> str:
    agree = [
        text
        for text, same in (
            ("same family", offer.family is not None and offer.family in model.families),
            (
                "same open_weights",
                offer.open_weights is not None and offer.open_weights == model.open_weights,
            ),
            ("same context", offer.limits.context is not None and offer.limits.context in model.contexts),
        )
        if same
    ]
    return ", ".join(agree)


def _is_distinctive(name: str) -> bool:
    """Whether a name has a number and enough words that two models hardly share it by chance."""
    tokens = name_key(name).split("-")
    return len(tokens) >= 3 and any(token[0].isdigit() for token in tokens)


def known_models(
    canonical: Sequence[str], offers: Sequence[ModelsDevOffer], repos: Mapping[str, Sequence[int]]
) -> dict[str, KnownModel]:
    """Canonical models with the facts of their offers, and models of repositories with their contexts."""
    families: dict[str, Counter[str]] = defaultdict(Counter)
    opens: dict[str, Counter[bool]] = defaultdict(Counter)
    contexts: dict[str, set[int]] = defaultdict(set)
    for offer in offers:
        model = offer.canonical_model_id
        if model is None:
            continue
        if offer.family:
            families[model][offer.family] += 1
        if offer.open_weights is not None:
            opens[model][offer.open_weights] += 1
        if offer.limits.context:
            contexts[model].add(offer.limits.context)
    known: dict[str, KnownModel] = {}
    by_lab = frozenset(canonical)
    for model in sorted({*canonical, *repos}):
        votes = opens[model].most_common(1)
        known[model] = KnownModel(
            model,
            frozenset(families[model]),
            votes[0][0] if votes else (True if model in repos else None),
            frozenset(contexts[model] | set(repos.get(model, ()))),
            named_by_lab=model in by_lab,
        )
    return known
