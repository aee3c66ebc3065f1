"""Variants: weights that exist, one record per repository, with its copy on the other hub."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelscan_catalog.merge.facts import RepoFacts, is_weight_file
from modelscan_catalog.merge.identity import Identity
from modelscan_catalog.merge.names import bare_name, owner_of
from modelscan_catalog.merge.quantization import dtype_bytes, quantization_of
from modelscan_catalog.merge.staged_tables import StagedTables
from modelscan_catalog.merge.tables import MergeTables
from modelscan_catalog.records import Variant, WeightFile
from modelscan_catalog.sources.staged import HuggingFaceRepo, ModelScopeRepo, RepoFile

_LISTED_FILES = 40
"""Longest list of weight files that a variant carries; a longer one is left out as a whole."""


@dataclass(frozen=True)
class VariantTable:
    """The variants, sorted by id, and which of them holds the weights of a (hub, repository)."""

    variants: tuple[Variant, ...]
    of_repo: Mapping[tuple[str, str], str]
    described_by: Mapping[str, tuple[str, str]]
    """The (hub, repository) that described each variant; a variant that only a recipe names has none."""


def build_variants(staged: StagedTables, identity: Identity, tables: MergeTables) -> VariantTable:
    """One variant for each repository that a hub serves or a recipe names.

    A ModelScope repository that copies a HuggingFace one becomes its ``modelscope_repo``.
    """
    hf_rows = {row.id: row for row in staged.huggingface}
    ms_rows = {row.id: row for row in staged.modelscope}
    labels = _recipe_labels(staged, identity)
    hf_repos = {*hf_rows, *(repo for hub, repo in labels if hub == "huggingface")}
    copies: dict[str, list[str]] = defaultdict(list)
    for twin in identity.twins.values():
        if twin.huggingface in hf_repos:
            copies[twin.huggingface].append(twin.modelscope)

    variants: list[Variant] = []
    described_by: dict[str, tuple[str, str]] = {}
    of_repo: dict[tuple[str, str], str] = {}
    for repo in sorted(hf_repos):
        mine = sorted(
            copies.get(repo, ()), key=lambda c: (c not in ms_rows, bare_name(c) != bare_name(repo), c)
        )
        served = ms_rows.get(mine[0]) if mine else None
        said = labels.get(("huggingface", repo), [])
        if repo in hf_rows:
            variants.append(_huggingface(hf_rows[repo], mine, served, said, identity, tables))
            described_by[repo] = ("huggingface", repo)
        elif served is not None:
            home = {"id": repo, "hub": "huggingface", "repo": repo, "revision": None}
            variants.append(_modelscope(served, said, identity, tables).model_copy(update=home))
            described_by[repo] = ("modelscope", served.id)
        else:
            variants.append(_named_only("huggingface", repo, mine, said, identity, tables))
        of_repo["huggingface", repo] = repo
        of_repo |= {("modelscope", copy): repo for copy in mine}
    for repo in sorted({*ms_rows, *(repo for hub, repo in labels if hub == "modelscope")}):
        if ("modelscope", repo) in of_repo:
            continue
        said = labels.get(("modelscope", repo), [])
        if repo in ms_rows:
            variant = _modelscope(ms_rows[repo], said, identity, tables)
        else:
            variant = _named_only("modelscope", repo, [], said, identity, tables)
        if repo in hf_repos:  # the same id on both hubs, but other weights
            variant = variant.model_copy(update={"id": f"modelscope:{repo}"})
        variants.append(variant)
        if repo in ms_rows:
            described_by[variant.id] = ("modelscope", repo)
        of_repo["modelscope", repo] = variant.id
    return VariantTable(tuple(sorted(variants, key=lambda v: v.id)), of_repo, described_by)


def _recipe_labels(staged: StagedTables, identity: Identity) -> dict[tuple[str, str], list[str]]:
    """Quantization labels that recipes give each (hub, repository); an entry for every one they name."""
    labels: dict[tuple[str, str], list[str]] = {(row.catalogue, row.repo): [] for row in staged.drafts}
    for spec in staged.specs:
        labels.setdefault((spec.catalogue, spec.repo), [])
        if spec.quantization:
            labels[spec.catalogue, spec.repo].append(spec.quantization)
    served = {row.id for row in staged.huggingface}
    for twin in identity.twins.values():
        said = labels.get(("modelscope", twin.modelscope), [])
        if said and (twin.huggingface in served or ("huggingface", twin.huggingface) in labels):
            labels.setdefault(("huggingface", twin.huggingface), []).extend(said)
    return labels


def _huggingface(
    row: HuggingFaceRepo,
    copies: list[str],
    twin: ModelScopeRepo | None,
    labels: Iterable[str],
    identity: Identity,
    tables: MergeTables,
) -> Variant:
    facts = identity.facts["huggingface", row.id]
    model = identity.huggingface[row.id].model
    bytes_, basis = weights_bytes(row, tables)
    if bytes_ is None and twin is not None and twin.weights_bytes:
        bytes_, basis = twin.weights_bytes, "hub_files"
    return Variant(
        id=row.id,
        model=model,
        hub="huggingface",
        repo=row.id,
        revision=row.sha,
        modelscope_repo=copies[0] if copies else None,
        official=_official(row.id, model, tables),
        quantization=quantization_of(
            row.id, facts.config, row.quant_config_json, row.safetensors_dtypes, list(labels), tables
        ),
        parameters=row.safetensors_total,
        weights_bytes=bytes_,
        weights_basis=basis,
        model_type=facts.model_type,
        architectures=facts.architectures,
        context=facts.context,
        gated=row.gated,
        license=row.licenses[0] if len(row.licenses) == 1 else None,
        downloads=row.downloads,
        created_at=row.created_at,
        has_config=bool(facts.config),
        files=_weight_files(row.files),
    )


def _modelscope(
    row: ModelScopeRepo, labels: Iterable[str], identity: Identity, tables: MergeTables
) -> Variant:
    facts: RepoFacts = identity.facts["modelscope", row.id]
    model = identity.modelscope[row.id].model
    return Variant(
        id=row.id,
        model=model,
        hub="modelscope",
        repo=row.id,
        revision=row.revision,
        modelscope_repo=row.id,
        official=_official(row.id, model, tables),
        quantization=quantization_of(row.id, facts.config, None, {}, list(labels), tables),
        weights_bytes=row.weights_bytes or None,
        weights_basis="hub_files" if row.weights_bytes else None,
        model_type=facts.model_type,
        architectures=facts.architectures,
        context=facts.context,
        gated=row.gated,
        license=row.license,
        downloads=row.downloads,
        created_at=row.created_at,
        has_config=bool(facts.config),
        files=_weight_files(row.files),
    )


def _named_only(
    hub: str, repo: str, copies: list[str], labels: Iterable[str], identity: Identity, tables: MergeTables
) -> Variant:
    """A repository that a recipe names and no hub answered for: its existence is the recipe's word."""
    homes = identity.huggingface if hub == "huggingface" else identity.modelscope
    model = homes[repo].model
    return Variant(
        id=repo,
        model=model,
        hub=hub,
        repo=repo,
        modelscope_repo=repo if hub == "modelscope" else (copies[0] if copies else None),
        official=_official(repo, model, tables),
        quantization=quantization_of(repo, {}, None, {}, list(labels), tables),
    )


