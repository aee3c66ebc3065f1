"""Installs weights: lists, chooses, checks the space, takes over what is here, fetches, places, indexes."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from modelscan_catalog.deploy.weights.library import (
    directory_of,
    existing,
    held,
    list_installs,
    read_install,
    sha256_of,
    write_index,
)
from modelscan_catalog.deploy.weights.messages import Order
from modelscan_catalog.deploy.weights.paths import checked_repo, checked_revision, inside, install_directory
from modelscan_catalog.deploy.weights.process import Fetcher
from modelscan_catalog.deploy.weights.records import (
    Install,
    InstalledFile,
    InstallRequest,
    RemoteFile,
    RemoteRepo,
    size_text,
)
from modelscan_catalog.deploy.weights.selection import Selection, select_files
from modelscan_catalog.errors import FetchError, StateError, WeightsError
from modelscan_catalog.secret_refs import resolve_secret
from modelscan_catalog.settings import Settings
from modelscan_catalog.state.runner import Report

_UNFINISHED = (".part", ".incomplete")
"""What the clients call the part of a file."""


@dataclass(frozen=True)
class InstallPlan:
    """What an install would do."""

    repo: RemoteRepo
    selection: Selection
    present: tuple[InstalledFile, ...]
    """Already installed at this revision."""
    reusable: tuple[tuple[RemoteFile, Path], ...]
    """Lie elsewhere on this disk, to be compared and linked."""
    missing: tuple[RemoteFile, ...]
    staged_bytes: int
    """Of the missing files, fetched by an interrupted install."""
    free_bytes: int

    @property
    def missing_bytes(self) -> int:
        """Of files whose size the hub lists."""
        return sum(file.bytes or 0 for file in self.missing)

    def refuse_without_space(self, root: Path) -> None:
        """Raise ``WeightsError`` with the figures when the disk cannot hold what is missing."""
        need = self.missing_bytes - self.staged_bytes
        if need > self.free_bytes:
            raise WeightsError(
                f"{self.repo.repo}: {size_text(need)} are missing, {root} has {size_text(self.free_bytes)} "
                "free; remove some (`modelscan weights list`) or set WEIGHTS_STORAGE_PATH to another disk"
            )


def free_bytes(root: Path) -> int:
    """Bytes that the disk of ``root`` has left."""
    return shutil.disk_usage(existing(root.resolve())).free


def remote_repo(settings: Settings, request: InstallRequest, tick: Callable[[], None]) -> RemoteRepo:
    """The hub's listing of the requested revision.

    Raises ``UnknownIdError`` for a repository or revision that is not there, ``FetchError`` when the hub does
    not answer, ``WeightsError`` when it refuses.
    """
    with Fetcher(settings.weights_install_timeout_s) as fetcher:
        return _listed(fetcher, settings, request, tick)


def _listed(
    fetcher: Fetcher, settings: Settings, request: InstallRequest, tick: Callable[[], None]
) -> RemoteRepo:
    checked_repo(request.repo)
    if request.revision is not None:
        checked_revision(request.revision)
    listings = [said.listing for said in fetcher.carry_out(_order(settings, request, "list"), tick)]
    if len(listings) != 1 or listings[0] is None:
        raise WeightsError(f"{request.repo}: the hub gave no listing")
    return listings[0]


def patience(request: InstallRequest, seconds: float) -> Callable[[], None]:
    """A tick that raises ``FetchError`` once the hub has been silent for so long."""
    deadline = time.monotonic() + seconds

    def tick() -> None:
        if time.monotonic() > deadline:
            raise FetchError(f"{request.repo}: {request.hub} gave no listing within {seconds:.0f} s")

    return tick


def pinned(request: InstallRequest, repo: RemoteRepo) -> InstallRequest:
    """``request`` at the commit that its branch is now at, where the hub fetches by commit."""
    if request.hub == "modelscope":
        return request
    asked = repo.asked if repo.asked != repo.revision else request.asked
    return request.model_copy(update={"repo": repo.repo, "revision": repo.revision, "asked": asked})


def plan_install(settings: Settings, request: InstallRequest, repo: RemoteRepo) -> InstallPlan:
    """What there is to do for ``request``; raises ``WeightsError`` when no files answer to it."""
    root = settings.weights_dir
    selection = select_files(repo, request.files)
    installed = read_install(root, repo.hub, repo.repo, repo.revision)
    known = {file.path: file for file in installed.files} if installed else {}
    place = install_directory(root, repo.hub, repo.repo, repo.revision)
    stage = install_directory(root, repo.hub, repo.repo, repo.revision, partial=True)
    elsewhere = _by_sha256(root, repo)
    present, reusable, missing = [], [], []
    for file in selection.files:
        here = inside(place, file.path)
        indexed = known.get(file.path)
        if indexed and _is_same(indexed, file) and here.is_file() and here.stat().st_size == indexed.bytes:
            present.append(indexed)
        elif file.sha256 and indexed is None and here.is_file() and here.stat().st_size == file.bytes:
            reusable.append((file, here))
        elif file.sha256 and (twin := elsewhere.get(file.sha256)) and not inside(stage, file.path).exists():
            reusable.append((file, twin))
        else:
            missing.append(file)
    return InstallPlan(
        repo=repo,
        selection=selection,
        present=tuple(present),
        reusable=tuple(reusable),
        missing=tuple(missing),
        staged_bytes=_staged(stage, missing),
        free_bytes=free_bytes(root),
    )


def _is_same(indexed: InstalledFile, file: RemoteFile) -> bool:
    return indexed.sha256 == file.sha256 if file.sha256 else file.bytes in (None, indexed.bytes)


def _by_sha256(root: Path, repo: RemoteRepo) -> dict[str, Path]:
    """Files of this repository's other installs, by what is in them."""
    return {
        file.sha256: path
        for install in list_installs(root)[0]
        if install.repo.lower() == repo.repo.lower()
        for file in install.files
        if (path := inside(directory_of(root, install), file.path)).is_file()
    }


