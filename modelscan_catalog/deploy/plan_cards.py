"""The cards to plan on: named ones, or this machine's; mixed ones count as the smallest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelscan_catalog.deploy.gpu import DetectedGpu, Detection, detect_gpus
from modelscan_catalog.deploy.plan import PlanRequest
from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.profiles import GpuProfile, resolve_gpu

DETECTED = "detected"
"""What a person writes for this machine's cards."""


@dataclass(frozen=True)
class Cards:
    """`count` cards that are planned as `profile`; `found` are the detected ones behind them, else empty."""

    profile: GpuProfile
    count: int
    ids: tuple[str, ...] = ()
    """Chosen by the caller; empty where any will do."""
    found: tuple[DetectedGpu, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def free(self) -> tuple[DetectedGpu, ...]:
        """The detected cards, those with the most free memory first."""
        return tuple(sorted(self.found, key=lambda gpu: -(gpu.free_gib or 0.0)))


def choose_cards(request: PlanRequest, look: Callable[[], Detection] = detect_gpus) -> Cards:
    """The cards of a request; `look` is asked only where it names none.

    Raises `FitInputError` (field `gpu` or `gpu_ids`) where there are none, `UnknownIdError` for a name.
    """
    if len(set(request.gpu_ids)) < len(request.gpu_ids):
        raise FitInputError(
            f"gpu_ids: {','.join(request.gpu_ids)} names a card twice; name each once", field="gpu_ids"
        )
    if request.gpu is not None:
        return _named(request.gpu, request.gpu_ids)
    detection = look()
    if not detection.gpus:
        raise FitInputError(
            f"gpu: {detection.place} has no GPU ({detection.note}); name the cards of another, such as "
            "--gpu rtx-4090 or --gpu h100-80gb:8 (`modelscan gpus` lists them)",
            field="gpu",
        )
    return _by_ids(detection, request.gpu_ids) if request.gpu_ids else _largest_group(detection)


def _named(text: str, ids: tuple[str, ...]) -> Cards:
    profile, count = resolve_gpu(text)
    if not ids:
        return Cards(profile, count)
    wrong = [one for one in ids if not one.isdigit()]
    if wrong:
        raise FitInputError(f"gpu_ids: {wrong[0]!r} is no index such as 0", field="gpu_ids")
    beyond = [one for one in ids if int(one) >= count]
    if beyond and count > 1:
        raise FitInputError(
            f"gpu_ids: there is no card {beyond[0]} among {count} x {profile.id}; they are 0 to {count - 1}",
            field="gpu_ids",
        )
    return Cards(profile, len(ids), ids)


def _by_ids(detection: Detection, ids: Sequence[str]) -> Cards:
    by_id = {name: gpu for gpu in detection.gpus for name in (gpu.index, gpu.uuid) if name}
    missing = [one for one in ids if one not in by_id]
    if missing:
        there = ", ".join(gpu.index for gpu in detection.gpus)
        raise FitInputError(
            f"gpu_ids: {detection.place} has no card {missing[0]}; it has {there}", field="gpu_ids"
        )
    chosen = tuple(by_id[one] for one in ids)
    if len({gpu.vendor for gpu in chosen}) > 1:
        raise FitInputError(
            f"gpu_ids: {', '.join(gpu.name for gpu in chosen)} are of several vendors; no engine runs on all",
            field="gpu_ids",
        )
    profiles = [gpu.planning_profile() for gpu in chosen]
    smallest = min(profiles, key=lambda profile: profile.memory.gib)
    remarks = []
    if len({profile.id for profile in profiles}) > 1:
        remarks.append(
            f"the cards differ, so all are planned as the smallest, {smallest.id} "
            f"({smallest.memory.gib:.1f} GiB): {', '.join(profile.id for profile in profiles)}"
        )
    return Cards(
        smallest, len(chosen), tuple(gpu.device_id for gpu in chosen), chosen, (*remarks, *_unknown(chosen))
    )


def _largest_group(detection: Detection) -> Cards:
    """Cards of one kind, those with the most memory together; the others are named."""
    group = detection.group()
    if not group:
        detection.gpus[0].planning_profile()  # says what is not known of it
    profile, count = group[0].planning_profile(), len(group)
    others = [gpu for gpu in detection.gpus if gpu not in group]
    remarks = []
    if others:
        names = ", ".join(f"{gpu.index} ({gpu.name})" for gpu in others)
        remarks.append(f"left out, being other cards: {names}; --gpu-ids names the cards to use")
    if profile.interconnect == "none" and count > 1:
        remarks.append(f"one of {count} is used: {profile.id} cannot work as one with others")
        count = 1
    return Cards(profile, count, (), group, (*remarks, *_unknown(group)))


def _unknown(gpus: Sequence[DetectedGpu]) -> list[str]:
    names = dict.fromkeys(gpu.name for gpu in gpus if gpu.custom)
    return [
        f"{name} is no card of the catalogue: planned by its memory and compute capability, speed unknown"
        for name in names
    ]
