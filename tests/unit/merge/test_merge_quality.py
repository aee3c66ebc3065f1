"""Quality of the crosswalk: measured on pairs it was not taught, in a fresh clone."""

from pathlib import Path

import pytest
from merge_rows import lab_model, offer, provider

from modelscan_catalog.errors import RecordError
from modelscan_catalog.merge.labelled_pairs import LabelledPair, learn_owner_aliases, read_pairs, stated_twins
from modelscan_catalog.merge.quality import crosswalk_quality, kind_of, offer_quality
from modelscan_catalog.merge.tables import load_tables, read_table


def test_on_pairs_never_taught_the_rules_are_precise_and_find_most() -> None:
    quality = crosswalk_quality({}, {})
    assert quality["pairs"] > 250
    assert quality["precision"] >= 0.99
    assert quality["recall"] >= 0.95


def test_where_the_twin_is_absent_hardly_anything_is_linked_instead() -> None:
    without = crosswalk_quality({}, {})["without_twin"]
    assert without["linked"] <= 0.01 * without["asked"]


def test_both_halves_are_large_and_the_split_ignores_the_order_of_pairs() -> None:
    held = [pair.held_out for pair in read_pairs()]
    assert 0.4 < sum(held) / len(held) < 0.6


def test_nothing_is_learned_from_the_held_out_half() -> None:
    pairs = tuple(
        pair
        for n in range(200)
        if (pair := LabelledPair(f"Mirror/M{n}-7B", f"Real/M{n}-7B", "test")).held_out
    )
    quality = crosswalk_quality({}, {}, pairs=pairs)
    assert quality["learned_aliases"] == 0
    assert quality["taught_pairs"] == 0
    assert quality["pairs"] == len(pairs)


def test_pairs_of_another_file_are_measured_with_all_that_is_known(tmp_path: Path) -> None:
    table = tmp_path / "more.tsv"
    table.write_text(
        "modelscope_id\thuggingface_id\tsource\n"
        "ZhipuAI/GLM-99\tzai-org/GLM-99\ttest\n"
        "iic/nothing\t\ttest\n"
        "\tlost/one\ttest\n"
    )
    quality = crosswalk_quality({}, {}, asked=read_pairs(table))
    assert (quality["pairs"], quality["right"], quality["precision"]) == (1, 1, 1.0)


def test_a_file_that_is_no_table_of_pairs_is_an_error_that_names_it(tmp_path: Path) -> None:
    table = tmp_path / "other.tsv"
    table.write_text("a\tb\n1\t2\n")
    with pytest.raises(RecordError, match=r"other\.tsv"):
        read_pairs(table)


def test_a_wrong_link_is_counted_and_named() -> None:
    pairs = [pair for n in range(20) if (pair := LabelledPair(f"A/M{n}-7B", f"B/other{n}", "test")).held_out]
    named = {pair.modelscope: None for pair in pairs}
    quality = crosswalk_quality(named, {}, pairs=pairs)
    assert quality["precision"] == 0.0
    assert quality["wrong"] == len(pairs)
    assert quality["errors"][0].startswith("wrong A/M")


def test_with_no_pairs_nothing_is_divided() -> None:
    quality = crosswalk_quality({}, {}, pairs=())
    assert (quality["precision"], quality["recall"]) == (None, None)


def test_a_pair_in_doubt_teaches_nothing() -> None:
    doubtful = LabelledPair("A/M-7B", "B/M-7B", "test", doubt="a base model beside a tuned one")
    assert learn_owner_aliases([doubtful], load_tables()) == ()
    assert stated_twins([doubtful]) == {}


def test_a_repository_paired_with_two_others_is_no_stated_twin() -> None:
    pairs = [
        LabelledPair("A/M", "B/M", "one"),
        LabelledPair("A/M", "C/M", "two"),
        LabelledPair("A/N", "B/N", "one"),
    ]
    assert stated_twins(pairs) == {"A/N": ("B/N", "one")}


def test_the_committed_aliases_are_what_the_committed_pairs_teach() -> None:
    learned = learn_owner_aliases(read_pairs(), load_tables())
    committed = read_table("owner_aliases.json")["aliases"]
    assert [(a.modelscope, a.huggingface, a.pairs, list(a.evidence)) for a in learned] == [
        (row["modelscope"], row["huggingface"], row["pairs"], row["evidence"]) for row in committed
    ]


def test_pairs_are_told_apart_by_how_their_ids_differ() -> None:
    kinds = [("a/M", "a/M"), ("a/M", "A/m"), ("a/M", "b/M"), ("a/M", "b/N")]
    assert [kind_of(LabelledPair(one, other, "")) for one, other in kinds] == [
        "same_id",
        "other_case",
        "other_owner",
        "other_name",
    ]


def test_offers_are_measured_against_the_canonical_ids_that_were_hidden() -> None:
    staged = {
        "models_dev_providers": [provider("shop")],
        "models_dev_lab_models": [lab_model(f"openai/gpt-{n}") for n in range(40)],
        "models_dev_offers": [
            offer("shop", f"openai/gpt-{n}", canonical_model_id=f"openai/gpt-{n if n % 10 else 1}")
            for n in range(40)
        ],
    }
    quality = offer_quality(staged)
    assert 10 < quality["pairs"] < 30
    assert quality["missed"] == 0
    assert quality["wrong"] == len(quality["errors"])
    assert quality["right"] + quality["wrong"] == quality["pairs"]