def _staged(stage: Path, files: list[RemoteFile] | tuple[RemoteFile, ...]) -> int:
    total = 0
    for file in files:
        for suffix in ("", *_UNFINISHED):
            try:
                total += (stage / (file.path + suffix)).stat().st_size
            except OSError:
                continue
    return total


def installed_already(settings: Settings, request: InstallRequest) -> Install | None:
    """The install that answers ``request`` without asking the hub: a commit whose files are all here."""
    if request.revision is None or len(request.revision) < 40:
        return None
    checked_repo(request.repo)
    found = read_install(settings.weights_dir, request.hub, request.repo, checked_revision(request.revision))
    return found if found and request.files in found.wanted else None


def install_weights(settings: Settings, request: InstallRequest, report: Report) -> Install:
    """Install what ``request`` asks for, or find it installed; what was fetched before is not fetched again.

    Progress goes to ``report`` in bytes. Stopped or failed, what is there is kept aside for the next run and
    nothing is listed. Raises what ``remote_repo`` raises, ``WeightsError`` for wrong bytes or a full disk,
    ``JobCancelledError``.
    """
    try:
        if (here := installed_already(settings, request)) is not None:
            return here
        report(step="asking the hub")
        with Fetcher(settings.weights_install_timeout_s) as fetcher:
            repo = _listed(fetcher, settings, request, report)
            with held(settings.weights_dir, repo.hub, repo.repo, repo.revision):
                return _install(settings, request, plan_install(settings, request, repo), fetcher, report)
    except StateError as error:
        raise WeightsError(
            f"{request.repo}: {error} (WEIGHTS_INSTALL_TIMEOUT); what is there is kept, run the install again"
        ) from error
    except OSError as error:
        raise WeightsError(
            f"{request.repo}: {error.filename}: {error.strerror}; mend that or set WEIGHTS_STORAGE_PATH, and "
            "run the install again"
        ) from error


