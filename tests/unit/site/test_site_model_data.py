"""The models as the explorer ships them: one list, and details in parts."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from site_registry import AT, OFFERS, TABLES, write_registry

from modelscan_catalog.site.model_data import (
    CONFLICT_COLUMNS,
    DOCUMENT_COLUMNS,
    MODEL_COLUMNS,
    OFFER_COLUMNS,
    PARTS,
    cheapest_paid,
    detail_parts,
    model_list,
    part_of,
    read_offers,
    usual_day,
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
    assert (sold["input"], sold["since"], sold["status"]) == (1.0, None, None)
    assert [row["id"] for row in big["variants"]] == ["lab/Big", "lab/Big-AWQ"]
    assert dict(zip(CONFLICT_COLUMNS, big["conflicts"][0], strict=True))["other"] == 32768
    record, field, place = big["sources"][0]
    assert (record, field) == (0, "limits.context")
    cited = dict(zip(DOCUMENT_COLUMNS, part["documents"][place], strict=True))
    assert (cited["source"], cited["url"], cited["at"]) == ("models_dev", "https://models.dev/api.json", AT)
    assert part["rule"][cited["rule"]] == "first_party"
    assert big["sources"][-1][:2] == [1, "*"]


def test_a_field_that_the_page_does_not_show_is_shipped_where_its_source_is_told(tmp_path: Path) -> None:
    root = write_registry(tmp_path)
    model = {**TABLES["models"][0], "model_type": "llama"}

    def shipped() -> dict[str, object]:
        part = detail_parts(root, [model], [])[part_of("lab/big")]
        return dict(part["models"]["lab/big"]["model"])

    assert "model_type" not in shipped()
    told = {"record": "model:lab/big", "field": "model_type", "source": "huggingface", "rule": "huggingface"}
    (root / "provenance.jsonl").write_text(json.dumps(told) + "\n")
    assert shipped()["model_type"] == "llama"


def test_the_usual_day_is_that_of_most_offers_and_only_other_days_are_shipped(tmp_path: Path) -> None:
    root = write_registry(tmp_path)
    other = [{**OFFERS[0], "id": f"b/{number}", "observed_at": "2026-10-02T00:00:00Z"} for number in range(3)]
    offers = [*OFFERS[:2], *other]
    assert usual_day(offers) == "2026-10-02"
    rows = detail_parts(root, TABLES["models"], offers)[part_of("lab/big")]["models"]["lab/big"]["offers"]
    days = [dict(zip(OFFER_COLUMNS, row, strict=False)).get("since") for row in rows]
    assert days == ["2026-09-30", "2026-09-30", None, None, None]
