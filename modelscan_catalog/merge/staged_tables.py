"""The staged tables as one typed object: duplicates and unusable ids go to the rejects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from modelscan_catalog.records import Record, Reject, SourceName
from modelscan_catalog.sources.staged import (
    GpustackDraftModel,
    GpustackSet,
    GpustackSpec,
    HuggingFaceRepo,
    ModelScopeRepo,
    ModelsDevLabModel,
    ModelsDevOffer,
    ModelsDevProvider,
)

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class StagedTables:
    """Rows by table, sorted, each key once."""

    providers: tuple[ModelsDevProvider, ...]
    offers: tuple[ModelsDevOffer, ...]
    lab_models: tuple[ModelsDevLabModel, ...]
    sets: tuple[GpustackSet, ...]
    specs: tuple[GpustackSpec, ...]
    drafts: tuple[GpustackDraftModel, ...]
    huggingface: tuple[HuggingFaceRepo, ...]
    modelscope: tuple[ModelScopeRepo, ...]
    rejects: tuple[Reject, ...]


def read_staged(staged: Mapping[str, Sequence[Any]]) -> StagedTables:
    """Sort the staged rows and drop, with a reason, those that repeat a key or name what does not exist.

    ``staged`` holds lists of staged rows by table name; a missing table counts as empty.
    """
    rejects: list[Reject] = []

    def take(
        table: str, row: type[R], source: SourceName, key: Callable[[Any], tuple[Any, ...]]
    ) -> tuple[R, ...]:
        kept: dict[tuple[Any, ...], R] = {}
        rows = [entry for entry in staged.get(table, ()) if isinstance(entry, row)]
        for entry in sorted(rows, key=lambda entry: (key(entry), entry.model_dump_json())):
            if key(entry) in kept:
                rejects.append(_reject(source, table, key(entry), "repeats the key of another row"))
            else:
                kept[key(entry)] = entry
        return tuple(kept.values())

    providers = take("models_dev_providers", ModelsDevProvider, "models_dev", lambda r: (r.id,))
    offers = take("models_dev_offers", ModelsDevOffer, "models_dev", lambda r: (r.provider, r.id))
    lab_models = take("models_dev_lab_models", ModelsDevLabModel, "models_dev", lambda r: (r.id,))
    sets = take("gpustack_sets", GpustackSet, "gpustack", lambda r: (r.catalogue, r.name))
    specs = take("gpustack_specs", GpustackSpec, "gpustack", lambda r: (r.catalogue, r.set_name, r.position))
    drafts = take("gpustack_draft_models", GpustackDraftModel, "gpustack", lambda r: (r.catalogue, r.name))
    huggingface = take("huggingface_repos", HuggingFaceRepo, "huggingface", lambda r: (r.id,))
    modelscope = take("modelscope_repos", ModelScopeRepo, "modelscope", lambda r: (r.id,))

    sellers = {row.id for row in providers}
    homeless = [row for row in offers if row.provider not in sellers]
    rejects += [
        _reject("models_dev", "models_dev_offers", (r.provider, r.id), "its provider has no row")
        for r in homeless
    ]
    offers, bad_canonical = _without_bad_canonical(offers)
    rejects += bad_canonical
    set_keys = {(row.catalogue, row.name) for row in sets}
    orphans = [row for row in specs if (row.catalogue, row.set_name) not in set_keys]
    rejects += [
        _reject(
            "gpustack", "gpustack_specs", (r.catalogue, r.set_name, r.position), "its model set has no row"
        )
        for r in orphans
    ]
    local = [row for row in specs if row not in orphans and not is_repo_id(row.repo)]
    rejects += [
        _reject(
            "gpustack",
            "gpustack_specs",
            (row.catalogue, row.set_name, row.position),
            f"its weights {row.repo[:80]!r} are no owner/name repository",
        )
        for row in local
    ]
    rejects += [
        _reject(
            "gpustack",
            "gpustack_draft_models",
            (row.catalogue, row.name),
            f"its weights {row.repo[:80]!r} are no owner/name repository",
        )
        for row in drafts
        if not is_repo_id(row.repo)
    ]
    not_repos: list[tuple[SourceName, str]] = [
        *(("huggingface", row.id) for row in huggingface if not is_repo_id(row.id)),
        *(("modelscope", row.id) for row in modelscope if not is_repo_id(row.id)),
    ]
    rejects += [_reject(hub, f"{hub}_repos", (name,), "its id is not owner/name") for hub, name in not_repos]
    lab_bad = [row for row in lab_models if not is_repo_id(row.id)]
    rejects += [
        _reject("models_dev", "models_dev_lab_models", (r.id,), "its id is not lab/name") for r in lab_bad
    ]
    present = {("huggingface", name.lower()): r.id for r in huggingface for name in (*r.requested_as, r.id)}
    present |= {("modelscope", row.id.lower()): row.id for row in modelscope}
    served = {
        *(("huggingface", row.id) for row in huggingface),
        *(("modelscope", row.id) for row in modelscope),
    }

    def spelled(hub: str, repo: str) -> str:
        """A recipe's repository as its hub spells it today."""
        return repo if (hub, repo) in served else present.get((hub, repo.lower()), repo)

    return StagedTables(
        providers=providers,
        offers=tuple(row for row in offers if row.provider in sellers),
        lab_models=tuple(row for row in lab_models if is_repo_id(row.id)),
        sets=sets,
        specs=tuple(
            row.model_copy(update={"repo": spelled(row.catalogue, row.repo)})
            for row in specs
            if (row.catalogue, row.set_name) in set_keys and is_repo_id(row.repo)
        ),
        drafts=tuple(
            row.model_copy(update={"repo": spelled(row.catalogue, row.repo)})
            for row in drafts
            if is_repo_id(row.repo)
        ),
        huggingface=tuple(row for row in huggingface if is_repo_id(row.id)),
        modelscope=tuple(row for row in modelscope if is_repo_id(row.id)),
        rejects=tuple(rejects),
    )


def _without_bad_canonical(
    offers: Sequence[ModelsDevOffer],
) -> tuple[tuple[ModelsDevOffer, ...], list[Reject]]:
    """Offers whose canonical id is no ``lab/name`` go on without it."""
    kept: list[ModelsDevOffer] = []
    rejects: list[Reject] = []
    for row in offers:
        canonical = row.canonical_model_id
        if canonical is None or is_repo_id(canonical):
            kept.append(row)
            continue
        kept.append(row.model_copy(update={"canonical_model_id": None}))
        rejects.append(
            Reject(
                source="models_dev",
                table="models_dev_offers",
                record=f"{row.provider}/{row.id}",
                field="canonical_model_id",
                value=canonical[:200],
                reason="is not lab/name",
                whole_row=False,
            )
        )
    return tuple(kept), rejects


def is_repo_id(identifier: str) -> bool:
    """Whether ``identifier`` is ``owner/name``."""
    owner, slash, name = identifier.partition("/")
    return bool(owner and slash and name and "/" not in name and identifier == identifier.strip())


def _reject(source: SourceName, table: str, key: tuple[Any, ...], reason: str) -> Reject:
    return Reject(
        source=source, table=table, record="/".join(str(part) for part in key), reason=reason, whole_row=True
    )
