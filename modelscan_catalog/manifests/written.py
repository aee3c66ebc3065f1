"""The documents that are published of one plan, as linted text, or the reason why a target has none."""

from dataclasses import dataclass

from modelscan_catalog.errors import ManifestError, ManifestLintError
from modelscan_catalog.manifests.lint import ManifestKind
from modelscan_catalog.manifests.options import Target
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.manifests.targets import Manifest, emit


@dataclass(frozen=True)
class WrittenPlan:
    """What came of one plan; every published target is in ``manifests`` or in ``refused``."""

    manifests: tuple[Manifest, ...]
    refused: dict[ManifestKind, str]


def write_plan(plan: LaunchPlan) -> WrittenPlan:
    """The published documents of ``plan``; equal plans give equal text. Other targets come on demand.

    A target that cannot serve the plan is refused with the reason. Raises ``ManifestLintError`` when a
    document fails its own lint, which no plan should bring about.
    """
    published: tuple[tuple[Target, ManifestKind], ...] = (
        (plan.engine, "vllm_command" if plan.engine == "vllm" else "sglang_command"),
        ("gpustack", "gpustack_model"),
        ("kserve-vllm", "kserve_inferenceservice"),
        ("compose", "compose"),
    )
    manifests = []
    refused: dict[ManifestKind, str] = {}
    for target, kind in published:
        try:
            manifests.append(emit(plan, target))
        except ManifestLintError:
            raise
        except ManifestError as error:
            refused[kind] = str(error)
    return WrittenPlan(tuple(manifests), refused)
