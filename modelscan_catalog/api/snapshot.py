"""The registry that is being served: loaded whole or not at all, swapped when a new one is published."""

import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from modelscan_catalog.api.reads import ApiCatalogue
from modelscan_catalog.errors import ModelScanError, PublishError
from modelscan_catalog.publish.index import RegistryIndex
from modelscan_catalog.publish.registry import read_index, verify_published
from modelscan_catalog.registry import Registry

_LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Snapshot:
    """One published registry in memory."""

    registry: Registry
    catalogue: ApiCatalogue
    index: RegistryIndex
    stamp: tuple[int, int]

    @cached_property
    def gpus(self) -> list[str]:
        """Profiles that have a published fit."""
        return sorted(path.stem for path in (self.registry.published / "fit").glob("*.json"))


class Served:
    """The newest whole registry of a directory."""

    def __init__(
        self, published: Path, overlays: Path | None = None, look_every_s: float = _LOOK_EVERY_S
    ) -> None:
        self.published = published
        self._overlays = overlays
        self._look_every_s = look_every_s
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._refused: ModelScanError | None = None
        self._refused_stamp: tuple[int, int] | None = None
        self._now: Snapshot | None = self._load()

    @property
    def last_refusal(self) -> str | None:
        """Why the newest registry was not taken; None while the newest one serves."""
        return None if self._refused is None else str(self._refused)

    @property
    def now(self) -> Snapshot:
        """The snapshot as it was last looked for; raises ``PublishError`` after ``release``."""
        if self._now is None:
            raise PublishError(f"{self.published}: is no longer served here")
        return self._now

    def release(self) -> None:
        """Let go of the registry: FastAPI remembers the endpoints of former applications, and they this."""
        self._now = None

    def current(self) -> Snapshot:
        """The snapshot to answer from; a newly published one is taken within seconds."""
        if time.monotonic() - self._looked > self._look_every_s and self._lock.acquire(blocking=False):
            try:
                self._looked = time.monotonic()
                stamp = self._stamp()
                if stamp != self.now.stamp:
                    self._take()
                elif self._refused_stamp not in (None, stamp):
                    self._refused = self._refused_stamp = None  # the one that serves is back in its place
            finally:
                self._lock.release()
        return self.now

    def refresh(self) -> Snapshot:
        """Load anew; a registry that is not whole is refused and the old one goes on serving.

        Raises ``PublishError`` or ``OverrideError`` saying why.
        """
        with self._lock:
            self._take()
            if self._refused is not None:
                raise self._refused
            return self.now

    def _take(self) -> None:
        stamp = self._stamp()
        try:
            self._now = self._load()
            self._refused = self._refused_stamp = None
        except ModelScanError as error:
            self._refused, self._refused_stamp = error, stamp

    def _stamp(self) -> tuple[int, int]:
        try:
            found = (self.published / "index.json").stat()
        except OSError:
            return (0, 0)
        return found.st_ino, found.st_mtime_ns

    def _load(self) -> Snapshot:
        stamp = self._stamp()
        registry = Registry(self.published, self._overlays)
        registry.hold()
        faults = verify_published(self.published)
        if faults:
            raise PublishError(
                f"{self.published}: {len(faults)} files are not as the index says, such as {faults[0]}; "
                "publish anew with `modelscan build`"
            )
        index = read_index(self.published)
        assert index is not None
        return Snapshot(registry, ApiCatalogue(registry.files), index, stamp)
