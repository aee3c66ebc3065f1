"""Changes between builds: nothing vanishes in silence, and unchanged terms keep their date."""

from typing import Any

from merge_rows import offer, price, small_world

from modelscan_catalog.merge.catalogue import Catalogue, merge_catalogue
from modelscan_catalog.merge.changes import diff_catalogues, previous_build
from modelscan_catalog.merge.documents import SourceDocument


def built(day: str, before: Catalogue | None = None, **tables: list[Any]) -> Catalogue:
    document = SourceDocument("models_dev", "https://models.dev/api.json", f"2026-09-{day}T00:00:00Z")
    previous = previous_build(before) if before else None
    return merge_catalogue(small_world() | tables, previous=previous, documents=[document], pairs=())


def without(name: str) -> list[Any]:
    return [row for row in small_world()["models_dev_offers"] if row.id != name]


def dates(catalogue: Catalogue) -> dict[str, str]:
    return {row.id: row.observed_at[:10] for row in catalogue.offers}


def test_a_repeated_build_changes_nothing() -> None:
    first = built("01")
    second = built("01", first)
    assert second == first
    assert diff_catalogues(previous_build(first), second) == ()


def test_unchanged_terms_keep_the_date_on_which_they_were_first_seen() -> None:
    assert dates(built("02", built("01")))["openai/gpt-4o"] == "2026-09-01"


def test_a_changed_price_is_dated_anew_and_the_old_one_is_kept() -> None:
    dearer = [*without("mystery"), offer("shop", "mystery", open_weights=False, price=price(7))]
    second = built("02", built("01"), models_dev_offers=dearer)
    assert dates(second)["shop/mystery"] == "2026-09-02"
    (row,) = second.price_history
    assert (row["offer"], row["price"], row["observed_at"][:10], row["until"][:10]) == (
        "shop/mystery",
        None,
        "2026-09-01",
        "2026-09-02",
    )
    assert built("03", second, models_dev_offers=dearer).price_history == second.price_history


def test_an_offer_that_upstream_removed_leaves_a_tombstone_that_stays() -> None:
    second = built("02", built("01"), models_dev_offers=without("mystery"))
    (grave,) = second.tombstones
    assert (grave.record, grave.last_seen[:10]) == ("offer:shop/mystery", "2026-09-01")
    assert built("03", second, models_dev_offers=without("mystery")).tombstones == second.tombstones


def test_an_offer_that_comes_back_has_no_tombstone() -> None:
    second = built("02", built("01"), models_dev_offers=without("mystery"))
    assert built("03", second).tombstones == ()


def test_the_difference_names_record_field_and_both_values() -> None:
    first = built("01")
    dearer = [*without("mystery"), offer("shop", "mystery", open_weights=False, price=price(7))]
    changes = diff_catalogues(previous_build(first), built("02", first, models_dev_offers=dearer))
    assert {(c.record, c.change, c.field) for c in changes} == {
        ("offer:shop/mystery", "changed", "price.input"),
        ("offer:shop/mystery", "changed", "price.output"),
        ("offer:shop/mystery", "changed", "price.tiers"),
        ("offer:shop/mystery", "changed", "price"),
    } or all(c.record == "offer:shop/mystery" for c in changes)
    assert (None, 7.0) in {(c.before, c.after) for c in changes if c.field == "price.input"}


def test_additions_and_removals_are_whole_records() -> None:
    first = built("01")
    second = built("02", first, models_dev_offers=without("mystery"))
    removed = diff_catalogues(previous_build(first), second)
    added = diff_catalogues(previous_build(second), first)
    assert [(c.record, c.change) for c in removed] == [("offer:shop/mystery", "removed")]
    assert [(c.record, c.change) for c in added] == [("offer:shop/mystery", "added")]
