"""The HuggingFace reader: which repositories it asks for, and what it takes from the Hub's answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.records import SourceName
from modelscan_catalog.sources import runner
from modelscan_catalog.sources.adapter import Document
from modelscan_catalog.sources.hub_documents import parse
from modelscan_catalog.sources.huggingface import prune, translate
from modelscan_catalog.sources.reading import RowLog
from modelscan_catalog.sources.staged import HuggingFaceRepo, RepoFile

SHA = "a" * 40
ITEM: dict[str, Any] = {
    "_id": "1",
    "id": "Own/Model-FP8",
    "sha": SHA,
    "pipeline_tag": "text-generation",
    "library_name": "transformers",
    "tags": ["transformers", "license:mit", "base_model:Own/Model", "base_model:quantized:Own/Model"],
    "downloads": 10,
    "likes": 2,
    "gated": False,
    "createdAt": "2025-04-27T00:00:00.000Z",
    "config": {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "auto_map": {"x": "y"}},
    "cardData": {"license": ["mit", "other"], "prose": "a long text"},
    "safetensors": {"parameters": {"BF16": 5, "F8_E4M3": 7}, "total": 13},
    "siblings": [{"rfilename": "config.json"}, {"rfilename": "README.md"}, {"rfilename": "q4.gguf"}],
}


def read(item: Any = None, *, named: Any = ("own/model-fp8",), **documents: Any) -> Any:
    """The one row and the log for a list with ``item`` and further documents by name."""
    parsed = {
        "selection": {"named": list(named), "twins": [], "popular": 0},
        "author/Own/1": parse("author/Own/1", json.dumps([ITEM if item is None else item]).encode()),
    }
    parsed |= {name: parse(name, json.dumps(value).encode()) for name, value in documents.items()}
    infos = {
        name: Document(name, "https://hub", "/x", 200, "2026-01-01T00:00:00Z", "f" * 64) for name in parsed
    }
    log = RowLog("huggingface")
    rows = translate(parsed, infos, log)["repos"]
    return (rows[0] if rows else None), log


def test_the_facts_of_a_repository_are_read() -> None:
    row, log = read()
    assert isinstance(row, HuggingFaceRepo)
    assert row.requested_as == ("own/model-fp8",)
    assert (row.model_type, row.architectures) == ("qwen3", ("Qwen3ForCausalLM",))
    assert row.licenses == ("mit", "other")
    assert (row.safetensors_total, row.safetensors_dtypes) == (13, {"BF16": 5, "F8_E4M3": 7})
    assert (row.base_models, row.base_model_relation) == (("Own/Model",), "quantized")
    assert row.files == (RepoFile(path="q4.gguf"),)
    assert (row.gated, row.created_at) == (False, "2025-04-27T00:00:00Z")
    assert (log.rejects, log.unknown_fields) == ([], {})


@pytest.mark.parametrize(
    ("word", "read_as"), [(False, False), ("auto", True), ("manual", True), (None, None)]
)
def test_gated_in_the_hub_words_becomes_a_flag(word: Any, read_as: bool | None) -> None:
    assert read(ITEM | {"gated": word})[0].gated is read_as


def test_a_list_body_that_omits_fields_leaves_them_unknown() -> None:
    row, log = read({"id": "Own/Model-FP8", "sha": SHA})
    assert (row.downloads, row.gated, row.safetensors_total, row.licenses) == (None, None, None, ())
    assert log.rejects == []


def test_the_licence_tag_stands_in_for_a_card_without_one() -> None:
    assert read(ITEM | {"cardData": {}})[0].licenses == ("mit",)


def test_configuration_sizes_and_index_of_the_revision_are_joined() -> None:
    at = f"Own/Model-FP8@{SHA}"
    documents = {
        f"config.json/{at}": {"hidden_size": 8, "chat_template": "{{ prose }}"},
        f"hf_quant_config.json/{at}": {"quantization": {"quant_algo": "FP8"}},
        f"model.safetensors.index.json/{at}": {"metadata": {"total_size": 99.0}, "weight_map": {}},
        f"files/{at}": {"siblings": [{"rfilename": "m.safetensors", "size": 5, "lfs": {"sha256": "b" * 64}}]},
    }
    row, _ = read(None, **documents)
    assert json.loads(row.config_json) == {"hidden_size": 8}
    assert row.config_sha256 == "f" * 64
    assert json.loads(row.quant_config_json) == {"quantization": {"quant_algo": "FP8"}}
    assert row.index_total_size == 99
    assert RepoFile(path="m.safetensors", bytes=5, sha256="b" * 64) in row.files


def test_an_empty_config_is_no_config() -> None:
    row, _ = read(None, **{f"config.json/Own/Model-FP8@{SHA}": {}})
    assert row.config_json is None


def test_a_configuration_of_another_revision_is_not_used() -> None:
    row, _ = read(None, **{f"config.json/Own/Model-FP8@{'b' * 40}": {"hidden_size": 8}})
    assert row.config_json is None


def test_a_repository_nobody_asked_for_is_no_row() -> None:
    assert read(named=())[0] is None


def test_a_renamed_repository_remembers_what_it_was_asked_as() -> None:
    row, _ = read({"id": "Other/X"}, named=("Old/Name",), **{"repo/Old/Name": ITEM})
    assert (row.id, row.requested_as) == ("Own/Model-FP8", ("Old/Name",))


def test_a_named_repository_that_the_hub_lacks_is_rejected_with_the_status() -> None:
    missing = Document("repo/Own/None", "https://hub", "/x", 401, "2026-01-01T00:00:00Z", "")
    log = RowLog("huggingface")
    translate({"selection": {"named": ["Own/None"]}}, {"repo/Own/None": missing}, log)
    assert [(r.record, r.whole_row) for r in log.rejects] == [("Own/None", True)]
    assert "401" in log.rejects[0].reason
    assert log.malformed == set()


def test_pruned_documents_hold_no_prose_and_give_the_same_rows() -> None:
    parsed = {
        "selection": {"named": ["Own/Model-FP8"], "twins": [], "popular": 1},
        "author/Own/1": parse("author/Own/1", json.dumps([ITEM, {"id": "Own/Unused"}]).encode()),
        "popular/text-generation/1": parse("popular/x/1", json.dumps([ITEM]).encode()),
    }
    tables = translate(parsed, {}, RowLog("huggingface"))
    bodies = prune(parsed, tables)
    assert "prose" not in json.dumps(bodies)
    assert "Unused" not in json.dumps(bodies)
    assert translate(bodies, {}, RowLog("huggingface")) == tables


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("author/x/1", b"{}"),
        ("repo/x", b"[]"),
        ("config.json/x", b"[]"),
        ("files/x", b"1"),
        ("repo/x", b"<html"),
    ],
)
def test_what_the_hub_does_not_serve_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(DocumentError, match=name.replace(".", r"\.")):
        parse(name, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("Own/Model-FP8"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*ITEM, "parameters", "total", "rfilename", "size", "lfs", "metadata"])
            | st.text(max_size=3),
            inner,
            max_size=8,
        )
    ),
    max_leaves=40,
)


@given(st.lists(JSON, max_size=4), JSON, JSON, JSON)
def test_any_answer_is_read_or_refused_and_no_row_is_lost(
    items: Any, detail: Any, files: Any, index: Any
) -> None:
    at = f"Own/Model-FP8@{SHA}"
    parsed = {"selection": {"named": ["own/model-fp8"], "twins": [], "popular": 2}}
    for name, value in (
        ("author/Own/1", items),
        ("popular/text-generation/1", items[::-1]),
        ("repo/Own/Model-FP8", detail),
        (f"files/{at}", files),
        (f"model.safetensors.index.json/{at}", index),
        (f"config.json/{at}", index),
    ):
        try:
            parsed[name] = parse(name, json.dumps(value).encode())
        except DocumentError:
            continue
    documents = {name: Document(name, "https://hub", "/x", 200, "", "f" * 64) for name in parsed}
    log = RowLog("huggingface")
    tables = translate(parsed, documents, log)
    assert log.rows_read == log.rows_kept + log.rows_rejected
    assert log.rows_kept == len(tables["repos"])
    json.dumps([row.model_dump() for row in tables["repos"]]).encode()


@pytest.fixture
def hub(site: Any, make_page: Any, tmp_path: Path) -> Any:
    """A Hub with one listed, one renamed and one unknown repository, and a watchlist that names them."""
    registry = tmp_path / "registry"
    registry.mkdir()
    names = ["own/model-fp8", "Old/Name", "Own/None"]
    (registry / "watchlist.json").write_text(json.dumps({"huggingface": names}))
    plain = {**ITEM, "safetensors": {"total": 5, "parameters": {"BF16": 5}}}
    site.put_json("/api/models", [plain], headers={"ETag": 'W/"1"'})
    site.pages["/api/models/Old/Name"] = make_page(b"", 307, {"Location": "/api/models/New/Name"})
    site.put_json("/api/models/New/Name", {"id": "New/Name", "sha": "c" * 40, "siblings": []})
    site.pages["/api/models/Own/None"] = make_page(b"{}", 401)
    site.put_json(f"/Own/Model-FP8/resolve/{SHA}/config.json", {"hidden_size": 8})
    return site


HUB: SourceName = "huggingface"


def test_a_first_run_reads_lists_renames_and_configurations(hub: Any, make_settings: Any) -> None:
    result = runner.run_source(HUB, make_settings(hub.url))
    rows = {row.id: row for row in result.tables["repos"] if isinstance(row, HuggingFaceRepo)}
    assert result.state.origin == "live"
    assert rows["New/Name"].requested_as == ("Old/Name",)
    assert rows["Own/Model-FP8"].config_json == '{"hidden_size":8}'
    assert [reject.record for reject in result.rejects] == ["Own/None"]


def test_a_second_run_asks_nothing_again_for_an_unchanged_revision(hub: Any, make_settings: Any) -> None:
    first = runner.run_source(HUB, make_settings(hub.url))
    hub.asked.clear()
    second = runner.run_source(HUB, make_settings(hub.url))
    assert second.tables == first.tables
    assert second.documents == first.documents
    assert not [asked.path for asked in hub.asked if "resolve" in asked.path or "Own/None" in asked.path]
    lists = [asked for asked in hub.asked if asked.path.startswith("/api/models?")]
    assert lists
    assert all("if-none-match" in asked.headers for asked in lists)


def test_a_gated_repository_keeps_its_metadata_and_its_files_are_not_asked_for(
    hub: Any, make_settings: Any
) -> None:
    hub.put_json("/api/models", [{**ITEM, "gated": "manual"}])
    result = runner.run_source(HUB, make_settings(hub.url))
    row = next(row for row in result.tables["repos"] if isinstance(row, HuggingFaceRepo) and row.gated)
    assert (row.downloads, row.config_json) == (10, None)
    assert not [asked for asked in hub.asked if "resolve" in asked.path]


def test_with_a_token_a_gated_configuration_is_read(
    hub: Any, make_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "value")
    hub.put_json("/api/models", [{**ITEM, "gated": "manual"}])
    result = runner.run_source(HUB, make_settings(hub.url, huggingface_token="env:SOME_TOKEN"))
    row = next(row for row in result.tables["repos"] if isinstance(row, HuggingFaceRepo) and row.gated)
    assert row.config_json == '{"hidden_size":8}'


def test_a_configuration_that_cannot_be_had_is_a_line_in_the_report_and_the_repository_stays(
    hub: Any, make_settings: Any, make_page: Any
) -> None:
    hub.pages[f"/Own/Model-FP8/resolve/{SHA}/config.json"] = make_page(b"<html>wait</html>")
    result = runner.run_source(HUB, make_settings(hub.url))
    assert [row.config_json for row in result.tables["repos"] if isinstance(row, HuggingFaceRepo)] == [
        None
    ] * 2
    assert any("config.json" in line and "not JSON" in line for line in result.state.problems)


def test_the_next_page_is_followed_on_the_own_host_only(hub: Any, make_settings: Any, make_page: Any) -> None:
    def pages(number: int) -> Any:
        del number
        query = hub.asked[-1].path
        if "cursor=2" in query:
            return make_page(json.dumps([ITEM]).encode())
        link = '<http://elsewhere.invalid/api/models?cursor=2>; rel="next"'
        return make_page(b"[]", headers={"Link": link})

    hub.pages["/api/models"] = pages
    result = runner.run_source(HUB, make_settings(hub.url, parallel_batch=1))
    assert "Own/Model-FP8" in {row.id for row in result.tables["repos"] if isinstance(row, HuggingFaceRepo)}
