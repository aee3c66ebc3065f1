"""The crosswalk: every outside name of a model, the rule that linked it, and the names no rule could link."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from modelscan_catalog.merge.facts import RepoFacts, repo_facts
from modelscan_catalog.merge.labelled_pairs import LabelledPair, stated_twins
from modelscan_catalog.merge.names import bare_name, slug, split_labels
from modelscan_catalog.merge.offer_identity import OfferLinker, known_models
from modelscan_catalog.merge.repo_identity import Home, RepoIdentity, RepoView
from modelscan_catalog.merge.staged_tables import StagedTables, is_repo_id
from modelscan_catalog.merge.tables import MergeTables
from modelscan_catalog.merge.twins import Hub, Twin, TwinLinker, gpustack_pairs
from modelscan_catalog.records import Ambiguity, CrosswalkLink

HUGGINGFACE_PAGE = "https://huggingface.co/"


@dataclass(frozen=True)
class Identity:
    """Homes by outside id; ids are spelled as their source spells them."""

    canonical: Mapping[str, str]
    """models.dev lab model id -> model id."""
    huggingface: Mapping[str, Home]
    modelscope: Mapping[str, Home]
    sets: Mapping[str, Home]
    drafts: Mapping[str, Home]
    offers: Mapping[tuple[str, str], Home]
    twins: Mapping[str, Twin]
    """By ModelScope id."""
    facts: Mapping[tuple[str, str], RepoFacts]
    """By (hub, repository id), staged repositories only."""
    links: tuple[CrosswalkLink, ...]
    ambiguities: tuple[Ambiguity, ...]


def identify(staged: StagedTables, tables: MergeTables, pairs: Sequence[LabelledPair]) -> Identity:
    """Link every outside id of ``staged`` to a model, or list it as ambiguous.

    ``pairs`` are stated twins of the two hubs; leave them out to see what the rules find alone.
    """
    canonical = {row.id: _model_id(row.id) for row in staged.lab_models}
    canonical |= {
        o.canonical_model_id: _model_id(o.canonical_model_id) for o in staged.offers if o.canonical_model_id
    }
    facts: dict[tuple[str, str], RepoFacts] = {
        ("huggingface", row.id): repo_facts(row) for row in staged.huggingface
    }
    facts |= {("modelscope", row.id): repo_facts(row) for row in staged.modelscope}
    set_names = _sets_by_repo(staged)
    weights = _weights_links(staged, canonical)
    renamed = {name: row.id for row in staged.huggingface for name in row.requested_as if name != row.id}
    hf_ids = {row.id for row in staged.huggingface}
    served = {name.lower() for name in (*hf_ids, *renamed)}
    hf_ids |= {r for r in (*_named(staged, "huggingface"), *weights) if r.lower() not in served}
    ms_ids = {row.id for row in staged.modelscope} | set(_named(staged, "modelscope"))
    twins, twin_doubts = _twins(staged, tables, pairs, facts, hf_ids, ms_ids, renamed)
    served = {name.lower() for name in (*hf_ids, *renamed)}
    hf_ids |= {twin.huggingface for twin in twins.values() if twin.huggingface.lower() not in served}
    copied = {
        ("huggingface", twin.huggingface): facts["modelscope", twin.modelscope]
        for twin in twins.values()
        if ("modelscope", twin.modelscope) in facts
    }
    bases = {row.id: row.base_models for row in staged.huggingface if row.base_model_relation == "quantized"}
    sold_as: dict[str, Counter[str]] = defaultdict(Counter)
    for offer in staged.offers:
        if offer.canonical_model_id and "/" in offer.id:
            sold_as[offer.id.lower()][canonical[offer.canonical_model_id]] += 1

    huggingface = RepoIdentity(
        kind="huggingface",
        repos=_views("huggingface", hf_ids, {**copied, **facts}, bases, set_names),
        tables=tables,
        canonical=frozenset(canonical.values()),
        weights={repo.lower(): models for repo, models in weights.items()},
        sold_as=sold_as,
        elsewhere={},
        lab_of=tables.lab_of,
    )
    hf_homes = {identifier: huggingface.home(identifier) for identifier in sorted(hf_ids)}
    for row in staged.huggingface:
        for former in row.requested_as:
            hf_homes.setdefault(
                former, Home(hf_homes[row.id].model, "hub_rename", 1.0, f"the hub redirects to {row.id}")
            )

    modelscope = RepoIdentity(
        kind="modelscope",
        repos=_views("modelscope", ms_ids, facts, bases, set_names),
        tables=tables,
        canonical=frozenset(canonical.values()),
        weights={},
        sold_as=sold_as,
        elsewhere={
            twin.modelscope: Home(
                hf_homes[twin.huggingface].model,
                twin.rule,
                twin.confidence,
                f"copy of {twin.huggingface}; {twin.evidence}",
            )
            for twin in twins.values()
        },
        lab_of=lambda owner: _modelscope_lab(owner, tables),
        other_bases={
            i: (hf_homes[i].model, facts.get(("huggingface", i), RepoFacts()))
            for i in sorted(hf_ids)
            if not split_labels(bare_name(i), tables)[1]
        },
    )
    ms_homes = {identifier: modelscope.home(identifier) for identifier in sorted(ms_ids)}
    sets, set_doubts = _set_homes(staged, hf_homes, ms_homes, tables)
    drafts = {
        row.name: Home(
            (hf_homes if row.catalogue == "huggingface" else ms_homes)[row.repo].model,
            "gpustack_draft_model",
            0.98,
            row.repo,
        )
        for row in sorted(staged.drafts, key=lambda row: row.catalogue, reverse=True)
    }
    offers, offer_doubts = _offer_homes(staged, tables, canonical, hf_homes, ms_homes, sets, facts)
    links = _links(staged, canonical, hf_homes, ms_homes, sets, drafts, offers)
    doubts = {
        (d.kind, d.id): d
        for d in (*huggingface.ambiguities, *modelscope.ambiguities, *twin_doubts, *set_doubts, *offer_doubts)
    }
    return Identity(
        canonical=canonical,
        huggingface=hf_homes,
        modelscope=ms_homes,
        sets=sets,
        drafts=drafts,
        offers=offers,
        twins=twins,
        facts=facts,
        links=links,
        ambiguities=tuple(doubts[key] for key in sorted(doubts)),
    )


def _model_id(identifier: str) -> str:
    lab, _, name = identifier.partition("/")
    return f"{slug(lab)}/{slug(name)}"


def _sets_by_repo(staged: StagedTables) -> dict[tuple[str, str], tuple[str, ...]]:
    names: dict[tuple[str, str], set[str]] = defaultdict(set)
    for spec in staged.specs:
        names[spec.catalogue, spec.repo].add(spec.set_name)
    return {key: tuple(sorted(value)) for key, value in names.items()}


def _named(staged: StagedTables, catalogue: str) -> list[str]:
    """Repositories that GPUStack's catalogue of one hub names."""
    named = [spec.repo for spec in staged.specs if spec.catalogue == catalogue]
    return named + [draft.repo for draft in staged.drafts if draft.catalogue == catalogue]


