"""Provenance: every published field leads to the document that said it."""

from collections.abc import Iterable

import pytest

from merge_rows import hf_repo, small_world  # isort: skip
from modelscan_catalog.merge.catalogue import Catalogue, merge_catalogue
from modelscan_catalog.merge.documents import fetch_times, source_documents
from modelscan_catalog.records import Provenance

DAY = "2026-09-30T00:00:00Z"


def source_of_field(provenance: Iterable[Provenance], record: str, field: str) -> Provenance | None:
    """The row that says where one field of one record comes from; None for a record that no row covers.

    The field's own row goes before the record's ``*``, and this before a wildcard over records.
    """
    best: tuple[int, Provenance] | None = None
    for row in provenance:
        exact = row.record == record
        if not exact and not (row.record.endswith("*") and record.startswith(row.record[:-1])):
            continue
        parts = field.split(".")
        if row.field not in ("*", *(".".join(parts[: n + 1]) for n in range(len(parts)))):
            continue
        rank = 4 * exact + (0 if row.field == "*" else 1 + row.field.count("."))
        if best is None or rank > best[0]:
            best = (rank, row)
    return best[1] if best else None


def entry(name: str, url: str, at: str = DAY) -> dict[str, str]:
    return {"name": name, "url": f"https://{url}", "fetched_at": at, "sha256": "a" * 64}


DOCUMENTS = [
    *source_documents("models_dev", [entry("api.json", "m/api.json"), entry("models.json", "m/models.json")]),
    *source_documents(
        "gpustack",
        [entry("model-catalog.yaml", "g/hf.yaml"), entry("model-catalog-modelscope.yaml", "g/ms.yaml")],
    ),
    *source_documents(
        "huggingface",
        [
            entry("author/Qwen/1", "hf/api/models?author=Qwen&expand[]=tags&expand[]=sha"),
            entry("popular/text-generation/1", "hf/api/models?pipeline_tag=text-generation"),
            entry("repo/solo/Model-1B", "hf/api/models/solo/Model-1B"),
            entry("config.json/Qwen/Qwen3-8B@abc", "hf/Qwen/Qwen3-8B/resolve/abc/config.json"),
        ],
    ),
    *source_documents(
        "modelscope", [entry("detail/Qwen/Qwen3-8B", "ms/Qwen/Qwen3-8B"), entry("list/1", "ms/list")]
    ),
]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    staged = small_world()
    staged["huggingface_repos"].append(hf_repo("solo/Model-1B"))
    return merge_catalogue(staged, documents=DOCUMENTS, pairs=())


@pytest.mark.parametrize(
    ("record", "field", "url"),
    [
        ("model:openai/gpt-4o", "limits.context", "https://m/models.json"),
        ("model:alibaba/qwen3-8b", "model_type", "https://hf/api/models?author=Qwen"),
        ("model:alibaba/qwen3-8b", "limits.context", "https://hf/Qwen/Qwen3-8B/resolve/abc/config.json"),
        ("variant:Qwen/Qwen3-8B", "downloads", "https://hf/api/models?author=Qwen"),
        ("variant:Qwen/Qwen3-8B", "context", "https://hf/Qwen/Qwen3-8B/resolve/abc/config.json"),
        ("variant:solo/Model-1B", "downloads", "https://hf/api/models/solo/Model-1B"),
        (
            "variant:someone/Qwen3-8B-Roleplay",
            "license",
            "https://hf/api/models?pipeline_tag=text-generation",
        ),
        ("variant:lonely/Thing-1B", "license", "https://ms/list"),
        ("variant:vllm-ascend/Qwen3-8B-W8A8", "quantization.bits", "https://g/ms.yaml"),
        ("offer:shop/mystery", "price.input", "https://m/api.json"),
        ("provider:shop", "base_url", "https://m/api.json"),
        ("deployment:gpustack/huggingface/qwen3-8b/0", "mode", "https://g/hf.yaml"),
        ("deployment:gpustack/modelscope/qwen3-8b/0", "mode", "https://g/ms.yaml"),
    ],
)
def test_a_field_leads_to_its_document(catalogue: Catalogue, record: str, field: str, url: str) -> None:
    row = source_of_field(catalogue.provenance, record, field)
    assert row is not None
    assert row.url == url


def test_every_record_has_provenance(catalogue: Catalogue) -> None:
    records = [
        *(f"model:{r.id}" for r in catalogue.models),
        *(f"variant:{r.id}" for r in catalogue.variants),
        *(f"offer:{r.id}" for r in catalogue.offers),
        *(f"deployment:{r.id}" for r in catalogue.deployments),
    ]
    assert [r for r in records if source_of_field(catalogue.provenance, r, "id") is None] == []


def test_a_record_that_no_row_covers_has_none(catalogue: Catalogue) -> None:
    assert source_of_field(catalogue.provenance, "model:no/such", "name") is None


def test_the_latest_document_dates_a_source() -> None:
    documents = source_documents("gpustack", [entry("a", "x", "2026-01-01"), entry("b", "y", "2026-02-01")])
    assert fetch_times(documents) == {"gpustack": "2026-02-01"}
