"""Deployments, history and audit: every change of state is an event, and the audit never changes."""

import sqlite3
from collections.abc import Iterator

import pytest

from modelscan_catalog.state.audit import audit_rows, content_sha256, write_audit
from modelscan_catalog.state.database import open_state
from modelscan_catalog.state.deployments import deployment, deployments, forget_deployment, put_deployment
from modelscan_catalog.state.history import events, write_event

SERVER = "http://127.0.0.1:1"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with open_state(None) as opened:
        yield opened


def test_a_deployment_keeps_what_a_later_sight_does_not_say(connection: sqlite3.Connection) -> None:
    put_deployment(connection, "gpustack", SERVER, "a", "creating", model="lab/m", plan={"tp": 1})
    seen = put_deployment(connection, "gpustack", SERVER, "a", "running", url="http://127.0.0.1:1/v1")
    assert (seen.model, seen.plan, seen.state, seen.url) == (
        "lab/m",
        {"tp": 1},
        "running",
        "http://127.0.0.1:1/v1",
    )


def test_a_message_belongs_to_the_state_in_which_it_was_said(connection: sqlite3.Connection) -> None:
    put_deployment(connection, "gpustack", SERVER, "a", "failed", message="no capacity")
    assert put_deployment(connection, "gpustack", SERVER, "a", "running").message is None


def test_only_a_change_of_state_or_message_is_an_event(connection: sqlite3.Connection) -> None:
    for state in ("creating", "running", "running"):
        put_deployment(connection, "gpustack", SERVER, "a", state)  # type: ignore[arg-type]
    assert [event.kind for event in events(connection)] == ["deployment.creating", "deployment.running"]
    assert events(connection)[1].detail["before"] == "creating"


def test_the_same_name_on_two_servers_is_two_deployments(connection: sqlite3.Connection) -> None:
    put_deployment(connection, "gpustack", SERVER, "a", "running")
    put_deployment(connection, "gpustack", "http://127.0.0.1:2", "a", "stopped")
    assert [row.state for row in deployments(connection)] == ["running", "stopped"]
    assert [row.state for row in deployments(connection, server=SERVER)] == ["running"]


def test_a_deployment_that_is_forgotten_is_gone_once(connection: sqlite3.Connection) -> None:
    put_deployment(connection, "kserve", SERVER, "a", "running")
    assert forget_deployment(connection, "kserve", SERVER, "a")
    assert not forget_deployment(connection, "kserve", SERVER, "a")
    assert deployment(connection, "kserve", SERVER, "a") is None
    assert [event.kind for event in events(connection)][-1] == "deployment.removed"


def test_events_are_read_on_from_a_cursor(connection: sqlite3.Connection) -> None:
    for number in range(5):
        write_event(connection, "job.done" if number % 2 else "jobless.done", str(number))
    assert [event.subject for event in events(connection, after=3)] == ["3", "4"]
    assert [event.subject for event in events(connection, kind="job")] == ["1", "3"]
    assert [event.subject for event in events(connection, newest_first=True, limit=2)] == ["4", "3"]


def test_audit_rows_hold_hashes_and_refuse_change(connection: sqlite3.Connection) -> None:
    write_audit(connection, "token", "model.activate", "a", "done", before=None, after={"b": 1, "a": 2})
    [row] = audit_rows(connection)
    assert (row.before_sha256, row.after_sha256) == (None, content_sha256({"a": 2, "b": 1}))
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(sqlite3.DatabaseError, match="audit rows are never"):
            connection.execute(statement)
