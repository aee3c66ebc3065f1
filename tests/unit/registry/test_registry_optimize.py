"""The cheapest mix is the one that trying out every mix finds, and holds every limit."""

import itertools
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.cli.optimize import optimize
from modelscan_catalog.errors import ModelScanError, SettingsError
from modelscan_catalog.registry.optimize import Option, Own, cheapest_mix, mix_of
from modelscan_catalog.registry.workload import read_workload, seen_by_router
from modelscan_catalog.router.chains import read_chains, with_chains
from modelscan_catalog.router.config import read_config
from modelscan_catalog.router.usage import Record, UsageStore
from modelscan_catalog.settings import REPOSITORY_ROOT

PUBLISHED = REPOSITORY_ROOT / "registry" / "published"
SMALL, LARGE = "alibaba/qwen3-8b", "alibaba/qwen3-32b"
OWNS = [Own("a", "x", 1, 10.0), Own("a", "x", 2, 18.0), Own("b", "x", 2, 20.0), Own("b", "y", 1, 9.0)]

sellers = st.builds(
    Option, st.sampled_from("ab"), st.just("seller"), st.integers(0, 60).map(lambda cents: cents / 2)
)
owned = st.builds(
    lambda own, replicas: Option(own.model, own.gpu, own=own, replicas=replicas),
    st.sampled_from(OWNS),
    st.integers(1, 25).map(lambda tenths: tenths / 10),
)
classes = st.lists(st.lists(sellers | owned, min_size=1, max_size=5), min_size=1, max_size=4)


def _by_trying_all(options: Sequence[Sequence[Option]], cards: dict[str, int]) -> float | None:
    found = [mix_of(chosen, cards) for chosen in itertools.product(*options)]
    return min((mix.usd_per_day for mix in found if mix is not None), default=None)


@given(classes, st.fixed_dictionaries({"x": st.integers(0, 6), "y": st.integers(0, 3)}))
def test_no_mix_is_cheaper_than_the_one_that_is_found(
    options: list[list[Option]], cards: dict[str, int]
) -> None:
    best = cheapest_mix(options, cards)
    least = _by_trying_all(options, cards)
    assert (None if best is None else best.usd_per_day) == pytest.approx(least)
    if best is not None:
        assert all(one in allowed for one, allowed in zip(best.options, options, strict=True))
        for gpu, count in cards.items():
            assert sum(own.cards * n for own, n in best.replicas.items() if own.gpu == gpu) <= count


def test_classes_share_a_replica_that_none_of_them_would_pay_for_alone() -> None:
    own = Own("a", "x", 1, 10.0)
    one = [Option("a", "seller", 6.0), Option("a", "x", own=own, replicas=0.4)]
    best = cheapest_mix([one, one], {"x": 1})
    assert best is not None
    assert (best.usd_per_day, best.replicas) == (10.0, {own: 1})
    alone = cheapest_mix([one], {"x": 1})
    assert alone is not None
    assert alone.usd_per_day == 6.0


def test_more_mixes_than_can_be_searched_are_refused() -> None:
    many = [Option("a", "x", own=Own("a", "x", size, 1.0), replicas=1) for size in range(1, 200)]
    with pytest.raises(ValueError, match="name fewer"):
        cheapest_mix([many] * 4, {"x": 8})


def _workload(folder: Path, **document: Any) -> Path:
    path = folder / "workload.yaml"
    path.write_text(json.dumps(document))
    return path


def _run(path: Path, *arguments: str) -> tuple[int, Any]:
    done = CliRunner().invoke(optimize, [str(path), "--registry", str(PUBLISHED), "--json", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def test_much_work_goes_to_own_cards_and_little_to_a_seller_and_the_router_takes_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))
    simple = {"models": [SMALL], "context": 8000}
    cards = [{"gpu": "h100-80gb", "count": 16, "usd_per_hour": 0.1}]
    orders = tmp_path / "chains.json"
    little = simple | {"input_mtok_per_day": 1, "output_mtok_per_day": 1}
    code, found = _run(_workload(tmp_path, classes={"simple": little}, cards=cards), "--chains", str(orders))
    assert code == 0
    assert found["mix"]["deployments"] == []
    assert found["mix"]["usd_per_day"] == found["usd_per_day_at_sellers_alone"] < 1

    much = simple | {"input_mtok_per_day": 900, "output_mtok_per_day": 300}
    code, found = _run(_workload(tmp_path, classes={"simple": much}, cards=cards), "--chains", str(orders))
    [deployment] = found["mix"]["deployments"]
    assert (code, deployment["model"], deployment["usd_per_day"]) == (
        0,
        SMALL,
        pytest.approx(2.4 * deployment["replicas"] * deployment["cards"]),
    )
    assert 0 < deployment["busy_share"] <= 1
    assert found["usd_per_day_at_sellers_alone"] > found["mix"]["usd_per_day"]
    few = [cards[0] | {"count": 1}]
    _, without = _run(_workload(tmp_path, classes={"simple": much}, cards=few))
    assert without["mix"]["deployments"] == [], "one card is not enough for it"
    routed = with_chains(read_config(PUBLISHED / "router.json"), read_chains(orders), "chains")
    assert routed.chains["simple"][0] == SMALL


