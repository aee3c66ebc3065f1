"""Decides about open upgrades while the service runs, one process of several on the same state at a time."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from modelscan_catalog.errors import ModelScanError
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state
from modelscan_catalog.upgrade.local import evaluate_when_due, is_automatic
from modelscan_catalog.upgrade.scoring import score_what_is_missing

LOGGER = logging.getLogger("modelscan.service")
LOOK_EVERY_S = 5.0
"""How soon an upgrade that was begun, or a clock that was put right, is seen; a look is one small query."""


class Upgrading:
    """The task that evaluates; ``state`` says how it is, in a line."""

    def __init__(self, settings: Settings, router_key: str | None) -> None:
        self._settings = settings
        self._router_key = router_key
        self._problem: str | None = None
        self._stopped = False
        self.router_url: str | None = None
        """Where this service's own router is asked, with its ``/v1``; scores are not asked for without it."""

    @property
    def state(self) -> str:
        """How often it decides, or why it cannot."""
        if self._problem is not None:
            return f"not decided: {self._problem}"
        if not self._settings.upgrade_interval_s:
            return "not decided here: upgrade_interval_s is 0"
        if self._stopped:
            return "not decided: stopped, POST /start goes on"
        return f"decided every {self._settings.upgrade_interval_s:g} s"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Evaluate until the end of the block; an evaluation under way is finished by its thread."""
        if not self._settings.upgrade_interval_s:
            yield
            return
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.look)
            except ModelScanError as error:
                if self._problem != str(error):
                    LOGGER.warning("upgrades: not decided: %s", error)
                self._problem = str(error)
            except Exception:
                LOGGER.exception("upgrades: not decided")
                self._problem = "a fault that the log describes"
            else:
                self._problem = None
            await asyncio.sleep(min(LOOK_EVERY_S, self._settings.upgrade_interval_s))

    def look(self) -> None:
        """Evaluate when it is time, then have missing scores asked for; raises ``ModelScanError``."""
        with open_state(self._settings.state_file) as connection:
            self._stopped = not is_automatic(connection)
        decided = evaluate_when_due(self._settings)
        for upgrade, decision in decided or ():
            if decision.action != "stay":
                LOGGER.info("upgrade of %s: %s is in %s", upgrade.route, upgrade.candidate, upgrade.phase)
        if decided is not None and self._settings.upgrade_scoring and self.router_url is not None:
            score_what_is_missing(self._settings, self.router_url, self._router_key)
