"""One checkpoint of the registry view with its properties and defaults; unknown values are None."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class EntryQuantization:
    """Method (4bit, 8bit, awq, gptq, fp8) and library; both None for 16 and 32 bit weights."""

    method: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class EntryRequirements:
    """Least hardware; memory in GiB over all cards together."""

    min_vram_gb: float | None = None
    recommended_vram_gb: float | None = None
    min_ram_gb: float | None = None
    cuda_compute_capability: str | None = None
    min_gpus: int | None = None


@dataclass(frozen=True, slots=True)
class EntryCapabilities:
    """True, False, or None where no source says."""

    training: bool | None = None
    inference: bool | None = None
    vision: bool | None = None
    structured_outputs: bool | None = None
    streaming: bool | None = None
    function_calling: bool | None = None


@dataclass(frozen=True, slots=True)
class RegistryModel:
    """A checkpoint as ``models_registry.json`` describes it."""

    id: str
    name: str
    category: str
    provider: str
    base_architecture: str | None
    parameters: str | None
    description: str
    tags: tuple[str, ...]
    status: str | None
    quantization: EntryQuantization
    requirements: EntryRequirements
    capabilities: EntryCapabilities
    training_defaults: Mapping[str, Any] | None
    inference_defaults: Mapping[str, Any] | None
    urls: Mapping[str, str | None]
    published: Path = field(repr=False, compare=False)
    """The registry that it was read from."""

    @classmethod
    def of(cls, row: Mapping[str, Any], published: Path) -> RegistryModel:
        """The entry of a row of the view."""
        return cls(
            id=row["id"],
            name=row["name"],
            category=row["category"],
            provider=row["provider"],
            base_architecture=row["base_architecture"],
            parameters=row["parameters"],
            description=row["description"],
            tags=tuple(row["tags"]),
            status=row["status"],
            quantization=EntryQuantization(**row["quantization"]),
            requirements=EntryRequirements(**row["requirements"]),
            capabilities=EntryCapabilities(**row["capabilities"]),
            training_defaults=row["training_defaults"],
            inference_defaults=row["inference_defaults"],
            urls=row["urls"],
            published=published,
        )

    @property
    def is_vision_model(self) -> bool:
        """Whether it takes images and answers in text."""
        return self.category == "vision-vlm" or self.capabilities.vision is True

    @property
    def is_quantized(self) -> bool:
        """Whether its weights are stored in fewer than 16 bits."""
        return "quantized" in self.tags or self.quantization.method is not None

    @property
    def is_deprecated(self) -> bool:
        """Whether a source calls it deprecated."""
        return self.status == "deprecated"

    @property
    def is_stable(self) -> bool:
        """Whether no source calls it deprecated, experimental or beta."""
        return self.status in (None, "stable")

    @property
    def is_recommended(self) -> bool:
        """Whether its model's reference plan serves this checkpoint, or an override tags it recommended."""
        return "recommended" in self.tags or (self.inference_defaults is not None and self.is_stable)

    @property
    def supports_selective_loss(self) -> bool:
        """Whether its curated training defaults say so."""
        return bool(((self.training_defaults or {}).get("selective_loss") or {}).get("supported"))

    def get_training_hyperparameters(self) -> dict[str, Any]:
        """Curated hyperparameters; empty where nobody curated any."""
        return deepcopy(dict((self.training_defaults or {}).get("hyperparameters") or {}))

    def get_lora_config(self) -> dict[str, Any]:
        """Curated LoRA settings; empty where nobody curated any."""
        return deepcopy(dict((self.training_defaults or {}).get("lora_config") or {}))

    def get_inference_config(self, gpu_profile: str | None = None) -> dict[str, Any]:
        """Engine settings: of the reference plan, or planned for ``gpu_profile`` (such as ``rtx-4090:2``).

        Empty without a profile where there is no reference plan. With one, raises ``FitInputError`` saying
        what is missing when the checkpoint does not start there, ``UnknownIdError`` for an unknown GPU.
        """
        if gpu_profile is None:
            return deepcopy(dict(self.inference_defaults or {}))
        from modelscan_catalog.registry.planning import inference_config

        return inference_config(self.published, self.id, gpu_profile)
