"""Installs and removals as jobs, with their events, their audit rows and the notice when the disk fills."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from modelscan_catalog.deploy.weights.addresses import described
from modelscan_catalog.deploy.weights.install import install_weights
from modelscan_catalog.deploy.weights.library import Usage, delete_install, directory_of, usage
from modelscan_catalog.deploy.weights.paths import checked_repo, checked_revision
from modelscan_catalog.deploy.weights.records import Install, InstallRequest, size_text
from modelscan_catalog.errors import StateError, WeightsError
from modelscan_catalog.notify import Notice, notify
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import deployments, events, jobs, open_state, write_audit, write_event
from modelscan_catalog.state.jobs import LOST_AFTER_S, Job, create_job
from modelscan_catalog.state.runner import Report, run_job

KIND = "weights.install"
_USAGE = "weights.usage"


def new_install_job(settings: Settings, request: InstallRequest) -> Job:
    """A pending job for ``request``, or the open one that already does the same.

    Raises ``WeightsError`` for what cannot name a repository or a revision.
    """
    checked_repo(request.repo)
    if request.revision is not None:
        checked_revision(request.revision)
    with open_state(settings.state_file) as connection:
        subject = f"{request.hub}/{request.repo}"
        return create_job(connection, KIND, subject, request.model_dump(mode="json"))


def run_install_job(settings: Settings, job: Job, actor: str) -> Job:
    """Do the job in this thread, to its end or to the time-out of the settings.

    Raises ``StateError`` when it has ended or another process does it; how it ended is in the job.
    """
    request = InstallRequest.model_validate(job.request)

    def work(report: Report) -> Mapping[str, Any]:
        install = install_weights(settings, request, report)
        with open_state(settings.state_file) as connection:
            detail = described(settings, install)
            write_event(connection, "weights.installed", install.name, detail, job.id)
            write_audit(connection, actor, "weights.install", install.name, "done", after=detail)
        watch_usage(settings)
        return detail

    return run_job(settings.state_file, job.id, work, timeout_s=settings.weights_install_timeout_s)


class InstallThreads:
    """Runs install jobs beside a server, at most ``settings.weights_jobs`` at once; others stay pending."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = threading.BoundedSemaphore(settings.weights_jobs)

    def start(self, job: Job, actor: str, after_s: float = 0) -> threading.Thread:
        """Run ``job`` when a slot is free; the thread is a daemon, and a repeated request resumes its job."""
        thread = threading.Thread(target=self._run, args=(job, actor, after_s), daemon=True)
        thread.start()
        return thread

    def resume(self) -> list[threading.Thread]:
        """Take up open jobs, such as those of a server that was stopped, once no process runs them."""
        with open_state(self._settings.state_file) as connection:
            left = [job for job in jobs(connection, kind=KIND, limit=1000) if job.open]
        return [self.start(job, "resumed", _until_lost_s(job)) for job in left]

    def _run(self, job: Job, actor: str, after_s: float) -> None:
        time.sleep(after_s)
        with self._slots:
            try:
                run_install_job(self._settings, job, actor)
            except StateError:
                return  # cancelled while it waited, or the same request came twice


def _until_lost_s(job: Job) -> float:
    """Seconds until a running job without another beat counts as lost."""
    if job.beat_at is None:
        return 0.0
    age_s = (datetime.now(UTC) - datetime.fromisoformat(job.beat_at)).total_seconds()
    return max(0.0, LOST_AFTER_S + 1 - age_s)


@dataclass(frozen=True)
class Removal:
    """What removing an install would do, or did."""

    install: Install
    used_by: tuple[str, ...]
    """Deployments whose plan names it, as ``target:name``."""
    applied: bool


def remove_install(settings: Settings, install: Install, actor: str, *, apply: bool) -> Removal:
    """Remove ``install``, or only say what that would do.

    Raises ``WeightsError`` when a deployment serves from it.
    """
    place = str(directory_of(settings.weights_dir, install))
    with open_state(settings.state_file) as connection:
        detail = described(settings, install)
        needles = [place, *(str(detail[key]) for key in ("storageUri", "inferenceModelPath") if detail[key])]
        used_by = tuple(
            f"{found.target}:{found.name}"
            for found in deployments(connection)
            if found.plan is not None
            and found.state != "removed"
            and any(needle in str(found.plan) for needle in needles)
        )
        if not apply:
            return Removal(install, used_by, applied=False)
        if used_by:
            write_audit(connection, actor, "weights.delete", install.name, "refused", before=detail)
            raise WeightsError(f"{install.name}: {', '.join(used_by)} serves from it; stop that first")
        delete_install(settings.weights_dir, install)
        write_event(connection, "weights.deleted", install.name, {"bytes": install.bytes})
        write_audit(connection, actor, "weights.delete", install.name, "done", before=detail)
    watch_usage(settings)
    return Removal(install, used_by, applied=True)


def watch_usage(settings: Settings) -> Usage:
    """Measure, and tell people once when the disk passes the threshold, and once when it is below again."""
    found = usage(settings.weights_dir, settings.weights_alert_threshold)
    subject = str(found.path)
    with open_state(settings.state_file) as connection:
        last = events(connection, kind=_USAGE, subject=subject, limit=1, newest_first=True)
        if found.alert == bool(last and last[0].detail.get("alert")):
            return found
        share, threshold = f"{found.used_share:.0%}", f"{found.threshold:.0%}"
        detail = {
            "alert": found.alert,
            "used_share": round(found.used_share, 4),
            "threshold": found.threshold,
            "disk_bytes": found.disk_bytes,
            "disk_free_bytes": found.disk_free_bytes,
            "installed_bytes": found.installed_bytes,
        }
        write_event(connection, _USAGE, subject, detail)
    how = f"at or above the threshold of {threshold}" if found.alert else f"below {threshold} again"
    room = f"{size_text(found.disk_free_bytes)} are free and weights take {size_text(found.installed_bytes)}"
    text = f"the disk is {share} full, {how}; {room}"
    notify(settings, Notice(_USAGE, subject, text, detail))
    return found
