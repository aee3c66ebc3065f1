"""A GPU as its machine or cluster describes it, those that are here, and what each can be planned with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelscan_catalog.errors import FitInputError

if TYPE_CHECKING:
    from modelscan_catalog.fit.matrix_terms import FitVariant
    from modelscan_catalog.fit.plan import ServingPlan
    from modelscan_catalog.fit.profiles import GpuProfile


@dataclass(frozen=True)
class DetectedGpu:
    """A GPU or MIG instance as its driver or cluster describes it; memory in GiB, null where nothing says."""

    index: str
    """`0`, and `0:1` for the second MIG instance of the first card."""
    name: str
    uuid: str | None
    driver: str | None
    compute_capability: str | None
    total_gib: float | None
    free_gib: float | None
    mig: bool
    profile: str | None
    """Id of the matching profile; null for a card that the catalogue does not know."""
    vendor: str | None = None
    """nvidia, amd, intel, ascend, apple, or another maker's name."""
    gfx: str | None = None
    unified: bool = False
    """Its memory is the system's."""
    machine: str | None = None
    """The worker or node of an inventory; null for this machine."""
    seen_by: str | None = None
    """The tool or document that told of it."""

    @property
    def device_id(self) -> str:
        """As `CUDA_VISIBLE_DEVICES` and its like name it: the index, of a MIG instance its UUID."""
        return self.uuid if self.mig and self.uuid else self.index

    @property
    def custom(self) -> bool:
        """Whether no profile of the catalogue is this card."""
        return self.profile is None

    def planning_profile(self) -> GpuProfile:
        """The catalogue's profile, or a custom one of what is known of the card.

        Raises `FitInputError` (field `gpu`) where neither its profile nor its memory is known.
        """
        from modelscan_catalog.deploy.detect.mapping import custom_profile
        from modelscan_catalog.fit.profiles import find_profile

        return find_profile(self.profile) if self.profile is not None else custom_profile(self)

    def can_run(
        self, variant: FitVariant, *, context: int | None = None, concurrency: int = 1
    ) -> ServingPlan:
        """The plan of a checkpoint on this one card; its `verdict` and `reasons` are the answer."""
        from modelscan_catalog.fit.plan import plan

        profile = self.planning_profile()
        return plan([variant], profile, context=context, concurrency=concurrency, with_alternatives=False)


@dataclass(frozen=True)
class Detection:
    """The GPUs that were found, why there are none, and which tools were there and failed."""

    gpus: tuple[DetectedGpu, ...]
    note: str | None = None
    problems: tuple[str, ...] = ()
    place: str = "this machine"
    """Whose cards they are, for sentences about them."""

    def group(self) -> tuple[DetectedGpu, ...]:
        """The cards of one machine and kind with the most memory together; empty without a plannable card."""
        groups: dict[tuple[str | None, str], list[DetectedGpu]] = {}
        for gpu in self.gpus:
            try:
                profile = gpu.planning_profile()
            except FitInputError:
                continue
            groups.setdefault((gpu.machine, profile.id), []).append(gpu)
        if not groups:
            return ()
        largest = max(groups.values(), key=lambda cards: cards[0].planning_profile().memory.gib * len(cards))
        return tuple(largest)


def detect_gpus() -> Detection:
    """Look once, with every tool that this machine has; having none is an answer, never an error."""
    from modelscan_catalog.deploy.detect import detect

    return detect()
