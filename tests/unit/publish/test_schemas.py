"""Schemas: no drift, strict where they must be, compatible from version to version."""

import copy
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from modelscan_catalog.cli.schemas import drifted
from modelscan_catalog.errors import RecordError
from modelscan_catalog.publish import schemas
from modelscan_catalog.settings import REPOSITORY_ROOT

DIRECTORY = REPOSITORY_ROOT / "schemas"


def test_the_written_schemas_are_the_generated_ones() -> None:
    assert drifted(DIRECTORY) == []


@pytest.mark.parametrize("name", sorted(schemas.PUBLISHED))
def test_every_schema_is_valid_2020_12_and_closed(name: str) -> None:
    schema = schemas.record_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False


def test_every_version_accepts_its_predecessor_or_the_changelog_says_what_broke() -> None:
    found = (entry.name for entry in DIRECTORY.iterdir() if entry.is_dir())
    versions = sorted(found, key=lambda version: [int(part) for part in version.split(".")])
    assert versions[-1] == schemas.SCHEMA_VERSION
    changelog = (DIRECTORY / "CHANGELOG.md").read_text("utf-8")
    for before, after in itertools.pairwise(versions):
        for path in sorted((DIRECTORY / before).glob("*.schema.json")):
            newer = DIRECTORY / after / path.name
            broken = (
                schemas.breaking_changes(json.loads(path.read_text()), json.loads(newer.read_text()))
                if newer.exists()
                else [f"{path.name} is gone"]
            )
            assert all(fault in changelog for fault in broken), broken
    assert all(f"## {version}" in changelog for version in versions)


def test_a_refused_document_is_named_with_its_field() -> None:
    offer = {"id": "a/b", "provider": "a", "provider_model": "b", "name": "B", "observed_at": "2026-01-01"}
    schemas.check_document("offer", offer, "offer a/b")
    with pytest.raises(RecordError, match=r"offer a/b: field price\.input"):
        schemas.check_document("offer", offer | {"price": {"input": "cheap"}}, "offer a/b")


def test_narrowing_a_schema_is_found() -> None:
    old = schemas.record_schema("offer")
    new = copy.deepcopy(old)
    new["properties"].pop("family")
    new["required"].append("price")
    new["properties"]["name"] = {"type": "integer"}
    assert schemas.breaking_changes(old, new) == [
        ".family: is gone",
        ".name: type ['string'] became ['integer']",
        ".price: is required now",
    ]


@given(st.sampled_from(sorted(schemas.PUBLISHED)))
def test_a_schema_is_compatible_with_itself_and_with_one_more_optional_field(name: str) -> None:
    old = schemas.record_schema(name)
    new = copy.deepcopy(old)
    new["properties"]["extra"] = {"type": "string"}
    assert schemas.breaking_changes(old, old) == []
    assert schemas.breaking_changes(old, new) == []
