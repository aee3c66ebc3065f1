"""Backup and restore: verified after writing, dry unless asked, whole or not at all, never a newer schema."""

import hashlib
import json
import sqlite3
import zipfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelscan_catalog.cli.main import cli
from modelscan_catalog.errors import StateError
from modelscan_catalog.router.splits import read_splits, set_splits, split_of
from modelscan_catalog.router.usage import Record, UsageStore
from modelscan_catalog.sdk.history import record_version, write_active
from modelscan_catalog.sdk.render import GeneratedClient
from modelscan_catalog.service.backup import back_up, restore
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import audit_rows, open_state, write_audit
from modelscan_catalog.upgrade.records import create_upgrade
from modelscan_catalog.upgrade.run import write_splits

CALL = Record("m", "p/m", "", "simple", "", "ok", 0.1, 0.2, 1, 0, 1, 0.0)


def machine(folder: Path) -> Settings:
    """A machine with state, usage, the router's files, an override, own entries."""
    settings = Settings(data_dir=folder / "data", registry_dir=folder / "registry", overlays=folder / "own")
    for path, text in (
        ("registry/overrides/a.json", '{"a": 1}'),
        ("registry/onboarding/confirmations/newcomer.json", '{"provider": "newcomer"}'),
        ("data/discovery/candidates.json", '{"looked_at": "2026-01-01T00:00:00Z"}'),
        ("registry/watchlist.json", "[]"),
        ("data/router/deployments.json", "{}"),
        ("data/router/keys.json", '{"keys": {"acme": ["env:ACME"]}}'),
        ("own/mine.json", "{}"),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    with open_state(settings.state_file) as state:
        write_audit(state, "me", "first", "thing", "done")
    store = UsageStore(folder / "data" / "router" / "usage.sqlite")
    store.record(CALL)
    store.close()
    return settings


def actions(settings: Settings) -> list[str]:
    with open_state(settings.state_file) as state:
        return [row.action for row in audit_rows(state)]


def requests(settings: Settings) -> int:
    store = UsageStore(settings.data_dir / "router" / "usage.sqlite")
    rows = store.totals(("model",))
    store.close()
    return int(rows[0]["requests"]) if rows else 0


def test_a_backup_holds_everything_and_reads_back(tmp_path: Path) -> None:
    settings = machine(tmp_path)
    (tmp_path / "config.yaml").write_text("port: 1")
    entries = back_up(settings, tmp_path / "b.zip", tmp_path / "config.yaml")
    assert [entry.name for entry in entries] == [
        "state/modelscan.db", "router/usage.sqlite", "router/deployments.json", "router/keys.json",
        "overrides/a.json", "confirmations/newcomer.json", "discovery/candidates.json", "overlays/mine.json",
        "watchlist.json", "config.yaml",
    ]  # fmt: skip
    assert entries[0].version is not None
    assert list(tmp_path.glob(".backup-*")) == []


def test_a_backup_is_made_while_others_write(tmp_path: Path) -> None:
    settings = machine(tmp_path)
    with open_state(settings.state_file) as state:
        state.execute("BEGIN IMMEDIATE")
        write_audit(state, "me", "not yet", "thing", "done")
        back_up(settings, tmp_path / "b.zip")
        state.execute("COMMIT")
    restore(settings, tmp_path / "b.zip", apply=True)
    assert actions(settings) == ["restore", "first"]


def test_a_restore_is_dry_unless_asked_and_then_brings_everything_back(tmp_path: Path) -> None:
    settings = machine(tmp_path)
    back_up(settings, tmp_path / "b.zip")
    with open_state(settings.state_file) as state:
        write_audit(state, "me", "second", "thing", "done")
    store = UsageStore(settings.data_dir / "router" / "usage.sqlite")
    store.record(CALL)
    store.close()
    override = settings.registry_dir / "overrides" / "a.json"
    override.write_text('{"a": 2}')
    (tmp_path / "own" / "mine.json").unlink()
    changes = {
        change.name: change.what for change in restore(settings, tmp_path / "b.zip", apply=False).changes
    }
    assert changes["overrides/a.json"] == "replace"
    assert changes["overlays/mine.json"] == "new"
    assert changes["watchlist.json"] == "same"
    assert (actions(settings), requests(settings)) == (["second", "first"], 2)
    kept = restore(settings, tmp_path / "b.zip", apply=True).kept
    assert kept is not None
    assert (actions(settings), requests(settings)) == (["restore", "first"], 1)
    assert override.read_text() == '{"a": 1}'
    assert (tmp_path / "own" / "mine.json").exists()
    restore(settings, kept, apply=True)
    assert actions(settings)[1:] == ["second", "first"]
    assert override.read_text() == '{"a": 2}'


def test_a_restore_writes_the_clients_that_were_active(tmp_path: Path) -> None:
    settings = machine(tmp_path)
    made = GeneratedClient("newcomer", "python", "newcomer_generated.py", "made = True\n", "0" * 64)
    with open_state(settings.state_file) as state:
        record_version(state, made)
        (client, *_) = write_active(state, settings.data_dir / "sdk")
    back_up(settings, tmp_path / "b.zip")
    client.write_text("of a later version")
    restore(settings, tmp_path / "b.zip", apply=True)
    assert client.read_text() == "made = True\n"


def test_whoever_has_the_state_open_sees_what_was_restored(tmp_path: Path) -> None:
    settings = machine(tmp_path)
    back_up(settings, tmp_path / "b.zip")
    with open_state(settings.state_file) as state:
        write_audit(state, "me", "second", "thing", "done")
        restore(settings, tmp_path / "b.zip", apply=True)
        assert [row.action for row in audit_rows(state)] == ["restore", "first"]


def test_what_was_tried_since_the_backup_is_no_longer_split_after_a_restore(tmp_path: Path) -> None:
    settings = machine(tmp_path)
    splits_file = tmp_path / "data" / "router" / "splits.json"
    by_hand = split_of(canary=("lab/d", 0.5))
    set_splits(splits_file, {"lab/c": by_hand})
    back_up(settings, tmp_path / "backup.zip")
    splits_file.unlink()
    with open_state(settings.state_file) as state:
        create_upgrade(state, "lab/a", "lab/a", "lab/b", datetime.now(UTC))
        state.execute("UPDATE upgrades SET phase = 'canary', share = 0.1")
        write_splits(state, splits_file)
    assert set(read_splits(splits_file)) == {"lab/a"}
    set_splits(splits_file, {"lab/c": by_hand})
    back_up(settings, tmp_path / "later.zip")

    restore(settings, tmp_path / "backup.zip", apply=True)
    assert read_splits(splits_file) == {"lab/c": by_hand}
    restore(settings, tmp_path / "later.zip", apply=True)
    assert set(read_splits(splits_file)) == {"lab/a", "lab/c"}


@pytest.mark.parametrize("manifest", [None, "[]", '{"format": 1}', '{"files": []}'])
def test_a_zip_that_is_no_backup_is_said_to_be_none(tmp_path: Path, manifest: str | None) -> None:
    settings = machine(tmp_path)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("a", "b")
        if manifest is not None:
            other.writestr("manifest.json", manifest)
    with pytest.raises(StateError, match=r"other\.zip: no backup of modelscan"):
        restore(settings, tmp_path / "other.zip", apply=True)
    assert not (tmp_path / "data" / "backups").exists()


def test_a_damaged_state_is_put_aside_by_the_restore(tmp_path: Path) -> None:
    settings = machine(tmp_path)
    back_up(settings, tmp_path / "b.zip")
    settings.state_file.write_bytes(b"no database, and long enough to be one" * 99)
    changes = restore(settings, tmp_path / "b.zip", apply=True)
    assert changes.changes[0].what == "damaged"
    assert actions(settings) == ["restore", "first"]
    assert settings.state_file.with_name("modelscan.db.damaged").exists()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("router/keys.json", b"other", "not as the backup's manifest says"),
        ("manifest.json", b"{", "cannot be restored"),
        ("manifest.json", b'{"format": 1, "files": [{"name": 1}]}', "cannot be restored"),
        ("manifest.json", b'{"format": 9, "made_by": "9.9", "files": []}', "newer modelscan"),
    ],
)
def test_a_backup_that_is_not_whole_changes_nothing(
    tmp_path: Path, name: str, content: bytes, text: str
) -> None:
    settings = machine(tmp_path)
    back_up(settings, tmp_path / "good.zip")
    with zipfile.ZipFile(tmp_path / "good.zip") as good, zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
        for one in good.namelist():
            bad.writestr(one, content if one == name else good.read(one))
    before = settings.state_file.read_bytes()
    with pytest.raises(StateError, match=text):
        restore(settings, tmp_path / "bad.zip", apply=True)
    assert settings.state_file.read_bytes() == before
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(StateError, match="cannot be restored"):
        restore(settings, tmp_path / "no.zip", apply=True)


