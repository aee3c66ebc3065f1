"""The router's usage becomes a table of the catalogue."""

import dagster as dg
import pytest

from assets.router import router_usage
from assets.shared import Build
from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.usage import Record, UsageStore
from modelscan_catalog.router.usage_table import RouterUsage, read_usage
from modelscan_catalog.tables import DataDirectory


def fill(path):
    store = UsageStore(path, wall=lambda: 7300.0)
    for key, client in (("k1", "c1"), ("k2", "c2")):
        store.record(Record("lab/m", "p/m", key, "simple", client, "ok", 0.1, 0.2, 10, 4, 5, 0.5))
    store.record(Record("lab/m", "p/m", "k1", "simple", "c1", "timeout", None, 9.0, None, 0, None, None))
    store.record(
        Record("lab/n", "p/n", "k1", "simple", "c1", "ok", 0.1, 0.2, 10, 4, 5, 0.5, "shadow", "lab/m")
    )
    store.close()


def test_given_usage_when_read_then_keys_and_clients_are_summed_up(tmp_path):
    fill(tmp_path / "usage.sqlite")
    assert read_usage(tmp_path / "none.sqlite") == []
    ok, timeout, shadow = read_usage(tmp_path / "usage.sqlite")
    assert (ok.hour_utc, ok.calls, ok.prompt_tokens, ok.cached_tokens, ok.cost_usd) == (7200, 2, 20, 8, 1.0)
    assert (timeout.outcome, timeout.calls_without_tokens, timeout.calls_without_cost) == ("timeout", 1, 1)
    assert (ok.arm, shadow.arm, shadow.model) == ("primary", "shadow", "lab/n")


def test_given_another_file_when_read_then_it_is_told(tmp_path):
    path = tmp_path / "usage.sqlite"
    path.write_bytes(b"something else" * 50)
    with pytest.raises(SettingsError, match="not the usage of a router"):
        read_usage(path)


def test_given_a_router_that_ran_when_materialized_then_its_usage_is_a_parquet_table(tmp_path, monkeypatch):
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))
    fill(tmp_path / "router" / "usage.sqlite")
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([router_usage], resources={"build": Build()}, instance=instance)
    assert result.success
    rows = DataDirectory(tmp_path).read("router", "usage", RouterUsage)
    assert [row.calls for row in rows] == [2, 1, 1]
