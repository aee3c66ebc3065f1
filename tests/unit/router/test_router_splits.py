"""Splits beside router.json: the file, what the linter says, and which arm a request goes to."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_serving import configuration

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.answers import RouterError
from modelscan_catalog.router.classify import Classification
from modelscan_catalog.router.config import changed, config_bytes
from modelscan_catalog.router.decide import decide
from modelscan_catalog.router.lint import lint_router
from modelscan_catalog.router.overlays import read_overlaid
from modelscan_catalog.router.splits import (
    SPLITS_FILE,
    Canary,
    Split,
    read_splits,
    set_splits,
    split_of,
    write_splits,
)
from modelscan_catalog.router.splitting import split_decision
from modelscan_catalog.router.table import Needs, RouteTable

FOUND = Classification("simple", ())


def models(**new):
    return [
        {"id": "old", "context": 1000, "input": ["text"], "targets": [{"provider": "p0", "model": "old"}]},
        {
            "id": "new",
            "context": 500,
            "input": ["text"],
            "targets": [{"provider": "p1", "model": "new"}],
            **new,
        },
    ]


def table_with(split, **new):
    urls = ["http://127.0.0.1:9/v1", "http://127.0.0.1:10/v1"]
    return RouteTable(configuration(urls, models=models(**new), splits={"old": split}))


def arm_of(table, name="old", **needs):
    asked = Needs(**needs)
    decision = split_decision(table, name, decide(table, name, asked, FOUND), asked)
    return "canary" if decision.canary else "primary", decision


def test_given_splits_when_written_then_they_are_read_back_and_a_folder_names_its_file(tmp_path):
    split = split_of(canary=("new", 0.1), shadow=("p1/new", 0.02))
    write_splits(tmp_path, {"old": split})
    assert read_splits(tmp_path / SPLITS_FILE) == {"old": split}
    set_splits(tmp_path, {"other": split})
    set_splits(tmp_path, {"old": None})
    assert read_splits(tmp_path) == {"other": split}


@pytest.mark.parametrize(
    ("arms", "told"),
    [
        ({"shadow": ("new", 0.2)}, "shadow.share|share"),
        ({"canary": ("new", 0.0)}, "share"),
        ({"canary": ("new", 1.5)}, "share"),
        ({"canary": ("", 0.5)}, "model"),
    ],
)
def test_given_a_share_out_of_bounds_when_made_then_the_field_is_told(arms, told):
    with pytest.raises(SettingsError, match=told):
        split_of(**arms)


def test_given_a_damaged_file_when_laid_over_then_it_is_named_and_nothing_is_overwritten(tmp_path):
    path = tmp_path / "router.json"
    path.write_bytes(config_bytes(configuration(["http://127.0.0.1:9/v1"])))
    (tmp_path / SPLITS_FILE).write_text('{"splits": {"old": {"canary": {"model": "x", "share": 7}}}}')
    with pytest.raises(SettingsError, match=r"splits\.json: splits\.old\.canary\.share"):
        read_overlaid(path, tmp_path)
    with pytest.raises(SettingsError):
        set_splits(tmp_path, {"old": None})
    assert "7" in (tmp_path / SPLITS_FILE).read_text()


def test_given_a_split_in_both_files_when_laid_over_then_the_folder_has_the_last_word(tmp_path):
    path = tmp_path / "router.json"
    urls = ["http://127.0.0.1:9/v1"] * 2
    config = configuration(urls, models=models(), splits={"old": {"canary": {"model": "new", "share": 0.5}}})
    path.write_bytes(config_bytes(config))
    assert read_overlaid(path, tmp_path).splits == config.splits
    write_splits(tmp_path, {"old": Split()})
    assert RouteTable(read_overlaid(path, tmp_path)).splits == {}


def test_given_a_split_when_sessions_come_then_its_share_of_them_goes_to_the_canary_and_stays_there():
    table = table_with({"canary": {"model": "new", "share": 0.2}})
    first = [arm_of(table, session=f"s{n}")[0] for n in range(2000)]
    assert first == [arm_of(table, session=f"s{n}")[0] for n in range(2000)]
    assert 330 < first.count("canary") < 470


@given(st.text(min_size=1), st.floats(0.01, 0.99))
def test_given_a_session_in_a_canary_when_the_share_grows_then_it_stays_in(session, share):
    small = arm_of(table_with({"canary": {"model": "new", "share": share}}), session=session)[0]
    large = arm_of(table_with({"canary": {"model": "new", "share": 1.0}}), session=session)[0]
    assert (small, large) in {("canary", "canary"), ("primary", "canary")}


def test_given_a_canary_when_it_answers_then_the_primary_stands_by():
    _, decision = arm_of(table_with({"canary": {"model": "new", "share": 1}}))
    assert [route.name for route in decision.routes] == ["p1/new", "p0/old"]
    assert decision.split == "old"


@pytest.mark.parametrize(
    ("needs", "new"),
    [
        ({"text_bytes": 3000}, {}),
        ({"modalities": frozenset({"image"})}, {}),
        ({"max_cost_usd": 0.5}, {}),
    ],
)
def test_given_a_request_that_the_canary_cannot_take_when_split_then_the_primary_answers(needs, new):
    table = table_with({"canary": {"model": "new", "share": 1}}, **new)
    if "modalities" in needs or "max_cost_usd" in needs:
        config = table.config
        old = changed(
            config.models[0],
            input=("text", "image"),
            targets=(changed(config.models[0].targets[0], input_price=0, output_price=0),),
        )
        table = RouteTable(changed(config, models=(old, config.models[1])))
    assert arm_of(table, **needs)[0] == "primary"


def test_given_a_canary_that_rests_after_failures_when_split_then_the_primary_answers():
    table = table_with({"canary": {"model": "new", "share": 1}})
    for _ in range(table.config.policy.failures_before_cooldown):
        table.state.health.failed(table.state.health.of("p1/new"), table.config.policy)
    assert arm_of(table)[0] == "primary"


def test_given_a_request_that_names_its_seller_when_split_then_it_is_left_alone():
    arm, decision = arm_of(table_with({"canary": {"model": "new", "share": 1}}), "p0/old")
    assert (arm, decision.split) == ("primary", "")


def test_given_a_model_that_was_taken_over_when_its_successor_is_split_then_it_takes_part():
    splits = {
        "oldest": {"canary": {"model": "old", "share": 1}},
        "old": {"canary": {"model": "new", "share": 1}},
    }
    table = chained(splits)
    for name in ("oldest", "old"):
        arm, decision = arm_of(table, name)
        assert (arm, decision.split, decision.routes[0].model.id) == ("canary", "old", "new")
    assert [route.model.id for route in arm_of(table, "oldest")[1].routes][-1] == "oldest"


def test_given_a_model_that_was_taken_over_when_its_successor_is_not_split_then_that_answers():
    arm, decision = arm_of(chained({"oldest": {"canary": {"model": "old", "share": 1}}}), "oldest")
    assert (arm, decision.split, decision.routes[0].model.id) == ("canary", "oldest", "old")


def test_given_two_models_that_lead_to_each_other_when_asked_then_somebody_answers():
    splits = {
        "oldest": {"canary": {"model": "old", "share": 1}},
        "old": {"canary": {"model": "oldest", "share": 1}},
    }
    for name in ("oldest", "old"):
        assert arm_of(chained(splits), name)[1].routes


def chained(splits):
    urls = [f"http://127.0.0.1:{port}/v1" for port in (9, 10, 11)]
    oldest = {"id": "oldest", "targets": [{"provider": "p2", "model": "oldest"}]}
    return RouteTable(configuration(urls, models=[*models(), oldest], splits=splits))


def test_given_a_request_for_the_model_itself_when_split_then_it_is_left_alone():
    arm, decision = arm_of(table_with({"canary": {"model": "new", "share": 1}}), exact=True)
    assert (arm, decision.split) == ("primary", "")


def test_given_a_request_for_the_model_itself_when_it_has_fallbacks_then_none_is_tried():
    old, new = models()
    urls = ["http://127.0.0.1:9/v1", "http://127.0.0.1:10/v1"]
    table = RouteTable(
        configuration(urls, models=[old | {"fallbacks": ["new"], "lossy_fallbacks": ["new"]}, new])
    )
    for exact, tried in ((False, ["old", "new"]), (True, ["old"])):
        found = decide(table, "old", Needs(exact=exact), FOUND)
        assert [route.model.id for route in found.routes] == tried


def test_given_a_model_that_left_after_it_was_taken_over_when_asked_for_then_its_successor_answers():
    taken = {
        "lab/first": {"canary": {"model": "lab/second", "share": 1}},
        "lab/second": {"canary": {"model": "old", "share": 1}},
        "old": {"canary": {"model": "new", "share": 0.999}},
    }
    urls = ["http://127.0.0.1:9/v1", "http://127.0.0.1:10/v1"]
    table = RouteTable(configuration(urls, models=models(), splits=taken), draw=Random(1))
    for name in ("lab/first", "first", "lab/second"):
        arm, decision = arm_of(table, name)
        assert {route.model.id for route in decision.routes} == {"old", "new"}
        assert (arm, decision.split) == ("canary", "old"), "it takes part in the successor's own trial"
        assert any("had taken over" in reason for reason in decision.reasons)
    assert table.idle_splits == {}
    with pytest.raises(RouterError) as refused:
        arm_of(table, "lab/first", exact=True)
    assert refused.value.status == 404


@pytest.mark.parametrize(
    "splits",
    [
        {"gone": {"canary": {"model": "new", "share": 0.5}}},
        {"gone": {"shadow": {"model": "new", "share": 0.01}}},
        {"gone": {"canary": {"model": "gone", "share": 1}}},
        {
            "gone": {"canary": {"model": "also", "share": 1}},
            "also": {"canary": {"model": "gone", "share": 1}},
        },
    ],
)
def test_given_a_model_that_left_before_anybody_took_over_when_asked_for_then_it_is_not_found(splits):
    table = RouteTable(configuration(["http://127.0.0.1:9/v1"] * 2, models=models(), splits=splits))
    with pytest.raises(RouterError) as refused:
        arm_of(table, "gone")
    assert refused.value.status == 404
    assert "gone" in table.idle_splits


def test_given_a_split_to_a_model_that_is_gone_when_served_then_it_is_idle_and_told():
    table = table_with({"canary": {"model": "gone", "share": 1}})
    assert arm_of(table)[1].split == ""
    assert "gone" in table.idle_splits["old"]


@pytest.mark.parametrize(
    ("split", "new", "codes"),
    [
        ({"canary": {"model": "new", "share": 0.1}}, {"context": 1000}, []),
        ({"canary": {"model": "new", "share": 0.1}}, {}, [("warning", "lossy_canary")]),
        ({"shadow": {"model": "new", "share": 0.01}}, {}, []),
        ({"shadow": {"model": "new", "share": 0.01}}, {"deprecated": True}, [("error", "deprecated")]),
        ({"canary": {"model": "none", "share": 0.1}}, {}, [("error", "unknown_model")]),
    ],
)
def test_given_a_split_when_linted_then_what_it_would_lose_is_told(split, new, codes):
    faults = lint_router(table_with(split, **new).config)
    assert [(fault.severity, fault.code) for fault in faults] == codes


def test_given_splits_in_router_json_when_written_then_they_survive_the_round_trip():
    config = table_with({"canary": {"model": "new", "share": 0.25}}).config
    assert json.loads(config_bytes(config))["splits"] == {"old": {"canary": {"model": "new", "share": 0.25}}}
    assert config.splits["old"].canary == Canary(model="new", share=0.25)
