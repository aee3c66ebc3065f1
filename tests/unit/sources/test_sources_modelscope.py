"""The ModelScope reader: failures inside HTTP 200, cut listings, dates of two kinds."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.sources import runner
from modelscan_catalog.sources.adapter import Document
from modelscan_catalog.sources.modelscope import prune, translate
from modelscan_catalog.sources.modelscope_documents import check_answer, parse
from modelscan_catalog.sources.reading import RowLog
from modelscan_catalog.sources.staged import ModelScopeRepo, RepoFile

ITEM: dict[str, Any] = {
    "id": "Own/M",
    "display_name": "M",
    "description": "prose",
    "license": "mit",
    "tasks": ["text-generation"],
    "downloads": 3,
    "gated": False,
    "last_modified": "2026-01-02T03:04:05Z",
}
DETAIL: dict[str, Any] = {
    "Path": "Own",
    "Name": "M",
    "ModelType": ["qwen3"],
    "Architectures": ["A"],
    "CreatedTime": 1_700_000_000,
    "ReadMeContent": "prose",
    "BaseModel": ["Own/B"],
    "ModelInfos": {"safetensor": {"model_size": 16, "tensor_type": ["BF16"], "chat_template": "prose"}},
}
CONFIG_SHA = "c" * 64
FILES = [
    {"Path": "config.json", "Size": 2, "Sha256": CONFIG_SHA, "Revision": "r1", "CommittedDate": 1},
    {"Path": "a.safetensors", "Size": 9, "Sha256": "d" * 64, "Revision": "r2", "CommittedDate": 2},
]


def envelope(data: Any) -> dict[str, Any]:
    return {"Code": 200, "Success": True, "Data": data, "RequestId": "random"}


def read(detail: Any = None, files: Any = None, item: Any = None) -> tuple[ModelScopeRepo, RowLog]:
    documents = {
        "list/1": {"success": True, "data": {"models": [item or ITEM], "total_count": 1}},
        "detail/Own/M": envelope(detail or DETAIL),
        "files/Own/M": envelope({"Files": FILES if files is None else files}),
        f"config.json/Own/M@{CONFIG_SHA}": {"hidden_size": 8},
    }
    parsed = {name: parse(name, json.dumps(value).encode()) for name, value in documents.items()}
    log = RowLog("modelscope")
    (row,) = translate(parsed, {}, log)["repos"]
    assert isinstance(row, ModelScopeRepo)
    return row, log


def test_listing_detail_files_and_config_are_joined() -> None:
    row, log = read()
    assert (row.license, row.model_type, row.downloads) == ("mit", "qwen3", 3)
    assert (row.weights_bytes, row.tensor_types, row.base_models) == (16, ("BF16",), ("Own/B",))
    assert row.files == (RepoFile(path="a.safetensors", bytes=9, sha256="d" * 64),)
    assert (row.config_json, row.config_sha256) == ('{"hidden_size":8}', CONFIG_SHA)
    assert (log.rejects, log.unknown_fields) == ([], {})


def test_epoch_seconds_and_iso_text_are_both_points_in_time() -> None:
    row, _ = read()
    assert (row.created_at, row.last_modified) == ("2023-11-14T22:13:20Z", "2026-01-02T03:04:05Z")


def test_the_revision_is_the_latest_commit_that_the_files_show() -> None:
    assert read()[0].revision == "r2"
    undated = [{key: value for key, value in entry.items() if key != "CommittedDate"} for entry in FILES]
    assert read(files=undated)[0].revision is None


@pytest.mark.parametrize(("listed", "complete"), [(2_999, True), (3_000, False)])
def test_a_listing_of_3000_files_was_cut(listed: int, complete: bool) -> None:
    files = [{"Path": f"x{n}.txt"} for n in range(listed)]
    assert read(files=files)[0].files_complete is complete


def test_an_id_that_is_not_owner_slash_name_is_rejected_by_that_id() -> None:
    parsed = {"list/1": {"data": {"models": [{"id": "Own/M:sub"}, "x"]}}}
    log = RowLog("modelscope")
    assert translate(parsed, {}, log)["repos"] == []
    assert [reject.record for reject in log.rejects] == ["Own/M:sub", "list/1#1"]


def test_an_unknown_repository_that_was_named_is_rejected() -> None:
    missing = Document("detail/Own/None", "https://m", "/x", 404, "2026-01-01T00:00:00Z", "")
    log = RowLog("modelscope")
    translate({}, {"detail/Own/None": missing}, log)
    assert [(reject.record, reject.whole_row) for reject in log.rejects] == [("Own/None", True)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("detail/a/b", {"Success": False, "Code": 500, "Message": "busy"}),
        ("detail/a/b", {"Success": True, "Data": None}),
        ("list/1", {"success": True, "data": {"models": None}}),
        ("list/1", {"success": False, "code": "RateLimitExceed", "message": "slow down"}),
        ("files/a/b", {"Success": True, "Data": {"Files": "x"}}),
        ("config.json/a/b@c", []),
    ],
)
def test_a_failure_inside_an_answer_is_refused(name: str, value: Any) -> None:
    with pytest.raises(DocumentError):
        check_answer(json.dumps(value).encode(), name)


def test_an_unknown_model_inside_http_200_is_an_answer_of_not_found() -> None:
    body = {"Success": False, "Code": 10010205001, "Data": None, "Message": "Model a/b not exists"}
    assert check_answer(json.dumps(body).encode(), "detail/a/b") == 404


def test_pruned_documents_hold_no_prose() -> None:
    documents = {
        "list/1": {"success": True, "data": {"models": [ITEM], "total_count": 1}},
        "detail/Own/M": envelope(DETAIL),
        "files/Own/M": envelope({"Files": FILES}),
    }
    parsed = {name: parse(name, json.dumps(value).encode()) for name, value in documents.items()}
    bodies = prune(parsed, {})
    assert "prose" not in json.dumps(bodies)
    again = {name: parse(name, json.dumps(value).encode()) for name, value in bodies.items()}
    assert again == parsed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("Own/M"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*ITEM, *DETAIL, *FILES[0], "Data", "Files", "data", "models", "safetensor", "Success"]
            )
            | st.text(max_size=3),
            inner,
            max_size=8,
        )
    ),
    max_leaves=40,
)


@given(st.lists(JSON, max_size=4), JSON, JSON)
def test_any_answer_is_read_or_refused_and_no_row_is_lost(items: Any, detail: Any, files: Any) -> None:
    parsed = {}
    for name, value in (
        ("list/1", {"data": {"models": items}}),
        ("detail/Own/M", {"Data": detail}),
        ("files/Own/M", {"Data": {"Files": files}}),
    ):
        try:
            check_answer(json.dumps(value).encode(), name)
            parsed[name] = parse(name, json.dumps(value).encode())
        except DocumentError:
            continue
    log = RowLog("modelscope")
    tables = translate(parsed, {}, log)
    assert log.rows_read == log.rows_kept + log.rows_rejected
    assert log.rows_kept == len(tables["repos"])
    json.dumps([row.model_dump() for row in tables["repos"]]).encode()


@pytest.fixture
def store(site: Any, tmp_path: Path) -> Any:
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "watchlist.json").write_text(json.dumps({"modelscope": ["Own/None"]}))
    site.put_json("/openapi/v1/models", {"success": True, "data": {"models": [ITEM], "total_count": 1}})
    site.put_json("/api/v1/models/Own/M", envelope(DETAIL))
    site.put_json("/api/v1/models/Own/M/repo/files", envelope({"Files": FILES}))
    site.put_json("/api/v1/models/Own/M/repo", {"hidden_size": 8})
    gone = {"Success": False, "Code": 10010205001, "Message": "not exists"}
    site.put_json("/api/v1/models/Own/None", gone)
    return site


def test_a_second_run_asks_for_the_listing_alone_when_it_is_unchanged(store: Any, make_settings: Any) -> None:
    first = runner.run_source("modelscope", make_settings(store.url))
    assert (first.state.origin, first.state.rows_kept, first.state.rows_rejected) == ("live", 1, 1)
    store.asked.clear()
    second = runner.run_source("modelscope", make_settings(store.url))
    assert [asked.path.partition("?")[0] for asked in store.asked] == ["/openapi/v1/models"]
    assert (second.tables, second.documents) == (first.tables, first.documents)


def test_a_change_in_the_listing_leads_to_the_repository_being_read_again(
    store: Any, make_settings: Any
) -> None:
    runner.run_source("modelscope", make_settings(store.url))
    store.asked.clear()
    changed = ITEM | {"last_modified": "2026-02-02T00:00:00Z"}
    store.put_json("/openapi/v1/models", {"success": True, "data": {"models": [changed], "total_count": 1}})
    runner.run_source("modelscope", make_settings(store.url))
    paths = {asked.path.partition("?")[0] for asked in store.asked}
    assert {"/api/v1/models/Own/M", "/api/v1/models/Own/M/repo/files"} <= paths
    assert "/api/v1/models/Own/M/repo" not in paths  # the config's checksum is the same


def test_a_request_id_alone_is_no_change(store: Any, make_settings: Any) -> None:
    first = runner.run_source("modelscope", make_settings(store.url))
    listing = {"success": True, "data": {"models": [ITEM], "total_count": 1}, "request_id": "another"}
    store.put_json("/openapi/v1/models", listing)
    second = runner.run_source("modelscope", make_settings(store.url))
    assert second.documents == first.documents
