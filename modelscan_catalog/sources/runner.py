"""Reads one source: live, else its last good documents, else the embedded snapshot; says why."""

import asyncio
import concurrent.futures
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

from modelscan_catalog.errors import DocumentError, SettingsError, SourceError
from modelscan_catalog.records import SourceName, SourceState
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources import acceptance, gpustack, huggingface, models_dev, modelscope
from modelscan_catalog.sources.adapter import (
    Adapter,
    Document,
    DocumentInfo,
    Origin,
    ProgressCallback,
    SourceResult,
)
from modelscan_catalog.sources.http import PoliteClient
from modelscan_catalog.sources.raw import RawStore
from modelscan_catalog.sources.reading import RowLog
from modelscan_catalog.sources.session import LiveSession
from modelscan_catalog.sources.snapshot_format import read_snapshot, snapshot_file

__all__ = ["ADAPTERS", "DocumentInfo", "Mode", "SourceResult", "latest", "read_documents", "run_source"]

Mode = Literal["auto", "live", "cached", "snapshot"]
"""``auto`` and ``live`` walk the whole chain, ``cached`` begins at the last good documents."""

ADAPTERS: Mapping[SourceName, Adapter] = {
    adapter.name: adapter
    for adapter in (models_dev.ADAPTER, gpustack.ADAPTER, modelscope.ADAPTER, huggingface.ADAPTER)
}
"""In reading order: HuggingFace and ModelScope read repositories that the ones before name."""


def _no_progress(source: SourceName, done: int, total: int | None, note: str) -> None:
    del source, done, total, note


def run_source(
    name: SourceName,
    settings: Settings,
    mode: Mode = "auto",
    *,
    offline: bool = False,
    accept_shrink: bool = False,
    on_progress: ProgressCallback | None = None,
) -> SourceResult:
    """Read one source and return its staged rows.

    ``offline`` opens no socket whatever the mode. A source that fails ends in ``state.problems`` and falls
    back to its last good documents, then to the snapshot. ``SourceError`` is raised only when there is
    nothing at all to read; ``SettingsError`` for an unknown name or mode.
    """
    adapter = ADAPTERS.get(name)
    if adapter is None:
        raise SettingsError(f"source {name!r}: not one of {', '.join(ADAPTERS)}")
    if mode not in get_args(Mode):
        raise SettingsError(f"source {name}: mode {mode!r} is not one of {', '.join(get_args(Mode))}")
    problems: list[str] = []
    refused: tuple[str, ...] = ()
    if mode in ("auto", "live") and not offline:
        outcome = _run_live(adapter, settings, accept_shrink, on_progress or _no_progress)
        if isinstance(outcome, SourceResult) and not outcome.refused:
            return outcome
        refused = outcome.refused if isinstance(outcome, SourceResult) else ()
        problems += [f"live data refused: {line}" for line in refused]
        problems += outcome if isinstance(outcome, list) else []
    result = _stored(adapter, settings, problems, snapshot_only=mode == "snapshot")
    if result is None:
        raise SourceError(
            f"{name}: nothing to read, neither live nor cached nor in "
            f"{snapshot_file(settings.registry_dir, name)}" + "".join(f"; {line}" for line in problems)
        )
    return _with(result, problems, refused)


def latest(name: SourceName, settings: Settings) -> SourceResult | None:
    """The last good rows of a source without touching the network; None when there are none."""
    return _stored(ADAPTERS[name], settings, [], snapshot_only=False)


def _stored(
    adapter: Adapter, settings: Settings, problems: list[str], *, snapshot_only: bool
) -> SourceResult | None:
    """The cached rows, else the snapshot's; what was wrong with either goes to ``problems``."""
    if not snapshot_only:
        try:
            documents = RawStore(settings.data_dir, adapter.name).last_good()
            if documents:
                return read_documents(adapter, documents, "cached")
        except DocumentError as error:
            problems.append(f"cached documents not usable: {error}")
    try:
        documents = read_snapshot(snapshot_file(settings.registry_dir, adapter.name))
        if documents:
            return read_documents(adapter, documents, "snapshot")
    except DocumentError as error:
        problems.append(f"snapshot not usable: {error}")
    return None


