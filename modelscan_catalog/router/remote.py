"""The configuration of a router that runs apart from its registry: conditional requests, and a file.

The file is what the router reads and watches, so a new configuration is taken like one of this machine:
checked as a whole, then swapped. It outlives the process: without a registry the last good one serves.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.config import MAX_CONFIG_BYTES, parse_config
from modelscan_catalog.router.overlay_files import replace_file

if TYPE_CHECKING:
    from modelscan_catalog.router.app import Router

LOGGER = logging.getLogger("modelscan.router")

REMOTE_FILE = "router.remote.json"
"""The last good configuration, beside deployments, splits and keys."""
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
_NOT_MODIFIED = 304


class Remote:
    """``router.json`` below ``url``, which becomes the file at ``path``."""

    def __init__(
        self,
        url: str,
        path: Path,
        token: str | None = None,
        poll_s: float = 5.0,
        patience_s: float = 30.0,
    ) -> None:
        """Ask every ``poll_s`` seconds, up to twelve times more seldom while there is no answer.

        ``token`` is sent as a bearer token. ``patience_s`` is how long a first start waits for a registry
        that starts at the same time.
        """
        self.url = f"{url.rstrip('/')}/router.json"
        self.path = path
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._poll_s = poll_s
        self._patience_s = patience_s
        self._etag: str | None = None
        self._refusal: str | None = None
        """Why the newest answer was not taken; it stays so until there is another one."""

    async def fetch(self, session: aiohttp.ClientSession) -> bool:
        """Ask once: whether ``path`` now holds another configuration.

        Raises ``SettingsError`` with the address and the reason when there is no good one, and leaves the
        file as it is.
        """
        content = await self._ask(session)
        if content is None:
            if self._refusal is not None:
                raise SettingsError(self._refusal)
            return False
        try:
            await asyncio.to_thread(parse_config, content, self.url)
        except SettingsError as error:
            self._refusal = str(error)
            raise
        self._refusal = None
        try:
            return await asyncio.to_thread(self._keep, content)
        except SettingsError:
            self._etag = None  # asked for again whole: what could not be written may be written then
            raise

    async def _ask(self, session: aiohttp.ClientSession) -> bytes | None:
        """The document, or None when it is the one that was had last."""
        headers = self._headers | ({"If-None-Match": self._etag} if self._etag else {})
        try:
            async with session.get(self.url, headers=headers, allow_redirects=False) as answer:
                if answer.status == _NOT_MODIFIED and self._etag:
                    return None
                if answer.status != 200:
                    raise SettingsError(f"{self.url}: answered {answer.status}{_hint(answer.status)}")
                content = bytearray()
                async for part in answer.content.iter_any():
                    content += part
                    if len(content) > MAX_CONFIG_BYTES:
                        raise SettingsError(f"{self.url}: larger than {MAX_CONFIG_BYTES // 2**20} MiB")
                self._etag = answer.headers.get("ETag")
                return bytes(content)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise SettingsError(f"{self.url}: no answer: {str(error) or type(error).__name__}") from error

    def _keep(self, content: bytes) -> bool:
        if self.path.is_file() and self.path.read_bytes() == content:
            return False
        replace_file(self.path, content)
        return True

    async def begin(self) -> None:
        """Have a configuration before the start: the newest one, or else the last good one.

        Raises ``SettingsError`` when neither is there after ``patience_s``.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            told = ""
            while True:
                try:
                    await self.fetch(session)
                    return
                except SettingsError as error:
                    if self.path.is_file():
                        LOGGER.warning("%s; the last good configuration serves: %s", error, self.path)
                        return
                    if loop.time() >= until:
                        raise
                    if str(error) != told:
                        LOGGER.warning("%s; asking for %g s more", error, self._patience_s)
                        told = str(error)
                await asyncio.sleep(min(1.0, self._poll_s))

    async def follow(self, router: "Router") -> None:
        """Keep the file as it is at the registry, and tell the health where it is not; never returns."""
        wait_s = self._poll_s
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                # Replicas that began together do not ask together for ever.
                await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))  # noqa: S311
                try:
                    await self.fetch(session)
                except SettingsError as error:
                    if router.remote_problem != str(error):
                        LOGGER.error("the previous configuration keeps serving: %s", error)
                    router.remote_problem = str(error)
                    wait_s = min(wait_s * 2, 12 * self._poll_s)
                else:
                    if router.remote_problem is not None:
                        LOGGER.info("%s: answers again", self.url)
                    router.remote_problem = None
                    wait_s = self._poll_s


@asynccontextmanager
async def following(remote: Remote | None, router: "Router") -> AsyncIterator[None]:
    """``remote.follow(router)`` for the time of the block, where there is a remote."""
    task = None if remote is None else asyncio.create_task(remote.follow(router))
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _hint(status: int) -> str:
    if status in (401, 403):
        return "; give its registry token: MODELSCAN_REGISTRY_TOKEN=env:NAME or file:PATH on both sides"
    if status == 404:
        return "; REGISTRY_URL is the address of `modelscan serve`, or of a folder with router.json"
    return ""
