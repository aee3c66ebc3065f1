"""The documents: links lead somewhere, the contract names every published schema, examples are valid."""

import json
import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from modelscan_catalog.fit.profiles import load_profiles
from modelscan_catalog.publish.schemas import PUBLISHED, check_document
from modelscan_catalog.records import Override
from modelscan_catalog.settings import REPOSITORY_ROOT

DOCS = REPOSITORY_ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
INSIDE_ANOTHER = {"source_state", "override"}
"""Schemas of what is inside the index, and of a file that is read rather than published."""


def examples(page: str) -> list[object]:
    """The JSON examples of a page."""
    blocks = re.findall(r"^( *)```json\n(.*?)^\1```", (DOCS / page).read_text("utf-8"), re.M | re.S)
    return [json.loads(block) for _, block in blocks]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_of_a_page_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_contract_names_the_schema_of_every_published_record() -> None:
    text = (DOCS / "registry-contract.md").read_text("utf-8")
    assert [name for name in sorted(set(PUBLISHED) - INSIDE_ANOTHER) if f"`{name}`" not in text] == []


def test_the_example_of_a_card_is_a_valid_profile_whose_sources_are_listed() -> None:
    (card,) = examples("add-a-gpu.md")
    assert isinstance(card, dict)
    listed = json.loads((REPOSITORY_ROOT / "registry" / "gpu_profiles" / "sources.json").read_bytes())
    assert set(card["sources"].values()) <= set(listed["sources"])
    flat = {
        name for name in card if name not in ("id", "name", "aliases", "vendor", "architecture", "sources")
    }
    stated = {"tflops_dense.bf16" if name == "tflops_dense" else name for name in flat - {"memory_class"}}
    assert stated == set(card["sources"])
    assert card["id"] not in load_profiles()


def test_the_example_of_an_override_is_a_valid_one() -> None:
    (overrides,) = examples("add-a-model.md")
    TypeAdapter(list[Override]).validate_python(overrides)
    assert isinstance(overrides, list)
    check_document("override", overrides[0], "add-a-model.md")
    kept = (REPOSITORY_ROOT / "registry" / "overrides").glob("*.json")
    taken = {(row["record"], row["field"]) for path in kept for row in json.loads(path.read_bytes())}
    assert not {(row["record"], row["field"]) for row in overrides} & taken, (
        "a reader who tries it is refused"
    )