def _run_live(
    adapter: Adapter, settings: Settings, accept_shrink: bool, on_progress: ProgressCallback
) -> SourceResult | list[str]:
    """The live result, possibly refused, or the problems that prevented one."""
    store = RawStore(settings.data_dir, adapter.name)
    try:
        session = _run_async(_fetch(adapter, settings, store, on_progress))
        if not session.answers and session.failures:
            return [f"live: the source did not answer: {session.first_failure}"]
        live = read_documents(adapter, session.documents, "live")
    except SourceError as error:
        return [f"live: {error}"]
    baseline = latest(adapter.name, settings)
    if baseline is not None and not accept_shrink:
        reasons = acceptance.reasons_to_refuse(live.tables, live.log, baseline.tables, baseline.log, settings)
        if reasons:
            return _with(live, [], tuple(reasons))
    for changed in session.changed & session.documents.keys():
        store.write(session.documents[changed])
    store.write_manifest(session.documents)
    drift = acceptance.newly_malformed(live.log, baseline.log) if baseline is not None else []
    return _with(live, [*_summarised(session), *(f"live: {line}" for line in drift)], ())


async def _fetch(
    adapter: Adapter, settings: Settings, store: RawStore, on_progress: ProgressCallback
) -> LiveSession:
    waiting = lambda note: on_progress(adapter.name, 0, None, note)  # noqa: E731
    snapshot: dict[str, Document] | None = None

    def embedded() -> dict[str, Document]:
        nonlocal snapshot
        if snapshot is None:
            try:
                snapshot = read_snapshot(snapshot_file(settings.registry_dir, adapter.name))
            except DocumentError:
                snapshot = {}
        return snapshot

    async with PoliteClient(
        settings, token=adapter.token(settings), token_host=adapter.base_url(settings), on_wait=waiting
    ) as client:
        session = LiveSession(
            adapter, settings, client, store, embedded, lambda name: latest(name, settings), on_progress
        )
        try:
            async with asyncio.timeout(settings.http.source_deadline_s):
                await adapter.fetch(session)
        except TimeoutError as error:
            limit = settings.http.source_deadline_s
            raise SourceError(f"not finished after {limit:g} s (setting http.source_deadline_s)") from error
        return session


def _run_async(work: Any) -> LiveSession:
    """Run a coroutine to its end, also when the caller itself runs inside an event loop (a notebook)."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        session: LiveSession = pool.submit(asyncio.run, work).result()
        return session


def read_documents(adapter: Adapter, documents: Mapping[str, Document], origin: Origin) -> SourceResult:
    """Parse and translate documents; the same documents give the same rows.

    Raises ``DocumentError`` when one of them is not what the source serves.
    """
    parsed = {
        name: adapter.parse(name, document.body)
        for name, document in documents.items()
        if not document.is_negative
    }
    log = RowLog(adapter.name)
    tables = adapter.translate(parsed, documents, log)
    served = [document for _, document in sorted(documents.items()) if document.path]
    state = SourceState(
        source=adapter.name,
        origin=origin,
        fetched_at=min((document.fetched_at for document in served), default=None),
        documents=len(served),
        rows_read=log.rows_read,
        rows_kept=log.rows_kept,
        rows_rejected=log.rows_rejected,
        unknown_fields=dict(sorted(log.unknown_fields.items())),
    )
    infos = [
        DocumentInfo(document.name, document.url, document.fetched_at, document.sha256, document.origin)
        for document in served
    ]
    return SourceResult(state, tables, log.rejects, infos, log, dict(documents))


def _summarised(session: LiveSession) -> list[str]:
    """One line a kind of document that could not be fetched."""
    lines = []
    for kind, messages in sorted(session.failures.items()):
        counted = f"{len(messages)} documents, the first: " if len(messages) > 1 else ""
        lines.append(f"live: {kind}: {counted}{messages[0]}")
    return lines


def _with(result: SourceResult, problems: list[str], refused: tuple[str, ...]) -> SourceResult:
    state = result.state.model_copy(update={"problems": (*result.state.problems, *problems)})
    return replace(result, state=state, refused=refused)
