"""Installs and removals as operations: jobs, events, audit, notices."""

import hashlib
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.deploy.weights import library, operations
from modelscan_catalog.deploy.weights.library import directory_of, list_installs, write_index
from modelscan_catalog.deploy.weights.operations import (
    InstallThreads,
    new_install_job,
    remove_install,
    run_install_job,
    watch_usage,
)
from modelscan_catalog.deploy.weights.records import Install, InstalledFile, InstallRequest
from modelscan_catalog.errors import FetchError, WeightsError
from modelscan_catalog.notify import Notice
from modelscan_catalog.settings import Settings, load_settings
from modelscan_catalog.state import audit_rows, events, open_state, put_deployment
from modelscan_catalog.state import job as read_job
from modelscan_catalog.state.jobs import LOST_AFTER_S, cancel_job, start_job

COMMIT = "ab" * 20
Disk = namedtuple("Disk", "total used free")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path)


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> list[Notice]:
    sent: list[Notice] = []
    monkeypatch.setattr(operations, "notify", lambda settings, notice: sent.append(notice))
    return sent


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Any:
    def of(used: int) -> None:
        monkeypatch.setattr(library.shutil, "disk_usage", lambda path: Disk(100, used, 100 - used))

    of(50)
    return of


def made(settings: Settings) -> Install:
    body = b"weights"
    file = InstalledFile(
        path="model.safetensors", bytes=7, sha256=hashlib.sha256(body).hexdigest(), checked="sha256"
    )
    install = Install(
        hub="huggingface",
        repo="acme/tiny",
        revision=COMMIT,
        asked=("main",),
        wanted=((),),
        source="http://hub.test",
        installed_at="2026-01-01T00:00:00+00:00",
        files=(file,),
    )
    place = directory_of(settings.weights_dir, install)
    place.mkdir(parents=True, exist_ok=True)
    (place / file.path).write_bytes(body)
    write_index(settings.weights_dir, install)
    return install


REQUEST = InstallRequest(repo="acme/tiny", revision=COMMIT)


def test_a_job_that_succeeds_leaves_its_result_an_event_and_an_audit_row(settings: Settings) -> None:
    install = made(settings)
    ended = run_install_job(settings, new_install_job(settings, REQUEST), "somebody")
    assert ended.state == "succeeded"
    assert ended.result is not None
    assert ended.result["storageUri"] == f"pvc://{settings.weights_pvc}/{install.name}"
    with open_state(settings.state_file) as connection:
        (event,) = events(connection, kind="weights.installed")
        (row,) = audit_rows(connection, subject=install.name)
    assert (event.subject, event.job) == (install.name, ended.id)
    assert (row.actor, row.action, row.outcome) == ("somebody", "weights.install", "done")


def test_the_same_request_twice_is_one_job(settings: Settings) -> None:
    assert new_install_job(settings, REQUEST).id == new_install_job(settings, REQUEST).id
    other = REQUEST.model_copy(update={"files": ("*.gguf",)})
    assert new_install_job(settings, other).id != new_install_job(settings, REQUEST).id


def test_a_job_that_fails_says_why(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Install:
        raise FetchError("the hub is away")

    monkeypatch.setattr(operations, "install_weights", fails)
    ended = run_install_job(settings, new_install_job(settings, REQUEST), "somebody")
    assert (ended.state, ended.error) == ("failed", "the hub is away")


def test_a_job_that_was_cancelled_while_it_waited_is_not_run(settings: Settings) -> None:
    made(settings)
    job = new_install_job(settings, REQUEST)
    with open_state(settings.state_file) as connection:
        cancel_job(connection, job.id)
    InstallThreads(settings).start(job, "somebody").join()
    with open_state(settings.state_file) as connection:
        assert read_job(connection, job.id).state == "cancelled"


def test_removing_is_dry_until_it_is_applied(settings: Settings) -> None:
    install = made(settings)
    assert remove_install(settings, install, "somebody", apply=False).applied is False
    assert list_installs(settings.weights_dir)[0] == [install]
    assert remove_install(settings, install, "somebody", apply=True).applied is True
    assert list_installs(settings.weights_dir)[0] == []
    with open_state(settings.state_file) as connection:
        assert [event.kind for event in events(connection, kind="weights")] == ["weights.deleted"]


def test_weights_that_a_deployment_serves_from_are_not_removed(settings: Settings) -> None:
    install = made(settings)
    uri = f"pvc://{settings.weights_pvc}/{install.name}"
    with open_state(settings.state_file) as connection:
        put_deployment(connection, "kserve", "cluster", "tiny", "running", plan={"model": {"uri": uri}})
        put_deployment(connection, "local", "here", "other", "running", plan={"path": "None"})
    assert remove_install(settings, install, "somebody", apply=False).used_by == ("kserve:tiny",)
    with pytest.raises(WeightsError, match="kserve:tiny serves from it; stop that first"):
        remove_install(settings, install, "somebody", apply=True)
    assert list_installs(settings.weights_dir)[0] == [install]
    with open_state(settings.state_file) as connection:
        assert audit_rows(connection, subject=install.name)[0].outcome == "refused"


def test_people_are_told_once_when_the_disk_passes_the_threshold_and_once_when_it_is_below_again(
    settings: Settings, notices: list[Notice], disk: Any
) -> None:
    for used, told in ((50, 0), (84, 0), (85, 1), (95, 1), (84, 2), (50, 2), (90, 3)):
        disk(used)
        assert watch_usage(settings).alert == (used >= 85)
        assert len(notices) == told
    assert "85% full, at or above the threshold of 85%" in notices[0].text
    assert "84% full, below 85% again" in notices[1].text
    assert notices[0].detail["used_share"] == 0.85


def test_a_job_that_another_process_runs_is_taken_up_only_when_it_has_lost_it(settings: Settings) -> None:
    job = new_install_job(settings, REQUEST)
    assert operations._until_lost_s(job) == 0
    with open_state(settings.state_file) as connection:
        assert start_job(connection, job.id)
        running = read_job(connection, job.id)
    assert LOST_AFTER_S - 5 < operations._until_lost_s(running) <= LOST_AFTER_S + 1
