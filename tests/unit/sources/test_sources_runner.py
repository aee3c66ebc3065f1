"""Live, cached, snapshot: what a source run does when the source misbehaves."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.errors import SettingsError, SourceError
from modelscan_catalog.sources import runner
from modelscan_catalog.sources.raw import RawStore
from modelscan_catalog.sources.snapshot import save_snapshot
from modelscan_catalog.sources.snapshot_format import snapshot_file, write_snapshot


def model(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"m{number}",
        "name": f"Model {number}",
        "attachment": False,
        "reasoning": True,
        "tool_call": True,
        "open_weights": True,
        "release_date": "2026-02-01",
        "last_updated": "2026-02-01",
        "modalities": {"input": ["text"], "output": ["text"]},
        "limit": {"context": 1000, "output": 100},
        "cost": {"input": 1, "output": 2},
        **changes,
    }


def catalogue(models: int = 40, **changes: Any) -> dict[str, Any]:
    rows = {f"m{number}": model(number, **changes) for number in range(models)}
    return {"p": {"id": "p", "name": "P", "npm": "n", "doc": "d", "env": [], "models": rows}}


@pytest.fixture
def shop(site: Any) -> Any:
    site.put_json("/api.json", catalogue(), headers={"ETag": '"1"'})
    site.put_json("/models.json", {"lab/m": model(1)}, headers={"ETag": '"2"'})
    return site


def run(settings: Any, **options: Any) -> runner.SourceResult:
    return runner.run_source("models_dev", settings, **options)


def test_live_data_are_read_and_said_to_be_live(shop: Any, make_settings: Any) -> None:
    seen: list[tuple[Any, ...]] = []
    result = run(make_settings(shop.url), on_progress=lambda *event: seen.append(event))
    assert (result.state.origin, result.state.problems) == ("live", ())
    assert (result.state.rows_read, result.state.rows_kept) == (42, 42)
    assert [document.url for document in result.documents] == [
        f"{shop.url}/api.json",
        f"{shop.url}/models.json",
    ]
    assert seen[-1] == ("models_dev", 2, 2, "")


def test_a_second_run_costs_only_304s_and_changes_nothing(shop: Any, make_settings: Any) -> None:
    first = run(make_settings(shop.url))
    sent = shop.sent_bytes
    second = run(make_settings(shop.url))
    assert shop.sent_bytes == sent
    assert (second.tables, second.documents, second.state) == (first.tables, first.documents, first.state)


def test_the_same_content_under_a_new_etag_keeps_its_first_date(
    shop: Any, make_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(make_settings(shop.url))
    shop.put_json("/api.json", catalogue(), headers={"ETag": '"other"'})
    monkeypatch.setattr("modelscan_catalog.sources.session._now", lambda: "2099-01-01T00:00:00Z")
    assert run(make_settings(shop.url)).documents == first.documents


def test_offline_reads_what_the_last_live_run_read_and_opens_no_socket(
    shop: Any, make_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = run(make_settings(shop.url))

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    cached = run(make_settings(shop.url), offline=True)
    assert (cached.tables, cached.state.origin) == (live.tables, "cached")
    assert cached.state.fetched_at == live.state.fetched_at


FAULTS: dict[str, dict[str, Any]] = {
    "truncated": {"body": b'{"p": {', "claim": 5000},
    "half a document": {"body": b'{"p": {"models": '},
    "html": {"body": b"<!DOCTYPE html><title>Just a moment...</title>"},
    "garbage": {"body": b"\xff\xfe{]"},
    "500": {"body": b"", "status": 500},
    "404": {"body": b"", "status": 404},
    "429": {"body": b"", "status": 429, "headers": {"Retry-After": "999"}},
    "huge": {"body": b" " * 3_000_000},
    "drip": {"body": b" " * 100, "pieces": 100, "pause_s": 0.1},
    "reset": {"reset": True},
    "an empty object": {"body": b"{}"},
    "a list": {"body": b"[]"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_any_fault_the_last_good_data_are_kept_and_the_report_says_why(
    shop: Any, make_settings: Any, make_page: Any, fault: str
) -> None:
    settings = make_settings(shop.url, http={"max_body_bytes": 1_000_000, "total_timeout_s": 0.5})
    good = run(settings)
    shop.pages["/api.json"] = shop.pages["/models.json"] = make_page(**FAULTS[fault])
    bad = run(settings)
    assert bad.tables == good.tables
    assert bad.state.origin == "cached"
    assert any("/api.json" in line for line in bad.state.problems)
    assert all(line.isprintable() and len(line) < 500 for line in bad.state.problems)
    assert run(settings, offline=True).tables == good.tables


def test_one_failing_document_does_not_hold_up_the_other(
    shop: Any, make_settings: Any, make_page: Any
) -> None:
    run(make_settings(shop.url))
    shop.pages["/models.json"] = make_page(b"", 500)
    shop.put_json("/api.json", catalogue(41))
    result = run(make_settings(shop.url))
    assert (result.state.origin, len(result.tables["offers"])) == ("live", 41)
    assert {document.name: document.origin for document in result.documents} == {
        "api.json": "live",
        "models.json": "cached",
    }
    assert any("models.json" in line for line in result.state.problems)


def test_a_source_that_shrank_is_refused_until_shrinking_is_accepted(shop: Any, make_settings: Any) -> None:
    settings = make_settings(shop.url)
    run(settings)
    shop.put_json("/api.json", catalogue(20))
    refused = run(settings)
    assert len(refused.tables["offers"]) == 40
    assert "shrank from 40 to 20" in refused.refused[0]
    assert refused.state.problems == (f"live data refused: {refused.refused[0]}",)
    accepted = run(settings, accept_shrink=True)
    assert (len(accepted.tables["offers"]), accepted.refused) == (20, ())
    assert len(run(settings, offline=True).tables["offers"]) == 20


def test_a_loss_within_the_limit_is_taken(shop: Any, make_settings: Any) -> None:
    run(make_settings(shop.url))
    shop.put_json("/api.json", catalogue(30))
    assert len(run(make_settings(shop.url)).tables["offers"]) == 30


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"cost": None}, "column price"),
        ({"limit": {}}, "column limits|missing fields"),
        ({"reasoning": "yes"}, "wrong type"),
        ({"name": {"value": "x"}}, "wrong type"),
    ],
)
def test_a_document_that_lost_a_field_or_its_types_is_refused(
    shop: Any, make_settings: Any, changes: dict[str, Any], word: str
) -> None:
    settings = make_settings(shop.url)
    good = run(settings)
    shop.put_json("/api.json", catalogue(**changes))
    bad = run(settings)
    assert bad.tables == good.tables
    assert any(any(part in line for part in word.split("|")) for line in bad.refused)


def test_without_anything_to_fall_back_to_the_error_says_what_was_tried(
    make_settings: Any, site: Any
) -> None:
    with pytest.raises(SourceError, match=r"nothing to read.*HTTP 404"):
        run(make_settings(site.url))


def test_a_failing_source_without_cache_is_read_from_the_snapshot(
    shop: Any, make_settings: Any, tmp_path: Path, make_page: Any
) -> None:
    live = run(make_settings(shop.url))
    bodies = {name: json.loads(document.body) for name, document in live.raw.items()}
    write_snapshot(snapshot_file(tmp_path / "registry", "models_dev"), live.raw, bodies)
    shop.pages.clear()
    fresh = make_settings(shop.url, data_dir=tmp_path / "empty")
    result = run(fresh)
    assert (result.state.origin, result.tables) == ("snapshot", live.tables)
    assert result.state.problems
    assert run(fresh, mode="snapshot").state.problems == ()


def test_a_damaged_cache_falls_back_and_says_so(shop: Any, make_settings: Any, tmp_path: Path) -> None:
    live = run(make_settings(shop.url))
    bodies = {name: json.loads(document.body) for name, document in live.raw.items()}
    write_snapshot(snapshot_file(tmp_path / "registry", "models_dev"), live.raw, bodies)
    for path in (tmp_path / "data" / "raw" / "models_dev").glob("*/*.doc"):
        path.write_bytes(path.read_bytes()[:-20])
    result = run(make_settings(shop.url), offline=True)
    assert (result.state.origin, result.tables) == ("snapshot", live.tables)
    assert any("lost or damaged" in line for line in result.state.problems)


def test_a_damaged_snapshot_is_an_error_with_file_and_line(make_settings: Any, tmp_path: Path) -> None:
    path = snapshot_file(tmp_path / "registry", "models_dev")
    path.parent.mkdir(parents=True)
    path.write_text('{"document": {"name": "api.json"')
    with pytest.raises(SourceError, match=r"models_dev\.jsonl:1: the snapshot is damaged"):
        run(make_settings(), mode="snapshot")


def test_a_source_that_does_not_end_is_ended_by_its_deadline(
    shop: Any, make_settings: Any, make_page: Any
) -> None:
    shop.pages["/api.json"] = make_page(b" " * 100, pieces=100, pause_s=0.2)
    settings = make_settings(shop.url, http={"source_deadline_s": 0.5, "total_timeout_s": 60})
    with pytest.raises(SourceError, match=r"not finished after 0\.5 s"):
        run(settings)


def test_an_unknown_source_or_mode_is_a_settings_error(make_settings: Any) -> None:
    with pytest.raises(SettingsError, match="not one of models_dev"):
        runner.run_source("openrouter", make_settings())  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="mode 'online'"):
        run(make_settings(), mode="online")


def test_a_snapshot_of_a_source_never_read_is_refused_and_nothing_is_written(
    make_settings: Any, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="no documents to make a snapshot of"):
        save_snapshot(make_settings())
    assert not (tmp_path / "registry").exists()


def test_a_raw_document_of_another_name_or_with_changed_bytes_is_absent(
    shop: Any, make_settings: Any, tmp_path: Path
) -> None:
    run(make_settings(shop.url))
    store = RawStore(tmp_path / "data", "models_dev")
    assert store.read("api.json") is not None
    (path,) = [p for p in store.directory.glob("*/*.doc") if b'"name":"api.json"' in p.read_bytes()]
    head, _, body = path.read_bytes().partition(b"\n")
    path.write_bytes(head.replace(b"api.json", b"app.json") + b"\n" + body)
    assert store.read("api.json") is None
    path.write_bytes(b"")
    assert store.read("api.json") is None


def test_documents_that_no_longer_belong_to_the_source_are_removed(
    shop: Any, make_settings: Any, tmp_path: Path
) -> None:
    result = run(make_settings(shop.url))
    store = RawStore(tmp_path / "data", "models_dev")
    store.write_manifest(["api.json"])
    assert store.read("models.json") is None
    assert list(store.last_good() or {}) == ["api.json"]
    assert set(result.raw) == {"api.json", "models.json"}