def weights_bytes(row: HuggingFaceRepo, tables: MergeTables) -> tuple[int | None, str | None]:
    """Bytes of a repository's weights and what they were read from: the safetensors index, the parameters by
    dtype, or the hub's file sizes."""
    by_dtype = dtype_bytes(row.safetensors_dtypes, tables)
    if row.index_total_size and (by_dtype is None or row.index_total_size >= 0.9 * by_dtype):
        return row.index_total_size, "safetensors_index"
    if by_dtype is not None:
        return by_dtype, "safetensors_dtypes"
    sizes = [f.bytes for f in row.files if f.path.endswith(".safetensors")]
    if sizes and all(size for size in sizes):
        return sum(size for size in sizes if size), "hub_files"
    return None, None


def _official(repo: str, model: str, tables: MergeTables) -> bool:
    return tables.lab_of(owner_of(repo)) == model.partition("/")[0]


def _weight_files(files: Iterable[RepoFile]) -> tuple[WeightFile, ...]:
    listed = sorted(
        (f for f in files if is_weight_file(f.path) and (f.bytes or f.sha256)), key=lambda f: f.path
    )
    if len(listed) > _LISTED_FILES:
        return ()
    return tuple(WeightFile(path=f.path, bytes=f.bytes, sha256=f.sha256) for f in listed)
