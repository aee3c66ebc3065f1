"""What every manifest is made from: one resolved plan for one model on one kind of machine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from packaging.version import InvalidVersion, Version

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.engines import Engine
from modelscan_catalog.secret_refs import check_reference

WeightSource = Literal["huggingface", "model_scope", "local_path"]


@dataclass(frozen=True, kw_only=True)
class LaunchPlan:
    """One engine process serving one checkpoint; null means that the engine decides.

    ``repo`` is a hub id, or for ``local_path`` a directory (``pvc://claim/path`` on Kubernetes).
    ``quantization`` is the engine's own flag value, needed only for online quantization.
    ``env`` values that read ``env:NAME`` or ``file:PATH`` are secrets and stay references.
    ``extra_parameters`` are flags of this engine, each one string (``--flag`` or ``--flag=value``).
    """

    model_id: str
    variant_id: str
    repo: str
    engine: Engine
    engine_version: str
    served_model_name: str
    gpu_profile_id: str
    gpu_vendor: str
    gpu_count: int
    revision: str | None = None
    source: WeightSource = "huggingface"
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    max_model_len: int | None = None
    kv_cache_dtype: str | None = None
    gpu_memory_utilization: float | None = None
    max_num_seqs: int | None = None
    quantization: str | None = None
    tool_parser: str | None = None
    reasoning_parser: str | None = None
    trust_remote_code: bool = False
    extra_parameters: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    categories: tuple[str, ...] = ("llm",)
    expected_memory_gib: float | None = None

    def __post_init__(self) -> None:
        needed = self.tensor_parallel * self.pipeline_parallel
        try:
            Version(self.engine_version)
        except InvalidVersion:
            raise ManifestError(
                f"{self.variant_id}: engine_version {self.engine_version!r} is no version number"
            ) from None
        if min(self.tensor_parallel, self.pipeline_parallel, self.gpu_count) < 1:
            raise ManifestError(f"{self.variant_id}: GPU and parallel counts start at 1")
        if needed > self.gpu_count:
            raise ManifestError(
                f"{self.variant_id}: tensor parallel {self.tensor_parallel} × pipeline parallel "
                f"{self.pipeline_parallel} needs {needed} GPUs, the plan has {self.gpu_count}"
            )
        if self.gpu_memory_utilization is not None and not 0 < self.gpu_memory_utilization <= 1:
            raise ManifestError(
                f"{self.variant_id}: gpu_memory_utilization {self.gpu_memory_utilization} is not in (0, 1]"
            )

    def plain_env(self) -> dict[str, str]:
        """Environment values that are no secrets, by name."""
        return {name: value for name, value in sorted(self.env.items()) if not _is_reference(value)}

    def secret_env(self) -> dict[str, str]:
        """Names of variables that hold secrets, to their references."""
        return {name: value for name, value in sorted(self.env.items()) if _is_reference(value)}


def deployment_name(plan: LaunchPlan, *, limit: int = 63) -> str:
    """``plan``'s served name as a DNS label: lower case letters, digits and dashes."""
    label = re.sub(r"[^a-z0-9]+", "-", plan.served_model_name.lower()).strip("-")
    if not label[:1].isalpha():
        label = f"m-{label}".strip("-")
    return label[:limit].rstrip("-")


def _is_reference(value: str) -> bool:
    try:
        return bool(check_reference(value))
    except ValueError:
        return False
