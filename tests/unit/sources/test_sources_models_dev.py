"""The models.dev reader: what it keeps, what it notes, and that nothing can break it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.records import PriceTier
from modelscan_catalog.sources.models_dev import LAB_MODELS, OFFERS, parse, prune, translate
from modelscan_catalog.sources.reading import RowLog
from modelscan_catalog.sources.staged import ModelsDevOffer

MODEL: dict[str, Any] = {
    "id": "lab/model:free",
    "name": "Model",
    "description": "prose",
    "attachment": False,
    "reasoning": True,
    "tool_call": True,
    "release_date": "2026-02",
    "last_updated": "2026-02-19",
    "modalities": {"input": ["text", "image"], "output": ["text"]},
    "open_weights": True,
    "limit": {"context": 1000, "output": 100},
}


def offer(**changes: Any) -> tuple[ModelsDevOffer, RowLog]:
    row = {key: value for key, value in (MODEL | changes).items() if value is not ...}
    log = RowLog("models_dev")
    provider = {"name": "P", "npm": "n", "doc": "d", "env": [], "models": {"lab/model:free": row}}
    tables = translate({OFFERS: {"p": provider}}, {}, log)
    (found,) = tables["offers"]
    assert isinstance(found, ModelsDevOffer)
    return found, log


def test_a_plain_row_is_kept_whole_and_nothing_is_noted() -> None:
    found, log = offer()
    assert (found.id, found.provider, found.release_date) == ("lab/model:free", "p", "2026-02")
    assert found.modalities.input == ("image", "text")
    assert (log.rejects, log.unknown_fields, log.malformed) == ([], {}, set())


@pytest.mark.parametrize("model_id", ["a/b", "a:b", "a@b", "~a/b:c@d", "A B"])
def test_ids_are_kept_in_the_seller_spelling(model_id: str) -> None:
    log = RowLog("models_dev")
    tables = translate({OFFERS: {"p": {"models": {model_id: MODEL}}}}, {}, log)
    assert [row.id for row in tables["offers"] if isinstance(row, ModelsDevOffer)] == [model_id]


@pytest.mark.parametrize(("written", "read"), [(2, 2.0), (0.25, 0.25), ("0.5", 0.5), (0, 0.0)])
def test_a_price_may_be_int_float_or_text(written: Any, read: float) -> None:
    found, log = offer(cost={"input": written, "output": 1})
    assert found.price is not None
    assert found.price.input == read
    assert log.rejects == []


@pytest.mark.parametrize("written", [-1, "free", True, [1], {"usd": 1}, float("nan"), float("inf"), "1e999"])
def test_an_unusable_price_becomes_null_with_a_reason(written: Any) -> None:
    found, log = offer(cost={"input": written, "output": 1})
    assert found.price is not None
    assert found.price.input is None
    (reject,) = log.rejects
    assert (reject.field, reject.whole_row) == ("cost.input", False)


def test_no_price_is_null_and_a_price_of_zero_is_zero() -> None:
    assert offer()[0].price is None
    assert offer(cost={})[0].price is None
    free = offer(cost={"input": 0, "output": 0})[0].price
    assert free is not None
    assert free.input == 0


def test_tiers_become_price_tiers() -> None:
    tier = {"input": 4, "output": 18, "tier": {"type": "context", "size": 272000}}
    found, _ = offer(cost={"input": 2, "tiers": [tier]})
    assert found.price is not None
    assert found.price.tiers == (PriceTier(above_context_tokens=272000, input=4, output=18),)


def test_the_older_over_200k_price_is_a_tier_only_where_no_tier_repeats_it() -> None:
    over = {"input": 4, "output": 18}
    alone, _ = offer(cost={"input": 2, "context_over_200k": over})
    assert alone.price is not None
    assert alone.price.tiers == (PriceTier(above_context_tokens=200_000, input=4, output=18),)
    tier = {**over, "tier": {"type": "context", "size": 272000}}
    both, _ = offer(cost={"input": 2, "tiers": [tier], "context_over_200k": over})
    assert both.price is not None
    assert [entry.above_context_tokens for entry in both.price.tiers] == [272000]


@pytest.mark.parametrize("field", ["context", "output"])
def test_a_limit_of_zero_is_unknown_and_no_fault_of_the_row(field: str) -> None:
    found, log = offer(limit={"context": 5, "output": 5} | {field: 0})
    assert getattr(found.limits, field) is None
    assert [reject.reason for reject in log.rejects] == ["zero stands for unknown"]
    assert (log.malformed, log.rows_rejected) == (set(), 0)


def test_output_above_context_is_kept_as_stated() -> None:
    limits = offer(limit={"context": 10, "output": 20})[0].limits
    assert (limits.context, limits.output) == (10, 20)


@pytest.mark.parametrize("interleaved", [True, {"field": "reasoning_content"}])
def test_interleaved_in_either_form_is_known(interleaved: Any) -> None:
    assert offer(interleaved=interleaved)[1].unknown_fields == {}


def test_a_new_upstream_key_is_counted() -> None:
    assert offer(colour="red")[1].unknown_fields == {"offers.colour": 1}


@pytest.mark.parametrize("date", ["2026-13", "2026-02-30", "soon", 2026, "26-01-01"])
def test_a_date_that_is_none_becomes_null(date: Any) -> None:
    found, log = offer(release_date=date)
    assert found.release_date is None
    assert [reject.field for reject in log.rejects] == ["release_date"]


def test_a_provider_without_a_models_object_loses_no_other_provider() -> None:
    log = RowLog("models_dev")
    good = {"name": "Q", "npm": "n", "doc": "d", "env": [], "models": {"m": MODEL}}
    tables = translate({OFFERS: {"p": {"name": "P", "models": None}, "q": good, "r": "x"}}, {}, log)
    assert (len(tables["providers"]), len(tables["offers"])) == (2, 1)
    assert log.rows_read == log.rows_kept + log.rows_rejected == 4


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b", "a/b", "", "x" * 101, "a\n", ".hidden", "é"])
def test_a_provider_whose_id_cannot_name_a_file_is_rejected_and_costs_no_other(name: str) -> None:
    sound = {"name": "S", "models": {}}
    log = RowLog("models_dev")
    tables = translate({OFFERS: {name: sound, "sound": sound}}, {}, log)
    assert [row.model_dump()["id"] for row in tables["providers"]] == ["sound"]
    assert "not an object under a usable id" in [reject.reason for reject in log.rejects]


def test_variables_in_a_base_url_are_kept() -> None:
    log = RowLog("models_dev")
    tables = translate({OFFERS: {"p": {"api": "https://x/${REGION}/v1", "models": {}}}}, {}, log)
    assert dict(tables["providers"][0])["api"] == "https://x/${REGION}/v1"


def test_pruned_documents_hold_no_prose_and_give_the_same_rows() -> None:
    lab = MODEL | {"weights": [{"label": "HF", "url": "https://huggingface.co/a/b"}]}
    parsed = {OFFERS: {"p": {"name": "P", "models": {"m": MODEL}}}, LAB_MODELS: {"lab/m": lab}}
    bodies = prune(parsed, {})
    assert "prose" not in json.dumps(bodies)
    assert translate(bodies, {}, RowLog("models_dev")) == translate(parsed, {}, RowLog("models_dev"))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html></html>", b'{"a":', b"[]", b"{}", b'{"a": 1}', b"\xff\xfe{]", b"[" * 100_000, b"1" * 9999],
)
def test_what_is_not_a_catalogue_is_refused(body: bytes) -> None:
    with pytest.raises(DocumentError, match=r"api\.json"):
        parse(OFFERS, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*MODEL, "cost", "tiers", "tier", "size", "type", "models", "provider", "input"])
            | st.text(max_size=4),
            inner,
            max_size=6,
        )
    ),
    max_leaves=40,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4), st.dictionaries(st.text(max_size=4), JSON))
def test_any_json_is_read_or_refused_and_no_row_is_lost(offers: Any, lab_models: Any) -> None:
    parsed = {}
    for name, value in ((OFFERS, offers), (LAB_MODELS, lab_models)):
        try:
            parsed[name] = parse(name, json.dumps(value).encode())
        except DocumentError:
            parsed[name] = {}
    log = RowLog("models_dev")
    tables = translate(parsed, {}, log)
    assert log.rows_read == log.rows_kept + log.rows_rejected
    assert log.rows_kept == sum(map(len, tables.values()))
    json.dumps([row.model_dump() for rows in tables.values() for row in rows]).encode()
    again = RowLog("models_dev")
    assert translate(prune(parsed, tables), {}, again) == tables


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        parse(OFFERS, body)
    except DocumentError as error:
        assert OFFERS in str(error)  # noqa: PT017
