"""Chains and refiners: what the rules admit, what a chain must not lose, and a user's own orders."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from router_serving import configuration

from modelscan_catalog.cli.router import router
from modelscan_catalog.errors import SettingsError
from modelscan_catalog.records import Capabilities, Limits, Modalities, Model
from modelscan_catalog.router.chains import (
    ChainsFile,
    chain_rules,
    computed_chains,
    lint_chains,
    read_chains,
    with_chains,
)
from modelscan_catalog.router.config import RouterModel, Target, config_bytes, read_config
from modelscan_catalog.router.emit import ROUTER_DATA
from modelscan_catalog.router.lint import lint_router
from modelscan_catalog.router.table import RouteTable
from modelscan_catalog.settings import REPOSITORY_ROOT

ABLE = {"tool_call": True, "reasoning": True}
SEEDS = ROUTER_DATA / "examples" / "seed_orders.json"


def model(name, *, context=300_000, sellers=5, price=1.0, reads=("text",), released="2026-06-01", **changes):
    lab = name.partition("/")[0]
    capabilities = Capabilities(**{**ABLE, **changes.pop("capabilities", {})})
    routed = RouterModel(
        id=name,
        context=context,
        input=reads,
        output=("text",),
        deprecated=changes.get("status") == "deprecated",
        targets=tuple(
            Target(provider=f"s{number}", model=name, input_price=price, output_price=price)
            for number in range(sellers)
        ),
    )
    record = Model(
        id=name,
        name=name,
        lab=lab,
        capabilities=capabilities,
        modalities=Modalities(input=reads, output=("text",)),
        limits=Limits(context=context),
        release_date=released,
        offers=sellers,
        deployments=0,
        **changes,
    )
    return routed, record


def chains(*models):
    return computed_chains([routed for routed, _ in models], [record for _, record in models])


GOOD = [model(f"{lab}/m") for lab in "abc"]


def test_given_three_able_models_when_computed_then_each_class_has_a_chain_of_three_labs():
    found, refiners = chains(*GOOD)
    assert found["technical"] == ("a/m", "b/m", "c/m")
    assert set(found) == {"simple", "technical", "research"}
    assert refiners == ()


@pytest.mark.parametrize(
    "unfit",
    [
        {"context": 1000},
        {"sellers": 1},
        {"price": 500.0},
        {"released": "2020-01-01"},
        {"released": None},
        {"capabilities": {"tool_call": False}},
        {"capabilities": {"reasoning": None}},
        {"status": "deprecated"},
        {"status": "beta"},
    ],
)
def test_given_a_model_that_a_rule_excludes_when_computed_then_no_technical_chain_holds_it(unfit):
    assert "0/unfit" not in chains(*GOOD, model("0/unfit", **unfit))[0]["technical"]


def test_given_images_when_computed_then_only_models_that_read_them_stand_in_for_each_other():
    sees = [model(f"{lab}/sees", reads=("image", "text")) for lab in "xy"]
    assert chains(*GOOD, *sees)[0]["multimedia"] == ("x/sees", "y/sees")


def test_given_several_models_of_a_lab_when_computed_then_one_stands_for_the_lab():
    found, _ = chains(*GOOD, model("a/other", sellers=9))
    assert found["technical"] == ("a/other", "b/m", "c/m")


def test_given_a_first_model_that_nobody_can_stand_in_for_when_computed_then_the_next_begins_the_chain():
    found, _ = chains(*GOOD, model("z/huge", context=9_000_000, sellers=99))
    assert found["technical"] == ("a/m", "b/m", "c/m")


def test_given_models_that_think_first_when_computed_then_they_refine_nothing():
    quick = model("q/quick", capabilities={"reasoning": False}, price=0.1)
    unknown = model("u/unknown", capabilities={"reasoning": None}, price=0.1)
    assert chains(*GOOD, quick, unknown)[1] == ("q/quick",)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.integers(0, 3),
            st.sampled_from([40_000, 130_000, 300_000, 10**6]),
            st.sampled_from([("text",), ("image", "text"), ("image", "pdf", "text")]),
            st.integers(1, 9),
            st.floats(0.01, 20),
        ),
        max_size=12,
        unique_by=lambda one: one[:2],
    )
)
def test_given_any_catalogue_when_computed_then_its_chains_pass_the_linter(drawn):
    models = [
        model(f"{lab}/{number}", context=context, reads=reads, sellers=sellers, price=price)
        for lab, number, context, reads, sellers, price in drawn
    ]
    found, refiners = chains(*models)
    assert chains(*reversed(models)) == (found, refiners)
    urls = ["http://127.0.0.1:9/v1"] * 9
    routed = [json.loads(one.model_dump_json()) for one, _ in models]
    for one in routed:
        for target in one["targets"]:
            target["provider"] = target["provider"].replace("s", "p")
    config = configuration(urls, models=routed or None, chains=found, refiners=refiners)
    assert lint_router(config) == []


def test_given_the_committed_rules_when_read_then_every_choice_has_its_reason():
    rules = chain_rules()
    assert all(rule.reason for rule in (*rules.classes.values(), rules.refiners))
    assert set(rules.classes) == {"simple", "technical", "research", "multimedia"}


def three_models(**changes):
    urls = ["http://127.0.0.1:9/v1"]
    targets = [{"provider": "p0", "model": "x"}]
    small = {"id": "small", "context": 10, "input": ["text"], "targets": targets}
    large = {"id": "large", "context": 99, "input": ["text"], "targets": targets}
    gone = {"id": "gone", "context": 99, "input": ["text"], "deprecated": True, "targets": targets}
    return configuration(urls, models=[small, large, gone], **changes)


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        (["small", "large"], []),
        (["large", "small"], ["lossy_chain"]),
        (["small", "gone"], ["deprecated"]),
        (["small", "nobody"], ["unknown_model"]),
    ],
)
def test_given_orders_when_linted_then_what_they_lose_and_whom_they_miss_is_told(names, codes):
    faults = lint_chains(three_models(), ChainsFile(chains={"simple": names}))
    assert [fault.code for fault in faults] == codes
    if "unknown_model" not in codes:
        assert [fault.code for fault in lint_router(three_models(chains={"simple": names}))] == codes


def test_given_a_name_that_is_not_routed_when_linted_then_a_withdrawn_model_is_told_from_a_misspelt_one():
    statuses = {"small": None, "withdrawn": "deprecated", "unsold": None}
    orders = ChainsFile(chains={"simple": ("withdrawn", "unsold", "smal")})
    told = sorted(fault.message for fault in lint_chains(three_models(), orders, statuses))
    assert told == [
        "no model is called smal; near: small",
        "unsold has no seller that is routed",
        "withdrawn is deprecated: no seller that still offers it is routed",
    ]


def test_given_own_orders_when_laid_over_then_they_come_first_and_unknown_names_are_refused():
    config = with_chains(three_models(), ChainsFile(chains={"simple": ("large",)}), "mine.json")
    assert [one.id for one in RouteTable(config).class_chain("simple")] == ["large"]
    with pytest.raises(SettingsError, match=r"mine\.json: chain simple: no model is called other"):
        with_chains(three_models(), ChainsFile(chains={"simple": ("other",)}), "mine.json")


def test_given_a_chain_of_which_nothing_can_be_called_when_routed_then_all_models_are_weighed():
    models = [
        {"id": "far", "targets": [{"provider": "p1", "model": "x"}]},
        {"id": "near", "targets": [{"provider": "p0", "model": "x"}]},
    ]
    config = configuration(["http://127.0.0.1:9/v1"] * 2, models=models, chains={"simple": ["far"]})
    document = json.loads(config_bytes(config))
    document["routing"]["direct"]["providers"][1]["enabled"] = False
    config = type(config).model_validate(document)
    assert [one.id for one in RouteTable(config).class_chain("simple")] == ["near"]


@pytest.mark.parametrize("content", ["{", "[]", '{"chains": {"odd": []}}', '{"more": 1}'])
def test_given_a_file_that_holds_no_orders_when_read_then_it_is_named(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"mine\.json"):
        read_chains(path)


def test_given_the_example_of_fixed_names_when_checked_against_the_catalogue_then_what_is_gone_is_told(
    tmp_path,
):
    published = REPOSITORY_ROOT / "registry" / "published" / "router.json"
    asked = ["--check", "--config", str(published), "--config-dir", str(tmp_path), "--chains", str(SEEDS)]
    result = CliRunner().invoke(router, asked)
    assert result.exit_code == 1
    assert "openai/gpt-3.5-turbo is deprecated" in result.output
    assert "anthropic/claude-3-5-sonnet-20241022 is deprecated: no seller" in result.output


def test_given_the_published_configuration_when_checked_then_it_has_no_error(tmp_path):
    published = REPOSITORY_ROOT / "registry" / "published" / "router.json"
    assert [fault for fault in lint_router(read_config(published)) if fault.severity == "error"] == []
    result = CliRunner().invoke(
        router, ["--check", "--config", str(published), "--config-dir", str(tmp_path)]
    )
    assert (result.exit_code, result.output.endswith("0 errors, 0 warnings\n")) == (0, True)