def test_requests_of_no_stated_length_are_usual_ones_and_the_command_to_deploy_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))
    load = {"models": [SMALL], "input_mtok_per_day": 900, "output_mtok_per_day": 300}
    cards = [{"gpu": "h100-80gb", "count": 16, "usd_per_hour": 0.1}]
    path = _workload(tmp_path, classes={"simple": load}, cards=cards)
    _, unstated = _run(path)
    _, stated = _run(_workload(tmp_path, classes={"simple": load | {"context": 8192}}, cards=cards))
    assert unstated["mix"] == stated["mix"], "at the full context hardly two requests run at once"
    _workload(tmp_path, classes={"simple": load}, cards=cards)
    shown = CliRunner().invoke(optimize, [str(path), "--registry", str(PUBLISHED)]).output
    assert f"modelscan deploy {SMALL} --gpu h100-80gb:1 --context 8192" in shown


def test_limits_that_nothing_is_known_to_hold_leave_no_mix_and_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))
    load = {"input_mtok_per_day": 1, "output_mtok_per_day": 1, "models": [SMALL]}
    code, found = _run(_workload(tmp_path, classes={"simple": load | {"max_first_token_s": 1e-6}}))
    assert (code, found["mix"], found["chains"]) == (1, None, None)
    assert any("not measured" in row["reason"] for row in found["refused"])
    code, found = _run(_workload(tmp_path, classes={"simple": load | {"min_quality": 0.9}}))
    assert (code, found["mix"]) == (1, None), "a quality that nobody measured is none"
    code, found = _run(_workload(tmp_path, classes={"simple": load | {"context": 10_000_000}}))
    assert any("its context is" in row["reason"] for row in found["refused"])


def test_a_routers_usage_gives_volumes_and_the_times_of_sellers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))
    routed = {model.id: model for model in read_config(PUBLISHED / "router.json").models}
    paid = next(t for t in routed[SMALL].targets if t.input_price)
    target = f"{paid.provider}/{paid.model}"
    path = tmp_path / "usage.sqlite"
    store = UsageStore(path)
    for _ in range(50):
        store.record(Record(SMALL, target, "k", "simple", "c", "ok", 0.2, 1.0, 20_000, 5_000, 10_000, 0.001))
    store.record(Record(SMALL, target, "k", "named", "c", "ok", 0.2, 1.0, 10, 0, 10, 0.001))
    store.close()
    seen = seen_by_router(path, 1)
    assert seen.loads["simple"] == pytest.approx((1.0, 0.5, 0.25))
    assert seen.other_classes == ("named",)
    load = {"models": [SMALL], "max_first_token_s": 0.5}
    _, found = _run(_workload(tmp_path, classes={"simple": load}), "--usage", str(path), "--days", "1")
    assert found["workload"]["classes"]["simple"]["input_mtok_per_day"] == pytest.approx(1.0)
    assert found["mix"]["classes"]["simple"]["where"] == target, "the others were never measured"


def test_a_router_that_began_yesterday_was_not_idle_the_days_before(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    store = UsageStore(path)
    for _ in range(10):
        store.record(Record(SMALL, "s/m", "k", "simple", "c", "ok", 0.2, 1.0, 100_000, 0, 10_000, 0.001))
    store.close()
    assert seen_by_router(path, 7).loads["simple"] == pytest.approx((1.0, 0.1, 0.0))
    with closing(sqlite3.connect(path)) as kept:
        kept.execute("UPDATE usage SET hour = hour - 2 * 86400")
        kept.commit()
    assert seen_by_router(path, 7).loads["simple"][0] == pytest.approx(0.5, rel=0.05)
    assert seen_by_router(path, 1).loads == {}


@pytest.mark.parametrize(
    ("cards", "says"),
    [
        ([{"gpu": "h100-80gb", "count": 1}, {"gpu": "H100 80GB", "count": 8}], "there twice"),
        ([{"gpu": "h100-80gb:4", "count": 2}], "h100-80gb:4"),
    ],
)
def test_cards_have_one_price_and_one_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cards: list[Any], says: str
) -> None:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))
    load = {"models": [SMALL], "output_mtok_per_day": 1}
    path = _workload(tmp_path, classes={"simple": load}, cards=cards)
    refused = CliRunner().invoke(optimize, [str(path), "--registry", str(PUBLISHED)])
    assert isinstance(refused.exception, ModelScanError)
    assert says in str(refused.exception)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"classes": {}}, "classes"),
        ({"classes": {"simple": {"models": ["a"]}}}, "no tokens a day"),
        ({"classes": {"simple": {"input_mtok_per_day": 1}}}, "name the models"),
        ({"classes": {"other": {"models": ["a"]}}}, "classes.other"),
        ({"classes": {"simple": {"input_mtok_per_day": -1, "models": ["a"]}}}, "input_mtok_per_day"),
        (
            {"classes": {"simple": {"models": ["a"], "input_mtok_per_day": 1}}, "cards": [{"gpu": "x"}]},
            "count",
        ),
        ([], "the document"),
    ],
)
def test_a_workload_that_cannot_be_used_names_the_field(tmp_path: Path, document: Any, says: str) -> None:
    path = tmp_path / "w.json"
    path.write_text(json.dumps(document))
    with pytest.raises(SettingsError, match=says):
        read_workload(path)


def test_a_file_that_is_no_usage_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no router has stored"):
        seen_by_router(tmp_path / "none.sqlite", 1)
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as other:
        other.execute("CREATE TABLE t (x)")
    with pytest.raises(SettingsError, match="not the usage of a router"):
        seen_by_router(tmp_path / "other.sqlite", 1)
