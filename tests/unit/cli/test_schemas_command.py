"""Claims about ``modelscan schemas``: a written schema is never narrowed by accident."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from modelscan_catalog.cli import schemas as command
from modelscan_catalog.errors import CheckFailedError
from modelscan_catalog.publish.schemas import SCHEMA_VERSION, schema_files

OFFER = f"{SCHEMA_VERSION}/offer.schema.json"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Schemas of which the offer's accepts a field that the records of today do not know."""
    monkeypatch.setattr(command, "_DIRECTORY", tmp_path)
    for name, schema in schema_files().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(schema))
    wider = json.loads((tmp_path / OFFER).read_text())
    wider["properties"]["former"] = {"type": "string"}
    (tmp_path / OFFER).write_text(json.dumps(wider))
    return tmp_path


def test_a_change_that_breaks_readers_is_refused_and_nothing_is_written(written: Path) -> None:
    before = (written / OFFER).read_bytes()
    refused = CliRunner().invoke(command.schemas, ["write"])
    assert isinstance(refused.exception, CheckFailedError)
    assert "former" in str(refused.exception)
    assert "--breaking" in str(refused.exception)
    assert (written / OFFER).read_bytes() == before


def test_it_is_written_where_that_is_said(written: Path) -> None:
    assert CliRunner().invoke(command.schemas, ["write", "--breaking"]).exit_code == 0
    assert command.drifted(written) == []


def test_a_change_that_only_adds_is_written(written: Path) -> None:
    narrower = json.loads((written / OFFER).read_text())
    del narrower["properties"]["former"], narrower["properties"]["family"]
    (written / OFFER).write_text(json.dumps(narrower))
    assert CliRunner().invoke(command.schemas, ["write"]).exit_code == 0
    assert command.drifted(written) == []
