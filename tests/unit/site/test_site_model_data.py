"""The models as the explorer ships them: one list, and details in parts."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from site_registry import AT, OFFERS, TABLES, write_registry

from modelscan_catalog.site.model_data import (
    MODEL_COLUMNS,
    OFFER_COLUMNS,
    PARTS,
    cheapest_paid,
    detail_parts,
    model_list,
    part_of,
    read_offers,
)


def test_the_cheapest_price_is_one_that_costs_something() -> None:
    assert cheapest_paid(OFFERS) == {"input": 1.0, "output": 2.0}
    assert cheapest_paid(OFFERS[1:]) == {}


@given(st.text(min_size=1))
def test_every_id_has_a_part(model: str) -> None:
    assert 0 <= part_of(model) < PARTS


def test_the_list_has_a_row_a_model_with_its_fitted_checkpoints_and_unknown_stays_null() -> None:
    listed = model_list(TABLES["models"], OFFERS[:2], TABLES["variants"], {"lab/Big": 0, "lab/Small": 1})
    big, small = (dict(zip(MODEL_COLUMNS, row, strict=True)) for row in listed["rows"])
    assert (big["fitted"], big["abilities"], big["price_input"], big["context"]) == ([0], "tv", 1.0, 131072)
    assert (small["parameters"], small["price_input"], small["license"]) == (None, None, None)


def test_a_models_part_has_its_sellers_former_terms_sources_and_conflicts(tmp_path: Path) -> None:
    root = write_registry(tmp_path)
    offers = read_offers(root)
    assert [offer["id"] for offer in offers] == ["a/big", "a/big-free"]
    part = detail_parts(root, TABLES["models"], offers)[part_of("lab/big")]
    big = part["models"]["lab/big"]
    sold = dict(zip(OFFER_COLUMNS, big["offers"][0], strict=True))
    assert sold["past"] == [("2026-08-01", 2.0)]
    assert (sold["input"], sold["since"], sold["status"]) == (1.0, "2026-09-30", None)
    assert [row["id"] for row in big["variants"]] == ["lab/Big", "lab/Big-AWQ"]
    assert big["conflicts"][0]["other"] == 32768
    record, field, place = big["sources"][0]
    assert (record, field) == ("model:lab/big", "limits.context")
    assert part["documents"][place] == {
        "source": "models_dev",
        "url": "https://models.dev/api.json",
        "at": AT,
        "rule": "first_party",
    }
