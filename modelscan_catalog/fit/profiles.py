"""GPU profiles: what a card is, what its driver offers, and how people spell its name."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import FitInputError, ModelScanError, UnknownIdError

PROFILES_DIR = Path(__file__).resolve().parents[2] / "registry" / "gpu_profiles"
NOT_PROFILES = {"sources.json", "driver_memory.json"}
VENDOR_WORDS = re.compile(
    r"\b(nvidia|geforce|tesla|amd|radeon|instinct|intel|huawei|apple|data center gpu|generation)\b"
)
_COUNTED = re.compile(
    r"^(?:(?P<before>\d+) ?[x×] )?(?P<name>.+?)(?:(?: ?:| [x×]) ?(?P<after>\d+))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """GiB of one card that the driver offers an engine, with its band and where the figure is from."""

    gib: float
    low_gib: float
    high_gib: float
    basis: str
    """`driver` (logged on such a card) or `estimated` (share of the marketing size, by memory class)."""


@dataclass(frozen=True, slots=True)
class GpuProfile:
    """One card (or MIG instance). Rates are per card; FLOPS are dense tensor-core figures; None is unknown.

    `sources` names the source key of every value, `conflicts` the values of other sources that disagree; the
    keys are explained in `registry/gpu_profiles/sources.json`.
    """

    id: str
    name: str
    vendor: str
    """nvidia, amd, intel, ascend or apple."""
    architecture: str
    memory_gib_marketing: float
    memory_class: str
    aliases: tuple[str, ...] = ()
    compute_capability: str | None = None
    gfx: str | None = None
    memory_bytes: int | None = None
    memory_gib_driver: float | None = None
    memory_gib_driver_low: float | None = None
    memory_gib_driver_high: float | None = None
    unified_memory: bool = False
    """True where the card shares the system's memory (GB10, Strix Halo, MI300A, Apple)."""
    bandwidth_gb_s: float | None = None
    """GB/s, 10**9 bytes."""
    tflops_dense: Mapping[str, float] = field(default_factory=dict)
    """By dtype: fp16, bf16, fp8, int8, fp4."""
    interconnect: str | None = None
    """nvlink, pcie, infinity_fabric, xe_link, ethernet, network, hccs, or none (cards cannot work as one)."""
    interconnect_gb_s: float | None = None
    """Per card and direction."""
    price_usd_per_hour: float | None = None
    mig_parent: str | None = None
    mig_compute_slices: int | None = None
    mig_memory_slices: int | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    conflicts: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_mig(self) -> bool:
        """True for a MIG instance."""
        return self.mig_parent is not None

    @property
    def sm(self) -> int | None:
        """Compute capability times ten (9.0 -> 90), the unit of the engines' own minimum; None off NVIDIA."""
        if self.compute_capability is None:
            return None
        major, _, minor = self.compute_capability.partition(".")
        return int(major) * 10 + int(minor or 0)

    @property
    def memory(self) -> MemoryEstimate:
        """What the driver offers: logged totals where there are some, else the rule of the memory class."""
        if self.memory_gib_driver is not None:
            low = self.memory_gib_driver_low or self.memory_gib_driver
            high = self.memory_gib_driver_high or self.memory_gib_driver
            return MemoryEstimate(self.memory_gib_driver, low, high, "driver")
        share = driver_memory_classes()[self.memory_class]
        base = self.memory_gib_marketing
        if self.mig_parent is not None and self.mig_memory_slices is not None:
            parent = load_profiles()[self.mig_parent]
            base = parent.memory.gib * self.mig_memory_slices / (4 if parent.id == "a30" else 8)
        return MemoryEstimate(
            round(base * share["share"], 3),
            round(base * share["low"], 3),
            round(base * share["high"], 3),
            "estimated",
        )


_FIELDS = frozenset(item.name for item in fields(GpuProfile))
_REQUIRED = ("id", "name", "vendor", "architecture", "memory_gib_marketing", "memory_class")


def read_profiles(directory: Path) -> dict[str, GpuProfile]:
    """All profiles of a directory by id, in file and row order.

    Raises ModelScanError naming the file and the profile when a file is no JSON, a field is unknown or
    missing, a size is not positive, or an id occurs twice.
    """
    return _of_files(path for path in sorted(directory.glob("*.json")) if path.name not in NOT_PROFILES)