def _install(
    settings: Settings, request: InstallRequest, plan: InstallPlan, fetcher: Fetcher, report: Report
) -> Install:
    root, repo = settings.weights_dir, plan.repo
    plan.refuse_without_space(root)
    stage = install_directory(root, repo.hub, repo.repo, repo.revision, partial=True)
    place = install_directory(root, repo.hub, repo.repo, repo.revision)
    linked, damaged = _take_over(plan, stage, report)
    missing = (*plan.missing, *damaged)
    total = sum(file.bytes or 0 for file in missing)

    def tick() -> None:
        report(step="fetching", done=_staged(stage, missing), total=total, unit="bytes")

    for file in missing:
        for suffix in ("", *_UNFINISHED):
            inside(stage, file.path + suffix)
    fetched: list[InstalledFile] = []
    if missing:
        order = _order(settings, request, "fetch").model_copy(
            update={
                "repo": repo.repo,
                "revision": repo.revision if repo.hub == "huggingface" else request.revision,
                "directory": str(stage),
                "files": tuple(sorted(missing, key=lambda file: file.bytes or 0)),
                "parallel": settings.weights_parallel,
            }
        )
        for said in fetcher.carry_out(order, tick):
            fetched += [said.file] if said.file else []
        if {file.path for file in fetched} != {file.path for file in missing}:
            raise WeightsError(
                f"{repo.repo}: fetching ended before all files were there; run the install again"
            )
    report(step="placing", done=total, total=total, unit="bytes")
    for new in (*linked, *fetched):
        target = inside(place, new.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        (stage / new.path).replace(target)
    install = _indexed(root, request, plan, (*linked, *fetched))
    write_index(root, install)
    shutil.rmtree(stage, ignore_errors=True)
    return install


def _take_over(
    plan: InstallPlan, stage: Path, report: Report
) -> tuple[list[InstalledFile], list[RemoteFile]]:
    """Files linked from elsewhere after reading them, and those that are not what their index said."""
    linked, damaged, read = [], [], 0
    total = sum(file.bytes or 0 for file, _ in plan.reusable)
    for file, source in plan.reusable:

        def tick(count: int) -> None:
            nonlocal read
            read += count
            report(step="comparing what is here", done=read, total=total, unit="bytes")

        if sha256_of(source, tick) != file.sha256:
            damaged.append(file)
            continue
        target = stage / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, target)
        size = target.stat().st_size
        linked.append(InstalledFile(path=file.path, bytes=size, sha256=file.sha256, checked="sha256"))
    return linked, damaged


def _indexed(
    root: Path, request: InstallRequest, plan: InstallPlan, new: tuple[InstalledFile, ...]
) -> Install:
    repo = plan.repo
    before = read_install(root, repo.hub, repo.repo, repo.revision)
    files = {file.path: file for file in before.files} if before else {}
    files |= {file.path: file for file in new}
    named = {name for name in (request.asked, repo.asked) if name and name != repo.revision}
    return Install(
        hub=repo.hub,
        repo=repo.repo,
        revision=repo.revision,
        asked=tuple(sorted(named | set(before.asked if before else ()))),
        wanted=tuple(sorted({request.files, *(before.wanted if before else ())})),
        source=repo.source,
        installed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        files=tuple(files[path] for path in sorted(files)),
    )


def _order(settings: Settings, request: InstallRequest, what: str) -> Order:
    hub = request.hub
    reference = settings.huggingface_token if hub == "huggingface" else settings.modelscope_token
    source = settings.huggingface_url if hub == "huggingface" else settings.modelscope_url
    return Order.model_validate(
        {
            "what": what,
            "hub": hub,
            "source": source.rstrip("/"),
            "repo": request.repo,
            "revision": request.revision,
            "token": resolve_secret(reference) if reference else None,
            "user_agent": settings.user_agent,
        }
    )
