"""``modelscan upgrade``: dry unless asked, local deployments too, and words for what is wrong."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from modelscan_catalog.cli.upgrade import upgrade
from modelscan_catalog.errors import SettingsError, StateError, UnknownIdError
from modelscan_catalog.router.deployments import register_deployment
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.splits import read_splits


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))
    serve(tmp_path, "a", "b")
    return tmp_path


def serve(folder: Path, *names: str) -> None:
    """A ``router.json`` with these models."""
    provider = {"name": "p", "type": "local", "base_url": "http://127.0.0.1:1/v1"}
    document = {
        "routing": {"direct": {"providers": [provider]}},
        "models": [{"id": f"lab/{name}", "targets": [{"provider": "p", "model": name}]} for name in names],
        "policy": default_policy().model_dump(mode="json"),
    }
    (folder / "router.json").write_text(json.dumps(document))


def run(folder: Path, command: str, *arguments: str) -> Result:
    where = ("--registry", str(folder)) if command in ("start", "list", "candidates") else ()
    return CliRunner().invoke(upgrade, [command, *arguments, *where])


def splits(folder: Path) -> set[str]:
    return set(read_splits(folder / "data" / "router" / "splits.json"))


def test_start_and_stop_are_dry_unless_asked(folder: Path) -> None:
    assert "nothing is changed" in run(folder, "start", "lab/a", "lab/b").output
    assert splits(folder) == set()
    assert "is in shadow" in run(folder, "start", "lab/a", "lab/b", "--apply").output
    assert splits(folder) == {"lab/a"}
    assert "back from lab/b, which is in shadow" in run(folder, "stop", "lab/a").output
    assert splits(folder) == {"lab/a"}
    assert "is stopped" in run(folder, "stop", "lab/a", "--apply").output
    assert splits(folder) == set()


def test_a_dry_start_says_what_a_real_one_would_refuse(folder: Path) -> None:
    serve(folder, "a", "b", "c")
    run(folder, "start", "lab/a", "lab/b", "--apply")
    assert isinstance(run(folder, "start", "lab/a", "lab/c").exception, StateError)
    assert isinstance(run(folder, "stop", "lab/c").exception, UnknownIdError)


def test_only_what_the_router_serves_can_be_tried_and_local_deployments_are_served(folder: Path) -> None:
    refused = run(folder, "start", "lab/a", "lab/own").exception
    assert isinstance(refused, UnknownIdError)
    assert "did you mean" in str(refused)
    register_deployment(folder / "data" / "router", "engine", "lab/own", "http://127.0.0.1:2/v1")
    assert "is in shadow" in run(folder, "start", "lab/a", "lab/own", "--apply").output


def test_the_list_tells_what_a_new_catalogue_has_dropped(folder: Path) -> None:
    assert "Nothing is being tried" in run(folder, "list").output
    run(folder, "start", "lab/a", "lab/b", "--apply")
    assert "not served" not in run(folder, "list").output
    serve(folder, "a")
    assert "lab/b is not served any more: lab/a's own model answers" in run(folder, "list").output
    serve(folder, "b")
    assert "lab/a is not served any more" in run(folder, "list").output


def test_the_list_is_shown_though_the_routers_files_are_damaged(folder: Path) -> None:
    run(folder, "start", "lab/a", "lab/b", "--apply")
    (folder / "data" / "router" / "splits.json").write_text("{")
    listed = run(folder, "list")
    assert listed.exit_code == 0
    assert "lab/b" in listed.output
    assert "splits.json" in listed.output


def test_an_evaluation_says_what_each_gate_lacks(folder: Path) -> None:
    run(folder, "start", "lab/a", "lab/b", "--apply")
    output = run(folder, "evaluate").output
    assert "lab/b stays in shadow" in output
    assert output.count("no evidence") == 6
    [decision] = json.loads(run(folder, "evaluate", "--json").output)
    assert (decision["action"], decision["route"]) == ("stay", "lab/a")
    assert "0.0 of 24 hours" in run(folder, "history", "lab/a").output


def test_a_usage_store_that_is_none_stops_the_evaluation_and_moves_nothing(folder: Path) -> None:
    run(folder, "start", "lab/a", "lab/b", "--apply")
    (folder / "data" / "router" / "usage.sqlite").write_bytes(b"no database at all" * 100)
    refused = run(folder, "evaluate").exception
    assert isinstance(refused, SettingsError)
    assert "usage.sqlite" in str(refused)
    assert "shadow" in run(folder, "list").output
