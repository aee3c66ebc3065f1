"""Jobs: created once, claimed by one, cancelled at the next report, taken up again when lost."""

import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.errors import JobCancelledError, ModelScanError, StateError, UnknownIdError
from modelscan_catalog.state import runner
from modelscan_catalog.state.database import open_state
from modelscan_catalog.state.history import events
from modelscan_catalog.state.jobs import Job, beat, cancel_job, create_job, end_job, job, jobs, start_job
from modelscan_catalog.state.runner import Report, run_in_thread, run_job


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def _new(path: Path, subject: str = "a") -> str:
    with open_state(path) as connection:
        return create_job(connection, "install", subject, {"revision": "1"}).id


def test_the_same_request_is_one_job_while_it_is_open(path: Path) -> None:
    first = _new(path)
    assert _new(path) == first
    with open_state(path) as connection:
        start_job(connection, first)
        end_job(connection, first, "failed", error="disk")
    assert _new(path) != first


def test_only_one_claims_a_job(path: Path) -> None:
    identifier = _new(path)
    with open_state(path) as connection:
        assert start_job(connection, identifier)
        assert not start_job(connection, identifier)


def test_a_job_whose_process_was_lost_is_claimed_again(path: Path) -> None:
    identifier = _new(path)
    with open_state(path) as connection:
        start_job(connection, identifier)
        connection.execute("UPDATE jobs SET beat_at = '2020-01-01T00:00:00.000000+00:00'")
        assert start_job(connection, identifier)


def test_work_that_is_asked_for_again_is_left_to_its_process_until_that_is_lost(path: Path) -> None:
    ran: list[str] = []

    def again() -> None:
        run_in_thread(path, identifier, lambda _: {"ran": ran.append("here")}).join(10)

    with open_state(path) as state:
        identifier = create_job(state, "install", "a", {}).id
        assert start_job(state, identifier)
        again()
        assert ran == []
        state.execute("UPDATE jobs SET beat_at = '2020-01-01T00:00:00+00:00'")
        again()
        assert (ran, job(state, identifier).state) == (["here"], "succeeded")


def test_work_that_ends_well_keeps_its_result_and_progress(path: Path) -> None:
    identifier = _new(path)

    def work(report: Report) -> Mapping[str, Any]:
        report(step="download", done=1, total=2, unit="bytes")
        report(done=2)
        return {"path": "x"}

    ended = run_job(path, identifier, work)
    assert (ended.state, ended.result, ended.step, ended.done, ended.total) == (
        "succeeded",
        {"path": "x"},
        "download",
        2,
        2,
    )
    with open_state(path) as connection:
        assert [event.kind for event in events(connection)] == ["job.succeeded"]


def test_an_error_of_ours_is_kept_and_not_raised(path: Path) -> None:
    def work(report: Report) -> Mapping[str, Any]:
        raise ModelScanError("no space")

    ended = run_job(path, _new(path), work)
    assert (ended.state, ended.error) == ("failed", "no space")


def test_any_other_error_is_kept_and_raised(path: Path) -> None:
    identifier = _new(path)

    def work(report: Report) -> Mapping[str, Any]:
        raise ZeroDivisionError("x")

    with pytest.raises(ZeroDivisionError):
        run_job(path, identifier, work)
    with open_state(path) as connection:
        assert job(connection, identifier).error == "ZeroDivisionError: x"


def test_a_running_job_stops_at_its_next_report_after_a_cancel(path: Path) -> None:
    identifier = _new(path)

    def work(report: Report) -> Mapping[str, Any]:
        while True:
            report(step="download")
            time.sleep(0.01)

    thread = run_in_thread(path, identifier, work)
    with open_state(path) as connection:
        for _ in range(500):
            if job(connection, identifier).state == "running":
                break
            time.sleep(0.01)
        cancel_job(connection, identifier)
        thread.join(10)
        assert job(connection, identifier).state == "cancelled"
        with pytest.raises(StateError, match="ended already"):
            cancel_job(connection, identifier)


def test_a_job_that_is_started_twice_at_once_runs_once(path: Path) -> None:
    identifier, runs = _new(path), []

    def work(report: Report) -> Mapping[str, Any]:
        runs.append(1)
        time.sleep(0.1)
        return {}

    threads = [run_in_thread(path, identifier, work) for _ in range(3)]
    for thread in threads:
        thread.join(10)
    assert runs == [1]


def test_a_pending_job_is_cancelled_at_once_and_not_run(path: Path) -> None:
    identifier = _new(path)
    with open_state(path) as connection:
        assert cancel_job(connection, identifier).state == "cancelled"
    with pytest.raises(StateError, match="has ended"):
        run_job(path, identifier, lambda report: {})


def test_work_that_takes_too_long_fails(path: Path) -> None:
    def work(report: Report) -> Mapping[str, Any]:
        time.sleep(0.02)
        report()
        return {}

    ended = run_job(path, _new(path), work, timeout_s=0.01)
    assert ended.state == "failed"
    assert ended.error is not None
    assert "not done within" in ended.error


def test_work_that_hangs_has_failed_when_its_time_is_over_and_is_no_success_afterwards(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LAST_WORDS_S", 0.0)
    identifier, go = _new(path), threading.Event()

    def hangs(report: Report) -> Mapping[str, Any]:
        go.wait(60)
        return {"late": True}

    thread = run_in_thread(path, identifier, hangs, timeout_s=0.05)
    with open_state(path) as connection:
        ended = _wait_for(connection, identifier, "failed")
        assert ended.error == "not done within 0.05 s"
        go.set()
        thread.join(30)
        assert (job(connection, identifier).state, job(connection, identifier).result) == ("failed", None)
        assert [event.kind for event in events(connection)] == ["job.failed"]


def test_work_that_does_not_hear_of_its_cancellation_is_closed_by_its_heart(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LOST_AFTER_S", 0.1)
    identifier, go = _new(path), threading.Event()

    def deaf(report: Report) -> Mapping[str, Any]:
        go.wait(60)
        return {}

    thread = run_in_thread(path, identifier, deaf)
    with open_state(path) as connection:
        _wait_for(connection, identifier, "running")
        cancel_job(connection, identifier)
        _wait_for(connection, identifier, "cancelled")
    go.set()
    thread.join(30)


def _wait_for(connection: sqlite3.Connection, identifier: str, state: str) -> Job:
    for _ in range(3000):
        found = job(connection, identifier)
        if found.state == state:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{identifier} is {found.state}, not {state}")


def test_a_beat_of_a_job_that_has_ended_stops_the_work(path: Path) -> None:
    identifier = _new(path)
    with open_state(path) as connection:
        end_job(connection, identifier, "failed", error="x")
        with pytest.raises(JobCancelledError):
            beat(connection, identifier)


def test_jobs_are_listed_newest_first_and_filtered(path: Path) -> None:
    first, second = _new(path, "a"), _new(path, "b")
    with open_state(path) as connection:
        assert [found.id for found in jobs(connection)] == [second, first]
        assert [found.id for found in jobs(connection, subject="a")] == [first]
        assert jobs(connection, state="running") == []
        with pytest.raises(UnknownIdError):
            job(connection, "none")