def _weights_links(staged: StagedTables, canonical: Mapping[str, str]) -> dict[str, list[str]]:
    links: dict[str, list[str]] = defaultdict(list)
    for row in staged.lab_models:
        for url in row.weights_urls:
            repo = url.removeprefix(HUGGINGFACE_PAGE).rstrip("/")
            if url.startswith(HUGGINGFACE_PAGE) and is_repo_id(repo):
                links[repo].append(canonical[row.id])
    return links


def _views(
    hub: str,
    identifiers: Iterable[str],
    facts: Mapping[tuple[str, str], RepoFacts],
    bases: Mapping[str, tuple[str, ...]],
    set_names: Mapping[tuple[str, str], tuple[str, ...]],
) -> dict[str, RepoView]:
    return {
        i: RepoView(i, facts.get((hub, i), RepoFacts()), bases.get(i, ()), set_names.get((hub, i), ()))
        for i in sorted(identifiers)
    }


def _twins(
    staged: StagedTables,
    tables: MergeTables,
    pairs: Sequence[LabelledPair],
    facts: Mapping[tuple[str, str], RepoFacts],
    hf_ids: Iterable[str],
    ms_ids: Iterable[str],
    renamed: Mapping[str, str],
) -> tuple[dict[str, Twin], list[Ambiguity]]:
    by_set: dict[tuple[str, str], list[str]] = defaultdict(list)
    for spec in staged.specs:
        by_set[spec.catalogue, spec.set_name].append(spec.repo)
    drafts = {(row.catalogue, row.name): row.repo for row in staged.drafts}
    stated = {**stated_twins(pairs), **gpustack_pairs(by_set, drafts)}
    linker = TwinLinker(
        Hub(
            {i: facts.get(("huggingface", i)) for i in hf_ids},
            frozenset(row.id for row in staged.huggingface if row.base_models),
        ),
        Hub({i: facts.get(("modelscope", i)) for i in ms_ids}),
        tables,
        stated=stated,
        renamed=renamed,
    )
    twins, doubts = linker.link_all()
    return {twin.modelscope: twin for twin in twins}, doubts


