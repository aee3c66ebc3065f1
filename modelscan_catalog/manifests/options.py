"""What a manifest needs beside the plan: the operator's wishes and the checkpoint's files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.plan_input import LaunchPlan

if TYPE_CHECKING:
    from modelscan_catalog.records.catalog import WeightFile

Target = Literal[
    "airgap",
    "compose",
    "gpustack",
    "gpustack-catalog",
    "kaito",
    "kserve-isvc",
    "kserve-llmisvc",
    "kserve-runtime",
    "kserve-vllm",
    "llm-d",
    "sglang",
    "vllm",
]
"""``kserve-isvc`` is the huggingface format, ``llm-d`` an LLMInferenceService with llm-d's scheduler."""
TARGETS: tuple[Target, ...] = get_args(Target)

OFFLINE_ENV = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
"""Switches of huggingface_hub and transformers; both engines hand them on to the ModelScope client."""


MOST_REPLICAS = 1000
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class PodResources:
    """CPU and memory beside the GPUs: a policy of the cluster, not a fact about the model."""

    cpu: int = 4
    cpu_limit: int = 8
    memory_gib: int = 16
    memory_limit_gib: int = 64


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What the hub said of the plan's repository; null where it did not say.

    ``quantization`` is the stored format (``fp8``, ``awq``, ...). ``files`` are those that an engine needs,
    as ``listed_by`` lists them (``installed``, ``hub`` or ``catalogue``, which knows the weight files only);
    ``unlisted`` says why there are none.
    """

    files: tuple[WeightFile, ...] | None = None
    listed_by: str | None = None
    unlisted: str | None = None
    weights_bytes: int | None = None
    quantization: str | None = None
    license: str | None = None


@dataclass(frozen=True, kw_only=True)
class EmitOptions:
    """Wishes of whoever deploys. Every target reads those that mean something to it.

    ``offline``: engines get their offline switches and the network is cut off, so the weights must be in
    place. ``writable_root``: the engine's container may write to its root file system, as NVIDIA's CDI hook
    does on some nodes, where the container does not start otherwise (KServe #5711). ``secret_name`` is the
    Secret whose keys the plan's ``env:NAME`` references are; ``port`` is where a command or compose listens
    on this machine. Raises ``ManifestError`` for a wish that no target takes.
    """

    offline: bool = False
    writable_root: bool = False
    namespace: str = "ai"
    replicas: int = 1
    port: int | None = None
    resources: PodResources = PodResources()
    secret_name: str = "modelscan-secrets"  # noqa: S105 - a name, not a secret
    service_account: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    checkpoint: Checkpoint = Checkpoint()

    def __post_init__(self) -> None:
        if self.port is not None and not 1 <= self.port <= 65535:
            raise ManifestError(f"port: {self.port} is not between 1 and 65535")
        if not 0 <= self.replicas <= MOST_REPLICAS:
            raise ManifestError(f"replicas: {self.replicas} is not between 0 and {MOST_REPLICAS}")
        names = {"secret name": self.secret_name, "service account": self.service_account or "none"}
        for what, name in {"namespace": self.namespace, **names}.items():
            if not _NAME.fullmatch(name) or (what == "namespace" and "." in name):
                raise ManifestError(f"{what}: {name[:60]!r} is no name of Kubernetes: use a-z, 0-9 and -")


def in_place(plan: LaunchPlan, place: str) -> LaunchPlan:
    """``plan`` with its weights read from ``pvc://claim/path`` or an absolute directory instead of a hub.

    Whether they lie there is for whoever deploys to know: it may be another machine's disk. Raises
    ``ManifestError`` for any other place.
    """
    if not place.startswith(("pvc://", "/")):
        raise ManifestError(f"{place!r}: weights in place are at pvc://claim/path or /absolute/directory")
    env = {name: value for name, value in plan.env.items() if name != "HF_TOKEN"}
    return replace(plan, source="local_path", repo=place, revision=None, env=env)
