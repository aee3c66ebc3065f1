"""What outlives a configuration while the router runs, and what of it outlives the process."""

import time
from collections.abc import Callable

from modelscan_catalog.router.health import Health
from modelscan_catalog.router.keys import KeyState, key_id, key_prefix


class RuntimeState:
    """The health of targets and the use of keys."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.health = Health(clock)
        self.keys: dict[str, KeyState] = {}
        self._keys_counted_since = clock()

    def key(self, secret: str, provider: str) -> KeyState:
        """The state of a key, made on first sight."""
        name = key_id(secret)
        return self.keys.setdefault(name, KeyState(name, key_prefix(secret), provider))

    def start_keys_over(self, interval_s: float | None) -> None:
        """Start the keys' usage scores over when ``interval_s`` has passed since they last did."""
        if interval_s is not None and self.clock() - self._keys_counted_since >= interval_s:
            self._keys_counted_since = self.clock()
            for key in self.keys.values():
                key.start_over()
