"""Publishing's files: names, index, reading back, damage."""

from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import PublishError
from modelscan_catalog.merge.catalogue import Catalogue
from modelscan_catalog.publish import registry
from modelscan_catalog.publish.warehouse import build_warehouse
from modelscan_catalog.records import Model, Offer, Provider, SourceState
from modelscan_catalog.store import write_bytes

STATE = SourceState(
    source="models_dev", origin="snapshot", fetched_at="2026-09-30T00:00:00Z", documents=1, rows_read=2,
    rows_kept=2, rows_rejected=0,
)  # fmt: skip


def an_offer(identifier: str, price: float = 1.0) -> Offer:
    provider, _, model = identifier.partition("/")
    return Offer.model_validate(
        {"id": identifier, "provider": provider, "provider_model": model, "name": model, "model": "lab/m",
         "price": {"input": price}, "observed_at": "2026-09-30T00:00:00Z"}
    )  # fmt: skip


@pytest.fixture
def published(tmp_path: Path) -> Path:
    root = tmp_path / "published"
    writer = registry.RegistryWriter(root)
    tables: dict[str, list[object]] = {
        "models": [Model(id="lab/m", name="M", lab="lab")],
        "offers": [an_offer("a/m"), an_offer("b/m")],
        "providers": [Provider(id=name, name=name, api_type="openai-compatible") for name in "ab"],
        "variants": [],
    }
    for name, rows in tables.items():
        writer.table(name, rows)  # type: ignore[arg-type]
    writer.index([STATE], {name: len(rows) for name, rows in tables.items()}, {"fits": 1})
    return root


def test_offers_are_split_by_seller_and_come_back_whole(published: Path) -> None:
    assert sorted(path.name for path in (published / "offers").iterdir()) == ["a.jsonl", "b.jsonl"]
    assert registry.read_published(published, "offers") == [an_offer("a/m"), an_offer("b/m")]


def test_the_index_vouches_for_every_file(published: Path) -> None:
    assert registry.verify_published(published) == []
    write_bytes(published / "models.jsonl", b"{}\n")
    (published / "offers" / "a.jsonl").unlink()
    assert registry.verify_published(published) == [
        "models.jsonl: differs from the index",
        "offers/a.jsonl: is missing",
    ]


def test_a_half_written_index_is_refused_by_name(published: Path) -> None:
    index = published / "index.json"
    index.write_bytes(index.read_bytes()[:50])
    with pytest.raises(PublishError, match=r"index\.json.*restore it or publish anew"):
        registry.published_counts(published)


def test_nothing_published_yet_is_no_error_until_it_is_verified(tmp_path: Path) -> None:
    assert registry.published_counts(tmp_path) == {}
    assert registry.read_previous(tmp_path) is None
    with pytest.raises(PublishError, match="modelscan build"):
        registry.verify_published(tmp_path)


def test_the_first_publish_changes_nothing_and_a_repeated_one_keeps_the_last_change(published: Path) -> None:
    previous = registry.read_previous(published)
    assert previous is not None
    same = Catalogue(
        models=tuple(registry.read_published(published, "models")),
        offers=tuple(registry.read_published(published, "offers")),
        providers=tuple(registry.read_published(published, "providers")),
        sources=previous.sources,
    )
    assert registry.changes_to_publish(published, None, same) == []
    assert registry.changes_to_publish(published, previous, same) == []
    cheaper = Catalogue(models=same.models, offers=(an_offer("a/m", 0.5),), providers=same.providers)
    changes = registry.changes_to_publish(published, previous, cheaper)
    assert {(change.record, change.change) for change in changes} == {
        ("offer:a/m", "changed"),
        ("offer:b/m", "removed"),
    }


@given(st.text(min_size=1, max_size=30))
def test_a_file_name_never_leaves_its_folder(identifier: str) -> None:
    name = registry.file_name(identifier)
    assert "/" not in name
    assert not name.startswith(".")
    assert name


def test_the_duckdb_copy_is_named_by_content_and_replaces_older_ones(published: Path, tmp_path: Path) -> None:
    first = build_warehouse(published, tmp_path / "warehouse")
    assert build_warehouse(published, tmp_path / "warehouse") == first
    with duckdb.connect(str(first), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM offers").fetchone() == (2,)
    write_bytes(published / "index.json", (published / "index.json").read_bytes() + b"\n")
    second = build_warehouse(published, tmp_path / "warehouse")
    assert [path.name for path in (tmp_path / "warehouse").glob("*.duckdb")] == [second.name]


def test_a_registry_without_an_index_gives_no_duckdb_copy(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="could not be built"):
        build_warehouse(tmp_path / "none", tmp_path / "warehouse")
