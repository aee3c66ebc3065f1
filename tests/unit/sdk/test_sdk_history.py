"""Versions by content hash: the same text once, a way back, and no silent return of what was withdrawn."""

from pathlib import Path

import pytest
from sdk_samples import interface

from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.sdk.history import active_version, record_version, roll_back, versions, write_active
from modelscan_catalog.sdk.render import generate
from modelscan_catalog.state import events, open_state

FIRST = generate(interface())
SECOND = generate(interface(base_url="https://api.example.com/v2"))


def test_the_same_text_is_one_version_and_a_new_one_becomes_active(tmp_path: Path) -> None:
    with open_state(None) as connection:
        record_version(connection, FIRST)
        assert record_version(connection, FIRST).sha256 == FIRST.sha256
        assert record_version(connection, SECOND).active
        assert [one.sha256 for one in versions(connection, "example")] == [SECOND.sha256, FIRST.sha256]
        assert [one.kind for one in events(connection)] == ["sdk.generated", "sdk.generated"]
        (path,) = write_active(connection, tmp_path)
        assert path.read_text() == SECOND.text
        assert write_active(connection, tmp_path) == []


def test_what_was_rolled_back_stays_back_until_it_is_asked_for(tmp_path: Path) -> None:
    with open_state(None) as connection:
        record_version(connection, FIRST)
        record_version(connection, SECOND)
        assert roll_back(connection, "example").sha256 == FIRST.sha256
        assert record_version(connection, SECOND).sha256 == FIRST.sha256
        write_active(connection, tmp_path)
        assert (tmp_path / "python" / FIRST.file).read_text() == FIRST.text
        assert roll_back(connection, "example", SECOND.sha256[:8]).sha256 == SECOND.sha256
        current = active_version(connection, "example")
        assert current is not None
        assert not current.withdrawn


def test_without_an_older_version_the_error_lists_what_there_is() -> None:
    with open_state(None) as connection:
        record_version(connection, FIRST)
        with pytest.raises(UnknownIdError, match=FIRST.sha256[:12]):
            roll_back(connection, "example")
        with pytest.raises(UnknownIdError, match="none"):
            roll_back(connection, "nosuch")
