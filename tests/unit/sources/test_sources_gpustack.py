"""The GPUStack reader: catalogues in YAML with anchors, filters that must not be lost, hostile documents."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.records import GpuFilter
from modelscan_catalog.sources.gpustack import CATALOGUES, parse, prune, translate
from modelscan_catalog.sources.reading import RowLog
from modelscan_catalog.sources.staged import GpustackSet, GpustackSpec

FILE = CATALOGUES["huggingface"]
YAML = """
.version: &version "0.22.1"
draft_models:
- {name: D, algorithm: eagle3, source: huggingface, huggingface_repo_id: a/d}
model_sets:
- name: M
  description: prose
  size: 0.6
  categories: [llm]
  licenses: [apache-2.0]
  release_date: "2025-04-19"
  .base_spec: &base
    source: huggingface
    huggingface_repo_id: a/m
    backend: vLLM
    quantization: BF16
  specs:
  - <<: *base
    mode: standard
    backend_version: *version
    gpu_filters: {vendor: [nvidia, amd], compute_capability: ">=9.0,<10.0"}
    env: {A: "1"}
    speculative_config: {enabled: true, algorithm: mtp, num_draft_tokens: 1}
  - <<: *base
    mode: throughput
    gpu_filters: {vendor: ascend, vendor_variant: "910b"}
- name: Small
  size: 82
  size_unit: M
  categories: [text_to_speech]
  licenses: mit
  release_date: 2025-04-19
  specs: []
"""


def read(document: Any) -> tuple[dict[str, list[Any]], RowLog]:
    body = document if isinstance(document, bytes) else yaml.safe_dump(document).encode()
    log = RowLog("gpustack")
    return dict(translate({FILE: parse(FILE, body)}, {}, log)), log


def catalogue(**spec: Any) -> dict[str, Any]:
    base = {
        "mode": "standard",
        "quantization": "BF16",
        "source": "huggingface",
        "huggingface_repo_id": "a/m",
        "backend": "vLLM",
    }
    spec = {key: value for key, value in (base | spec).items() if value is not ...}
    one = {"name": "M", "categories": ["llm"], "licenses": ["mit"], "release_date": "2025", "specs": [spec]}
    return {"model_sets": [one]}


def test_anchors_and_dotted_helpers_are_resolved_and_left_out() -> None:
    tables, log = read(YAML.encode())
    first, second = tables["specs"]
    assert isinstance(first, GpustackSpec)
    assert (first.repo, first.backend_version, first.env) == ("a/m", "0.22.1", {"A": "1"})
    assert first.gpu_filter == GpuFilter(vendors=("nvidia", "amd"), compute_capability=">=9.0,<10.0")
    assert first.speculative == {"enabled": "true", "algorithm": "mtp", "num_draft_tokens": "1"}
    assert second.gpu_filter == GpuFilter(vendors=("ascend",), vendor_variant="910b")
    assert [spec.position for spec in tables["specs"]] == [0, 1]
    assert (log.rejects, log.unknown_fields) == ([], {})


def test_sizes_keep_their_unit_and_one_bare_licence_is_a_list_of_one() -> None:
    small = read(YAML.encode())[0]["sets"][1]
    assert isinstance(small, GpustackSet)
    assert (small.size, small.size_unit, small.licenses, small.release_date) == (
        82,
        "M",
        ("mit",),
        "2025-04-19",
    )


@pytest.mark.parametrize("field", ["mode", "backend", "huggingface_repo_id"])
def test_a_recipe_without_an_essential_field_is_rejected_by_name(field: str) -> None:
    tables, log = read(catalogue(**{field: ...}))
    assert tables["specs"] == []
    assert field in log.rejects[-1].reason
    assert log.rows_read == log.rows_kept + log.rows_rejected == 2


@pytest.mark.parametrize(
    "gpu_filters", ["nvidia", ["nvidia"], {"vendor": 3}, {"memory": ">=80"}, {"compute_capability": 9.0}]
)
def test_a_recipe_whose_gpu_filter_is_not_understood_does_not_become_one_for_all(gpu_filters: Any) -> None:
    tables, log = read(catalogue(gpu_filters=gpu_filters))
    assert tables["specs"] == []
    assert log.rejects[-1].reason == "its GPU filter cannot be read"


def test_a_set_without_a_name_takes_its_recipes_along_and_each_is_counted() -> None:
    document = catalogue()
    document["model_sets"][0]["name_v2"] = document["model_sets"][0].pop("name")
    tables, log = read(document)
    assert tables["sets"] == tables["specs"] == []
    assert log.rows_rejected == 2


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (after, after, b",".join([b"*%c" % before] * 10))
    for before, after in zip(b"abcdefgh", b"bcdefghi", strict=True)
)
MERGE_BOMB = b"a: &a {k: 1, l: 2}\n" + b"".join(
    b"%c: &%c {<<: [%s]}\n" % (after, after, b",".join([b"*%c" % before] * 10))
    for before, after in zip(b"abcdefgh", b"bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "body",
    [
        BOMB + b"model_sets: []",
        MERGE_BOMB + b"model_sets: []",
        b"model_sets: &a [*a]",
        b"[" * 50_000,
        b"model_sets: !!python/object/apply:os.system [true]",
        b"<html><body>Just a moment...</body></html>",
        b"\xff\xfe{]",
        b"",
        b"model_sets: {a: 1}",
        b"? [1, 2]\n: 3",
        b'{"model_sets": 1}',
        b"x" * 9_000_000,
    ],
    ids=lambda body: str(body[:12]),
)
def test_hostile_documents_are_refused_in_bounded_time(body: bytes) -> None:
    with pytest.raises(DocumentError, match=FILE):
        parse(FILE, body)


def test_pruned_catalogues_hold_no_prose_and_give_the_same_rows() -> None:
    parsed = {FILE: parse(FILE, YAML.encode()), CATALOGUES["modelscope"]: {"model_sets": []}}
    parsed[FILE]["model_sets"][1]["release_date"] = "2025-04-19"
    bodies = prune(parsed, {})
    assert "prose" not in json.dumps(bodies)
    assert translate(bodies, {}, RowLog("gpustack")) == translate(parsed, {}, RowLog("gpustack"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "specs",
                    "mode",
                    "backend",
                    "huggingface_repo_id",
                    "gpu_filters",
                    "vendor",
                    "env",
                    "size",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


@given(st.lists(VALUES, max_size=4), VALUES)
def test_any_catalogue_is_read_and_no_row_is_lost(sets: Any, drafts: Any) -> None:
    body = json.dumps({"model_sets": sets, "draft_models": drafts}).encode()
    log = RowLog("gpustack")
    tables = translate({FILE: parse(FILE, body)}, {}, log)
    assert log.rows_read == log.rows_kept + log.rows_rejected
    assert log.rows_kept == sum(map(len, tables.values()))


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(FILE, text.encode("utf-8", "replace"))
    except DocumentError as error:
        assert FILE in str(error)  # noqa: PT017
