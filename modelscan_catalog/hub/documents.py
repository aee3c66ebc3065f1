"""The hub's documents for one question: kept for a while, then confirmed; the last good one on failure."""

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from modelscan_catalog.errors import DocumentError, FetchError
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.adapter import Document
from modelscan_catalog.sources.http import PoliteClient
from modelscan_catalog.sources.huggingface import ADAPTER
from modelscan_catalog.sources.raw import RawStore
from modelscan_catalog.sources.session import LiveSession

MOST_KEPT = 2_000
"""Documents on disk; the oldest go first."""
PATIENCE_S = 12.0
"""How long one question may take, retries included."""


@dataclass(frozen=True)
class Answered:
    """The documents of one question by name; ``problem`` is why the hub itself did not give one of them."""

    documents: dict[str, Document]
    problem: str | None


def ask(settings: Settings, question: Callable[[LiveSession], Awaitable[None]]) -> Answered:
    """Let ``question`` ask the hub; its answers lie below ``data_dir/hub``, apart from those of the build.

    Raises ``FetchError`` when the hub fails, or answers with something else, and nothing was kept.
    """
    store = RawStore(settings.data_dir / "hub", ADAPTER.name)
    bounds = {"source_deadline_s": PATIENCE_S, "total_timeout_s": PATIENCE_S / 2, "max_attempts": 2}
    patient = settings.http.model_copy(update={**bounds, "read_timeout_s": PATIENCE_S / 2})
    asking = settings.model_copy(update={"http": patient})

    async def run() -> LiveSession:
        token, host = ADAPTER.token(settings), ADAPTER.base_url(settings)
        async with PoliteClient(asking, token=token, token_host=host) as client:
            session = LiveSession(
                ADAPTER, asking, client, store, dict, lambda name: None, lambda *progress: None
            )
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await question(session)
            except DocumentError as error:
                raise FetchError(str(error)) from error
            except TimeoutError as error:
                raise FetchError(f"{host}: no answer within {PATIENCE_S:.0f} s") from error
            return session

    # A thread of its own, because the caller may itself run inside an event loop.
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        session = pool.submit(asyncio.run, run()).result()
    for name in session.changed & session.documents.keys():
        store.write(session.documents[name])
    _prune(store.directory)
    return Answered(session.documents, session.first_failure or None)


def _prune(directory: Path) -> None:
    files = list(directory.glob("*/*.doc"))
    if len(files) > MOST_KEPT:
        for path in sorted(files, key=lambda path: path.stat().st_mtime)[: len(files) - MOST_KEPT]:
            path.unlink(missing_ok=True)
