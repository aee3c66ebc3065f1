"""Where variants, offers and recipes come from, in few rows; models say it claim by claim."""

from collections.abc import Sequence

from modelscan_catalog.merge.variants import VariantTable
from modelscan_catalog.merge.witnesses import Witnesses
from modelscan_catalog.records import Deployment, Provenance, Variant

_BYTES_DOCUMENTS = {"safetensors_index": "model.safetensors.index.json", "hub_files": "files"}


def record_provenance(
    table: VariantTable, deployments: Sequence[Deployment], witnesses: Witnesses
) -> list[Provenance]:
    """A row for each variant and for each of its fields that another document gave.

    All offers and providers come from one document, and all recipes of a catalogue from another: one row each
    (``offer:*``, ``provider:*``, ``deployment:gpustack/huggingface/*``).
    """
    sellers = witnesses.of("sellers")
    rows = [
        sellers.provenance(f"{kind}:*", "*", "as the seller's row says") for kind in ("offer", "provider")
    ]
    for catalogue in sorted({d.catalogue for d in deployments}):
        recipe = witnesses.of("gpustack", catalogue)
        rows.append(recipe.provenance(f"deployment:gpustack/{catalogue}/*", "*", "as the recipe says"))
    for variant in table.variants:
        record = f"variant:{variant.id}"
        if variant.id in table.described_by:
            rows += _of_served(variant, record, *table.described_by[variant.id], witnesses)
        else:
            recipe = witnesses.of("gpustack", variant.hub)
            rows.append(recipe.provenance(record, "*", "named by a recipe; no hub answered for it"))
    return rows


def _of_served(variant: Variant, record: str, hub: str, repo: str, witnesses: Witnesses) -> list[Provenance]:
    rows = [witnesses.of(hub, repo).provenance(record, "*", "as the hub says")]
    evidence = variant.quantization.evidence if variant.quantization else None
    if evidence == "recipe":
        rows.append(
            witnesses.of("gpustack", variant.hub).provenance(record, "quantization", "label of the recipe")
        )
    derived: list[tuple[str, str]] = []
    if variant.context is not None:
        derived.append(("context", "config.json"))
    if evidence == "config":
        modelopt = variant.quantization is not None and variant.quantization.method == "modelopt"
        named = "hf_quant_config.json" if modelopt else "config.json"
        derived.append(("quantization", named))
    if variant.weights_basis in _BYTES_DOCUMENTS:
        derived.append(("weights_bytes", _BYTES_DOCUMENTS[variant.weights_basis]))
    for field, kind in derived:
        if witnesses.has(hub, kind, repo):
            source = witnesses.of(hub, repo, kind=kind)
            rows.append(source.provenance(record, field, f"read from {kind}"))
    return rows
