"""Claims about search: bounds hold, names win, nothing breaks on odd text."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.registry import Registry
from modelscan_catalog.registry.files import RegistryFiles
from modelscan_catalog.registry.query import MOST_CHARACTERS, MOST_WORDS, parse_query
from modelscan_catalog.registry.search import SearchIndex, cheapest_prices


@pytest.fixture
def index(published: Path) -> SearchIndex:
    return SearchIndex.of(RegistryFiles(published))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("qwen3 8b", "alibaba/qwen3-8b"),
        ("deepsek r1", "deepseek/deepseek-r1"),
        ("mistral large", "mistral/mistral-large-2512"),
        ("code generation", "alibaba/qwen2.5-coder-7b-instruct"),
        ("transcription", "openai/whisper-large-v3"),
        ("qwen 2.5 vl", "alibaba/qwen2.5-vl-7b-instruct"),
        ("gpt4o", "openai/gpt-4o"),
        ("qwen 3 8b", "alibaba/qwen3-8b"),
        ("read and transcribe two German documents", "openai/whisper-large-v3"),
    ],
)
def test_the_model_that_is_meant_comes_first(index: SearchIndex, text: str, first: str) -> None:
    assert index.search(text)[0].model == first


def test_bounds_and_capabilities_hold_for_every_hit(index: SearchIndex) -> None:
    hits = index.search("vision under 24 GB")
    assert hits
    assert all(hit.min_vram_gib is not None and hit.min_vram_gib <= 24 for hit in hits)
    assert all("vision" in hit.tags for hit in hits)


def test_cheap_sorts_by_price_and_leaves_out_what_nobody_sells(index: SearchIndex) -> None:
    prices = [hit.usd_per_mtok for hit in index.search("cheap tools")]
    assert prices == sorted(price for price in prices if price is not None)


def test_nothing_is_found_for_words_that_resemble_no_name(index: SearchIndex) -> None:
    assert index.search("zzzzqqqq") == ()


def test_a_query_is_read_as_facts_and_names() -> None:
    query = parse_query("reasoning qwen model under 24 GB, at least 128k context, under 10b")
    assert query.words == ("qwen",)
    assert (query.most_memory_gib, query.least_context, query.most_parameters) == (24.0, 128_000, 1e10)
    assert [wish["tag"] for wish in query.wishes] == ["reasoning"]


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("under 3b parameters", {"most_parameters": 3e9}),
        ("context over 500k tokens", {"least_context": 500_000}),
        ("context length of at least 1m", {"least_context": 10**6}),
    ],
)
def test_a_bound_alone_is_a_query(text: str, bound: dict[str, float]) -> None:
    query = parse_query(text)
    assert query.words == ()
    assert query.asks_for_facts
    assert {name: getattr(query, name) for name in bound} == bound


def test_facts_that_no_model_has_find_nothing_that_is_merely_spelled_alike(index: SearchIndex) -> None:
    assert index.search("vision model that runs on 1 GB") == ()


def test_a_maker_comes_before_one_who_uploads_its_weights_again() -> None:
    facts = {"parameters": {}, "tags": []}
    models = [
        {"id": "again/bge-m3", "name": "bge m3", "lab": "again", **facts},
        {"id": "maker/bge-m3", "name": "bge m3", "lab": "maker", **facts},
        {"id": "maker/other", "name": "other", "lab": "maker", "offers": 9, **facts},
    ]
    downloads = [{"id": "again/bge-m3", "model": "again/bge-m3", "downloads": 3}]
    assert SearchIndex(models, downloads, {}).search("bge m3")[0].model == "maker/bge-m3"


@given(st.text(max_size=2 * MOST_CHARACTERS))
def test_any_text_is_a_query(text: str) -> None:
    query = parse_query(text)
    assert len("".join(query.words)) <= 4 * MOST_CHARACTERS


def test_a_long_query_costs_no_more_than_its_first_words(
    index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    meanings = index._meanings

    def counted(word: str) -> Mapping[str, float]:
        looked_up.append(word)
        return meanings(word)

    monkeypatch.setattr(index, "_meanings", counted)
    index.search("l a q w " * 75)
    assert len(looked_up) == len(set(looked_up)) <= 2 * 4, "each word and each pair once"
    looked_up.clear()
    index.search(" ".join(f"word{number}" for number in range(40)))
    assert len(set(looked_up)) <= 2 * MOST_WORDS
    assert index.search("qwen3 8b qwen3 8b") == index.search("qwen3 8b")


def test_a_free_offer_does_not_hide_the_cheapest_price() -> None:
    offers = [
        {"model": "a/b", "price": {"input": 0, "output": 0}},
        {"model": "a/b", "price": {"input": 1, "output": 5}},
        {"model": "a/b", "price": {"input": 1, "output": 1}, "status": "deprecated"},
        {"model": "a/c", "price": {"input": 0, "output": 0}},
        {"model": None, "price": {"input": 0, "output": 0}},
        {"model": "a/d", "price": {"input": 2}},
    ]
    assert cheapest_prices(offers) == {"a/b": 2.0, "a/c": 0.0}


def test_search_through_the_registry_is_the_same(published: Path) -> None:
    assert Registry(published).search("qwen3 8b", 1)[0].model == "alibaba/qwen3-8b"