_PAIRS_TO_NAME_A_LAB = 3
"""An alias seen less often says that an owner copied a repository, not that it is the lab."""


def _modelscope_lab(owner: str, tables: MergeTables) -> str:
    aliases = tables.owner_aliases.get(owner.lower(), ())
    labs = {tables.lab_of(alias.huggingface) for alias in aliases}
    often = sum(alias.pairs for alias in aliases) >= _PAIRS_TO_NAME_A_LAB
    return labs.pop() if often and len(labs) == 1 else tables.lab_of(owner)


def _set_homes(
    staged: StagedTables, hf_homes: Mapping[str, Home], ms_homes: Mapping[str, Home], tables: MergeTables
) -> tuple[dict[str, Home], list[Ambiguity]]:
    repos: dict[str, dict[str, str]] = defaultdict(dict)
    for spec in staged.specs:
        homes = hf_homes if spec.catalogue == "huggingface" else ms_homes
        if spec.repo in homes:
            repos[spec.set_name][spec.repo] = homes[spec.repo].model
    sets: dict[str, Home] = {}
    doubts: list[Ambiguity] = []
    for name in sorted({row.name for row in staged.sets}):
        mine = repos.get(name, {})
        plain = {m for repo, m in mine.items() if not split_labels(bare_name(repo), tables)[1]} or set(
            mine.values()
        )
        if len(plain) == 1:
            sets[name] = Home(plain.pop(), "gpustack_set_repos", 0.98, ", ".join(sorted(mine)))
        else:
            reason = "its recipes name repositories of several models" if plain else "it has no recipe"
            doubts.append(Ambiguity(kind="gpustack", id=name, candidates=tuple(sorted(plain)), reason=reason))
    return sets, doubts


def _offer_homes(
    staged: StagedTables,
    tables: MergeTables,
    canonical: Mapping[str, str],
    hf_homes: Mapping[str, Home],
    ms_homes: Mapping[str, Home],
    sets: Mapping[str, Home],
    facts: Mapping[tuple[str, str], RepoFacts],
) -> tuple[dict[tuple[str, str], Home], list[Ambiguity]]:
    contexts: dict[str, list[int]] = defaultdict(list)
    names: dict[str, list[str]] = defaultdict(list)
    for hub, homes in (("huggingface", hf_homes), ("modelscope", ms_homes)):
        for identifier, home in homes.items():
            context = facts.get((hub, identifier), RepoFacts()).context
            contexts[home.model] += [context] if context else []
            names[home.model].append(split_labels(bare_name(identifier), tables)[0])
    for name, home in sets.items():
        names[home.model].append(name)
    repo_homes = {i.lower(): home.model for homes in (ms_homes, hf_homes) for i, home in homes.items()}
    offers = [
        row
        if row.canonical_model_id is None
        else row.model_copy(update={"canonical_model_id": canonical[row.canonical_model_id]})
        for row in staged.offers
    ]
    known = known_models(sorted(set(canonical.values())), offers, contexts)
    return OfferLinker(known, repo_homes, tables, names).link_all(offers)


def _links(
    staged: StagedTables,
    canonical: Mapping[str, str],
    hf_homes: Mapping[str, Home],
    ms_homes: Mapping[str, Home],
    sets: Mapping[str, Home],
    drafts: Mapping[str, Home],
    offers: Mapping[tuple[str, str], Home],
) -> tuple[CrosswalkLink, ...]:
    labs = {row.id for row in staged.lab_models}
    named: dict[tuple[str, str], Home] = {
        ("models_dev", f"{provider}/{name}"): home for (provider, name), home in offers.items()
    }
    named |= {
        ("models_dev", outside): Home(
            model, "models_dev_lab_model" if outside in labs else "models_dev_canonical", 1.0
        )
        for outside, model in canonical.items()
    }
    named |= {("huggingface", i): home for i, home in hf_homes.items()}
    named |= {("modelscope", i): home for i, home in ms_homes.items()}
    named |= {("gpustack", i): home for i, home in (*drafts.items(), *sets.items())}
    return tuple(
        CrosswalkLink(
            kind=kind,
            id=identifier,
            model=home.model,
            rule=home.rule,
            confidence=home.confidence,
            evidence=home.evidence,
        )
        for (kind, identifier), home in sorted(named.items(), key=lambda item: item[0])
    )
