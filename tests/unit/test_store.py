"""The store: round trips, stable bytes, nothing half-written."""

import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog import store
from modelscan_catalog.errors import PublishError, RecordError
from modelscan_catalog.records import Conflict, Deployment, Offer, Price, PriceTier

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def an_offer(name: str = "m", **fields: object) -> Offer:
    values = {"id": f"p/{name}", "provider": "p", "provider_model": name, "name": name} | fields
    return Offer.model_validate(values | {"observed_at": "2026-01-01T00:00:00+00:00"})


def test_nested_records_come_back_equal_from_parquet(tmp_path: Path) -> None:
    offers = [an_offer(), an_offer("n", price=Price(input=0.1, tiers=(PriceTier(above_context_tokens=9),)))]
    assert store.write_records(tmp_path / "offers.parquet", Offer, offers) == 2
    assert store.read_records(tmp_path / "offers.parquet", Offer) == offers


def test_mappings_of_text_come_back_equal_from_parquet(tmp_path: Path) -> None:
    row = Deployment(
        id="d", model="m", variant="v", source="gpustack", catalogue="huggingface", set_name="s", position=0,
        mode="standard", engine="vLLM", env={"B": "2", "A": "1"},
    )  # fmt: skip
    store.write_records(tmp_path / "d.parquet", Deployment, [row])
    assert store.read_records(tmp_path / "d.parquet", Deployment) == [row]


@given(chosen=json_values, other=json_values)
def test_any_json_value_survives_a_round_trip(
    tmp_path_factory: pytest.TempPathFactory, chosen: object, other: object
) -> None:
    path = tmp_path_factory.mktemp("json") / "c.parquet"
    row = Conflict.model_validate(
        {"record": "model:a/b", "field": "f", "chosen": chosen, "chosen_source": "gpustack", "other": other,
         "other_source": "models_dev", "rule": "r"}
    )  # fmt: skip
    store.write_records(path, Conflict, [row])
    assert store.read_records(path, Conflict) == [row]


def test_an_all_null_column_keeps_its_type(tmp_path: Path) -> None:
    store.write_records(tmp_path / "o.parquet", Offer, [an_offer()])
    assert pq.read_schema(tmp_path / "o.parquet").equals(store.arrow_schema(Offer))


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        store.write_records(tmp_path / name, Offer, [an_offer(str(i)) for i in range(50)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    store.write_bytes(path, b"old")
    with pytest.raises(RuntimeError), store.replaced_file(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_table_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "o.parquet").write_bytes(b"not parquet")
    with pytest.raises(RecordError, match=r"o\.parquet.*Offer"):
        store.read_records(tmp_path / "o.parquet", Offer)


def test_a_bad_json_line_is_named_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"a":1}\n{oops\n')
    with pytest.raises(RecordError, match=r"x\.jsonl:2"):
        store.read_jsonl(tmp_path / "x.jsonl")


def test_json_keys_are_sorted_and_nan_is_refused() -> None:
    assert store.json_bytes({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.json_bytes(float("nan"))


def test_publishing_replaces_the_whole_tree(tmp_path: Path) -> None:
    published, staged = tmp_path / "published", tmp_path / "next"
    store.write_bytes(published / "old.json", b"1")
    store.write_bytes(staged / "new.json", b"2")
    store.publish_directory(staged, published)
    assert [path.name for path in published.iterdir()] == ["new.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published"]


def test_a_reader_never_finds_the_registry_missing_while_it_is_swapped(tmp_path: Path) -> None:
    published = tmp_path / "published"
    store.write_bytes(published / "index.json", b"0")
    missing: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                (published / "index.json").read_bytes()
            except FileNotFoundError:
                missing.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        store.write_bytes(tmp_path / "next" / "index.json", str(number).encode())
        store.publish_directory(tmp_path / "next", published)
    done.set()
    reader.join()
    assert not missing
    assert (published / "index.json").read_bytes() == b"199"


def test_publishing_nothing_keeps_the_old_registry(tmp_path: Path) -> None:
    published = tmp_path / "published"
    store.write_bytes(published / "index.json", b"0")
    with pytest.raises(PublishError, match="old registry is kept"):
        store.publish_directory(tmp_path / "absent", published)
    assert (published / "index.json").read_bytes() == b"0"
