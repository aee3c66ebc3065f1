"""Which repositories are asked for: what others name, in every spelling; no path that leads elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.records import Record
from modelscan_catalog.sources.repository_selection import (
    huggingface_selection,
    is_repo_id,
    modelscope_selection,
)
from modelscan_catalog.sources.staged import (
    GpustackDraftModel,
    GpustackSpec,
    ModelsDevLabModel,
    ModelsDevOffer,
)


def spec(catalogue: str, repo: str) -> GpustackSpec:
    return GpustackSpec(
        catalogue=catalogue, set_name="S", position=0, mode="standard", repo=repo, backend="vLLM"
    )


def lab_model(*urls: str) -> ModelsDevLabModel:
    return ModelsDevLabModel(id="lab/m", name="M", weights_urls=urls)


TABLES: dict[str, dict[str, list[Record]]] = {
    "gpustack": {
        "specs": [spec("huggingface", "Own/A"), spec("modelscope", "Alias/B")],
        "draft_models": [
            GpustackDraftModel(catalogue="huggingface", name="D", algorithm="eagle3", repo="Own/D")
        ],
    },
    "models_dev": {
        "lab_models": [
            lab_model(
                "https://huggingface.co/Lab/W",
                "https://huggingface.co/Lab/X/tree/main",
                "https://huggingface.co/Lab/Y/",
                "https://modelscope.cn/models/Lab/Z",
                "https://evil.example/huggingface.co/Lab/E",
                "https://huggingface.co/../../etc",
            )
        ],
        "offers": [
            ModelsDevOffer(provider="huggingface", id="Own/Sold:fast", name="S"),
            ModelsDevOffer(provider="other", id="Own/Elsewhere", name="E"),
        ],
    },
}


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    (tmp_path / "registry" / "merge").mkdir(parents=True)
    aliases = {"aliases": [{"modelscope": "Alias", "huggingface": "Real"}, {"modelscope": 3}, "x"]}
    (tmp_path / "registry" / "merge" / "owner_aliases.json").write_text(json.dumps(aliases))
    return tmp_path / "registry"


def test_recipes_links_and_the_hub_own_seller_name_repositories(registry: Path, make_settings: Any) -> None:
    found = huggingface_selection(make_settings(), TABLES, set())
    assert found.named == {"Own/A", "Own/D", "Lab/W", "Lab/Y", "Own/Sold"}
    assert found.launched == {"Own/A", "Own/D"}


def test_twins_have_the_same_name_under_the_owner_and_its_aliases(registry: Path, make_settings: Any) -> None:
    found = huggingface_selection(make_settings(), TABLES, {"Same/C"})
    assert found.twins == {"Alias/B", "Real/B", "Same/C"}
    back = modelscope_selection(
        make_settings(), {"gpustack": {"specs": [spec("huggingface", "Real/B")], "draft_models": []}}
    )
    assert back.twins == {"Real/B", "Alias/B"}
    assert modelscope_selection(make_settings(), TABLES).named == {"Alias/B", "Lab/Z"}


def test_the_watchlist_adds_to_what_is_named(registry: Path, make_settings: Any) -> None:
    (registry / "watchlist.json").write_text(json.dumps({"huggingface": ["Own/Watched"]}))
    assert "Own/Watched" in huggingface_selection(make_settings(), {}, set()).launched


@pytest.mark.parametrize(
    "content",
    ['{"huggingface": ["no slash"]}', '{"huggingface": "Own/A"}', "[]", "{", '{"huggingface": [3]}'],
)
def test_a_malformed_watchlist_is_an_error_that_names_the_file(
    registry: Path, make_settings: Any, content: str
) -> None:
    (registry / "watchlist.json").write_text(content)
    with pytest.raises(SettingsError, match=r"watchlist\.json"):
        huggingface_selection(make_settings(), {}, set())


@pytest.mark.parametrize(
    "text",
    [
        "../etc",
        "a/../b",
        "a/..",
        "a/.git",
        "/a/b",
        "a/b/c",
        "a/b?x",
        "a/b#c",
        "a b/c",
        "",
        "a",
        "a/\n",
        None,
        3,
    ],
)
def test_what_could_lead_elsewhere_in_a_url_is_no_repository_id(text: Any) -> None:
    assert not is_repo_id(text)


@pytest.mark.parametrize("text", ["Qwen/Qwen3-8B", "01-ai/Yi-1.5", "nvidia/Llama-3_3-Nemotron", "a/b.c"])
def test_real_ids_are_repository_ids(text: str) -> None:
    assert is_repo_id(text)