def test_a_name_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    settings = machine(tmp_path)
    name, digest = "overrides/../../../owned.json", hashlib.sha256(b"owned").hexdigest()
    entry = {"name": name, "bytes": 5, "sha256": digest, "version": None}
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
        bad.writestr(name, "owned")
        bad.writestr("manifest.json", json.dumps({"format": 1, "made_by": "x", "files": [entry]}))
    with pytest.raises(StateError, match="leads out of its folder"):
        restore(settings, tmp_path / "bad.zip", apply=True)
    assert not (tmp_path.parent / "owned.json").exists()


def test_a_newer_schema_is_refused_and_an_older_one_is_migrated(tmp_path: Path) -> None:
    settings = machine(tmp_path)
    with closing(sqlite3.connect(settings.state_file)) as state:
        state.execute("PRAGMA user_version=9999")
    back_up(settings, tmp_path / "newer.zip")
    with pytest.raises(StateError, match="schema 9999"):
        restore(settings, tmp_path / "newer.zip", apply=False)
    settings.state_file.unlink()
    with closing(sqlite3.connect(settings.state_file)) as state:
        state.execute("CREATE TABLE old (a)")
    back_up(settings, tmp_path / "older.zip")
    restore(settings, tmp_path / "older.zip", apply=True)
    assert actions(settings) == ["restore"]


def test_the_commands_say_what_they_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    machine(tmp_path)
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MODELSCAN_REGISTRY_DIR", str(tmp_path / "registry"))
    made = CliRunner().invoke(cli, ["backup", str(tmp_path / "b.zip")])
    assert made.exit_code == 0, made.output
    assert "read back and verified" in made.output
    dry = CliRunner().invoke(cli, ["restore", str(tmp_path / "b.zip")])
    assert "nothing was changed; --apply does it" in dry.output
    done = CliRunner().invoke(cli, ["restore", str(tmp_path / "b.zip"), "--apply", "--json"])
    assert json.loads(done.output)["applied"] is True
