"""The models.dev feed against the recorded document: what was read comes out equal."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelscan_catalog.feeds.litellm import litellm_price_map
from modelscan_catalog.feeds.models_dev import models_dev_api
from modelscan_catalog.merge.offers import build_offers, build_providers
from modelscan_catalog.merge.tables import load_tables
from modelscan_catalog.settings import REPOSITORY_ROOT
from modelscan_catalog.sources.models_dev import LAB_MODELS, OFFERS, translate
from modelscan_catalog.sources.reading import RowLog

pytestmark = pytest.mark.shared

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))
LEAST_LITELLM_ENTRIES = 2_500
"""LiteLLM drops a map below half of its bundled 4,241 entries (August 2026)."""


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    path = SHARED / "sources" / "models.dev" / "api.json"
    if not path.exists():
        pytest.skip(f"{path} is not there; set MODELSCAN_SHARED")
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def _tables(document: Mapping[str, Any]) -> Any:
    return translate({OFFERS: document, LAB_MODELS: {}}, {}, RowLog("models_dev"))


def _offers(document: Mapping[str, Any]) -> Any:
    tables = _tables(document)
    staged: Any = SimpleNamespace(offers=tables["offers"], providers=tables["providers"])
    unlinked: Any = SimpleNamespace(offers={})
    known = load_tables()
    offers = build_offers(staged, unlinked, known, "2026-01-01T00:00:00Z", {})
    return staged, build_providers(staged, known), offers


def test_every_provider_and_offer_that_was_read_comes_out_equal(recorded: dict[str, Any]) -> None:
    staged, providers, offers = _offers(recorded)
    origins = {f"{row.provider}/{row.id}": row for row in staged.offers}
    again = _tables(models_dev_api(providers, offers, {row.id: row for row in staged.providers}, origins))
    assert len(again["offers"]) == len(staged.offers) > 8_000
    assert [row for row in again["providers"] if row not in staged.providers] == []
    before = {(row.provider, row.id): row for row in staged.offers}
    changed = [row for row in again["offers"] if row != before[row.provider, row.id]]
    assert changed == []


def test_the_price_map_has_enough_entries_for_litellm_to_take_it(recorded: dict[str, Any]) -> None:
    _, _, offers = _offers(recorded)
    assert len(litellm_price_map(offers, {})) > LEAST_LITELLM_ENTRIES
