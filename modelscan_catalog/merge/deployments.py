"""Deployments: GPUStack's launch recipes, each tied to the variant that it serves."""

import re

from modelscan_catalog.merge.names import slug
from modelscan_catalog.merge.staged_tables import StagedTables
from modelscan_catalog.merge.variants import VariantTable
from modelscan_catalog.records import Deployment

VRAM_CLAIM = "GPUSTACK_MODEL_VRAM_CLAIM"


def build_deployments(staged: StagedTables, table: VariantTable) -> tuple[Deployment, ...]:
    """One record for each recipe, sorted by id."""
    variants = {variant.id: variant for variant in table.variants}
    found: list[Deployment] = []
    for spec in staged.specs:
        variant = variants[table.of_repo[spec.catalogue, spec.repo]]
        claim = spec.env.get(VRAM_CLAIM, "")
        found.append(
            Deployment(
                id=f"gpustack/{spec.catalogue}/{slug(spec.set_name)}/{spec.position}",
                model=variant.model,
                variant=variant.id,
                source="gpustack",
                catalogue=spec.catalogue,
                set_name=spec.set_name,
                position=spec.position,
                mode=spec.mode,
                quantization=spec.quantization,
                engine=spec.backend,
                engine_version=spec.backend_version,
                parameters=spec.backend_parameters,
                env=spec.env,
                gpu_filter=spec.gpu_filter,
                categories=spec.categories,
                speculative=spec.speculative,
                vram_claim_bytes=int(claim) if re.fullmatch(r"[1-9]\d*", claim) else None,
            )
        )
    return tuple(sorted(found, key=lambda deployment: deployment.id))