def _of_files(paths: Iterable[Path]) -> dict[str, GpuProfile]:
    profiles: dict[str, GpuProfile] = {}
    for path in paths:
        try:
            rows = json.loads(path.read_bytes())["profiles"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelScanError(
                f"{path}: expected a JSON object with a list `profiles` ({error!r}); restore it"
            ) from error
        for row in rows:
            profile = _profile(row, path)
            if profile.id in profiles:
                raise ModelScanError(f"{path}: profile id {profile.id!r} occurs twice; rename one")
            profiles[profile.id] = profile
    return profiles


def _profile(row: dict[str, Any], path: Path) -> GpuProfile:
    where = f"{path}: profile {row.get('id', '?')!r}"
    unknown = sorted(row.keys() - _FIELDS)
    missing = [name for name in _REQUIRED if name not in row]
    if unknown or missing:
        raise ModelScanError(f"{where}: unknown fields {unknown}, missing fields {missing}")
    if not row["memory_gib_marketing"] > 0:
        raise ModelScanError(f"{where}: memory_gib_marketing must be above 0")
    values = dict(row)
    values["aliases"] = tuple(row.get("aliases", ()))
    values["conflicts"] = tuple(row.get("conflicts", ()))
    return GpuProfile(**values)


@lru_cache(maxsize=1)
def load_profiles() -> Mapping[str, GpuProfile]:
    """The registry's profiles by id, and those of the file ``GPU_PROFILE_PATH`` over them; read once.

    That file has the shape of those in ``registry/gpu_profiles``. Raises as ``read_profiles``.
    """
    own = os.environ.get("GPU_PROFILE_PATH")
    return read_profiles(PROFILES_DIR) | (_of_files([Path(own)]) if own else {})


@lru_cache(maxsize=1)
def driver_memory_classes() -> Mapping[str, Mapping[str, float]]:
    """Share, low and high of the marketing size that the driver offers, by memory class."""
    document: dict[str, Mapping[str, float]] = json.loads((PROFILES_DIR / "driver_memory.json").read_bytes())[
        "classes"
    ]
    return document


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def _bare_key(name: str) -> str:
    return _key(VENDOR_WORDS.sub(" ", name.lower().replace("-", " ").replace("_", " ")))


def _index(profiles: Iterable[GpuProfile]) -> dict[str, str]:
    """Every spelling to an id; a spelling without vendor words counts only where a single card has it."""
    exact: dict[str, str] = {}
    bare: dict[str, set[str]] = {}
    for profile in profiles:
        for name in (profile.id, profile.name, *profile.aliases):
            exact.setdefault(_key(name), profile.id)
            bare.setdefault(_bare_key(name), set()).add(profile.id)
    for name, ids in bare.items():
        if len(ids) == 1:
            exact.setdefault(name, next(iter(ids)))
    return exact


@lru_cache(maxsize=1)
def _registry_index() -> dict[str, str]:
    return _index(load_profiles().values())


def find_profile(name: str) -> GpuProfile:
    """The profile of an id, alias, or NVML product name (`NVIDIA H100 80GB HBM3`), any case and punctuation.

    Raises UnknownIdError with the nearest ids as candidates.
    """
    index = _registry_index()
    found = index.get(_key(name)) or index.get(_bare_key(name))
    if found is not None:
        return load_profiles()[found]
    near = difflib.get_close_matches(_bare_key(name), index.keys(), n=12, cutoff=0.6)
    candidates = list(dict.fromkeys(index[key] for key in near))[:5]
    hint = f"; did you mean {', '.join(candidates)}?" if candidates else "; see `modelscan gpus`"
    raise UnknownIdError(f"gpu: no GPU profile is named {name.strip()[:80]!r}{hint}", candidates)


def resolve_gpu(text: str) -> tuple[GpuProfile, int]:
    """A profile and how many of it: `h100-80gb:8`, `8x H100`, `rtx 4090 x2`, `L4`.

    Raises FitInputError (field `gpu`) for a count that is no sensible number, UnknownIdError for the name.
    """
    text = " ".join(text.split())  # thousands of spaces would be tried in every way
    index = _registry_index()
    if _key(text) in index and ":" not in text:
        return load_profiles()[index[_key(text)]], 1
    match = _COUNTED.match(text)
    if match is None:
        raise FitInputError("gpu: empty; name a card such as h100-80gb or rtx-4090:2", field="gpu")
    counts = [int(match[part][:7]) for part in ("before", "after") if match[part]]
    if len(counts) > 1 or any(not 1 <= count <= 1024 for count in counts) or text.endswith(":"):
        raise FitInputError(
            f"gpu: {text[:80]!r} has no usable count; write NAME:COUNT with 1 to 1024 cards",
            field="gpu",
        )
    return find_profile(match["name"]), counts[0] if counts else 1
