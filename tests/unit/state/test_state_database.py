"""The state file: migrated from every earlier version, refused when not ours, safe with several users."""

import sqlite3
import threading
from pathlib import Path

import pytest

from modelscan_catalog.errors import StateError
from modelscan_catalog.state.database import migrations, open_state, schema_version, transaction
from modelscan_catalog.state.history import events, write_event


def _schema(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [(row[0], row[1]) for row in rows]


def test_migrations_are_numbered_from_one_without_gaps() -> None:
    assert [version for version, _, _ in migrations()] == list(range(1, len(migrations()) + 1))


@pytest.mark.parametrize("version", range(len(migrations())))
def test_a_file_of_any_earlier_version_becomes_the_newest_and_keeps_its_rows(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "state.db"
    old = sqlite3.connect(path)
    for number, _, sql in migrations()[:version]:
        old.executescript(sql)
        old.execute(f"PRAGMA user_version={number}")
    if version >= 1:
        old.execute("INSERT INTO history (at, kind, subject, detail) VALUES ('t', 'a.b', 's', '{}')")
    old.commit()
    old.close()

    with open_state(path) as migrated, open_state(None) as fresh:
        assert _schema(migrated) == _schema(fresh)
        assert schema_version(migrated) == migrations()[-1][0]
        assert len(events(migrated)) == (1 if version >= 1 else 0)


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version=9999")
    newer.commit()
    newer.close()

    with pytest.raises(StateError, match="newer modelscan"), open_state(path):
        pass
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (9999,)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_text("not a database, and long enough to be read as a damaged header of one" * 20)
    with pytest.raises(StateError, match=r"state\.db.*restore a backup"), open_state(path):
        pass


def test_damage_below_a_table_is_told_with_the_file_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with open_state(path) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'history'"
        page = connection.execute(query).fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(content)

    told = r"state\.db: the state cannot be used.*malformed; move the file aside"
    with pytest.raises(StateError, match=told), open_state(path) as connection:
        events(connection)


def test_a_state_that_another_process_holds_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelscan_catalog.state.database.BUSY_TIMEOUT_S", 0.05)
    path = tmp_path / "state.db"
    told = r"locked; another process holds it; try again"
    with (
        open_state(path) as holder,
        transaction(holder),
        pytest.raises(StateError, match=told),
        open_state(path) as second,
        transaction(second),
    ):
        pass


def test_a_fault_of_the_caller_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.ProgrammingError), open_state(tmp_path / "state.db") as connection:
        connection.execute("SELECT ?", ())


def test_a_migration_that_fails_half_way_leaves_the_old_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    with open_state(path):
        pass
    broken = [
        *migrations(),
        (len(migrations()) + 1, "x.sql", "CREATE TABLE half (a);\nCREATE TABLE half (a);\n"),
    ]
    monkeypatch.setattr("modelscan_catalog.state.database.migrations", lambda: broken)
    with pytest.raises(StateError, match="already exists"), open_state(path):
        pass
    monkeypatch.undo()
    with open_state(path) as connection:
        assert "half" not in dict(_schema(connection))


def test_a_transaction_that_raises_writes_nothing() -> None:
    with open_state(None) as connection:
        with pytest.raises(RuntimeError), transaction(connection):
            write_event(connection, "a.b", "s")
            raise RuntimeError
        assert events(connection) == []


def test_threads_that_open_a_new_file_at_once_all_write(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    def write(name: str) -> None:
        with open_state(path) as connection:
            for _ in range(20):
                write_event(connection, "a.b", name)

    threads = [threading.Thread(target=write, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_state(path) as connection:
        assert len(events(connection, limit=1000)) == 80
