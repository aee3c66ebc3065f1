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
        table: str,
        row: type[R],
        source: SourceName,
        key: Callable[[Any], tuple[Any, ...]],
        fault: Callable[[Any], str | None] = lambda _: None,
    ) -> tuple[R, ...]:
        kept: list[R] = []
        seen: set[tuple[Any, ...]] = set()
        rows = [entry for entry in staged.get(table, ()) if isinstance(entry, row)]
        for entry in sorted(rows, key=lambda entry: (key(entry), entry.model_dump_json())):
            wrong = "repeats the key of another row" if key(entry) in seen else fault(entry)
            seen.add(key(entry))
            if wrong is None:
                kept.append(entry)
            else:
                rejects.append(_reject(source, table, key(entry), wrong))
        return tuple(kept)

    def not_owner_and_name(row: HuggingFaceRepo | ModelScopeRepo) -> str | None:
        return None if is_repo_id(row.id) else "its id is not owner/name"

    providers = take("models_dev_providers", ModelsDevProvider, "models_dev", lambda r: (r.id,))
    sellers = {row.id for row in providers}
    offers, bad_canonical = _without_bad_canonical(
        take(
            "models_dev_offers",
            ModelsDevOffer,
            "models_dev",
            lambda r: (r.provider, r.id),
            lambda r: None if r.provider in sellers else "its provider has no row",
        )
    )
    lab_models = take(
        "models_dev_lab_models",
        ModelsDevLabModel,
        "models_dev",
        lambda r: (r.id,),
        lambda r: None if is_repo_id(r.id) else "its id is not lab/name",
    )
    sets = take("gpustack_sets", GpustackSet, "gpustack", lambda r: (r.catalogue, r.name))
    set_keys = {(row.catalogue, row.name) for row in sets}
    specs = take(
        "gpustack_specs",
        GpustackSpec,
        "gpustack",
        lambda r: (r.catalogue, r.set_name, r.position),
        lambda r: _local(r) if (r.catalogue, r.set_name) in set_keys else "its model set has no row",
    )
    drafts = take(
        "gpustack_draft_models", GpustackDraftModel, "gpustack", lambda r: (r.catalogue, r.name), _local
    )
    huggingface = take(
        "huggingface_repos", HuggingFaceRepo, "huggingface", lambda r: (r.id,), not_owner_and_name
    )
    modelscope = take("modelscope_repos", ModelScopeRepo, "modelscope", lambda r: (r.id,), not_owner_and_name)
    spelled = _spelling(huggingface, modelscope)
    return StagedTables(
        providers=providers,
        offers=offers,
        lab_models=lab_models,
        sets=sets,
        specs=tuple(row.model_copy(update={"repo": spelled(row.catalogue, row.repo)}) for row in specs),
        drafts=tuple(row.model_copy(update={"repo": spelled(row.catalogue, row.repo)}) for row in drafts),
        huggingface=huggingface,
        modelscope=modelscope,
        rejects=(*rejects, *bad_canonical),
    )


def _local(row: GpustackSpec | GpustackDraftModel) -> str | None:
    if is_repo_id(row.repo):
        return None
    return f"its weights {row.repo[:80]!r} are no owner/name repository"


def _spelling(
    huggingface: Sequence[HuggingFaceRepo], modelscope: Sequence[ModelScopeRepo]
) -> Callable[[str, str], str]:
    """How a hub spells today the repository that a recipe names."""
    present = {("huggingface", name.lower()): r.id for r in huggingface for name in (*r.requested_as, r.id)}
    present |= {("modelscope", row.id.lower()): row.id for row in modelscope}
    served = {*(("huggingface", row.id) for row in huggingface), *(("modelscope", r.id) for r in modelscope)}

    def spelled(hub: str, repo: str) -> str:
        return repo if (hub, repo) in served else present.get((hub, repo.lower()), repo)

    return spelled


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
