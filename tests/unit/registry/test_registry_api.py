"""Claims about the Python API of the published registry."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelscan_catalog.errors import OverrideError, PublishError, UnknownIdError
from modelscan_catalog.registry import (
    Registry,
    get_model,
    get_registry,
    resolve_config,
    validate_model_for_inference,
    validate_model_for_training,
)

QWEN = "Qwen/Qwen3-8B"


@pytest.fixture
def registry(published: Path) -> Registry:
    return Registry(published)


@pytest.mark.parametrize("spelling", [QWEN, "qwen/qwen3-8b", "alibaba/qwen3-8b", " Qwen/Qwen3-8B "])
def test_every_spelling_of_an_id_leads_to_the_official_checkpoint(registry: Registry, spelling: str) -> None:
    assert registry.get_model(spelling).id == QWEN


def test_every_alias_in_the_crosswalk_resolves_to_a_checkpoint_of_its_own_model(registry: Registry) -> None:
    open_models = {
        row["id"]: row["variants"] for row in registry.files.rows("models.jsonl") if row["variants"]
    }
    for link in registry.files.rows("crosswalk.jsonl"):
        if link["model"] in open_models:
            assert registry.get_model(f"{link['kind']}:{link['id']}").id in open_models[link["model"]]


def test_a_model_has_the_properties_that_the_view_states(registry: Registry) -> None:
    model = registry.get_model(QWEN)
    assert (model.category, model.is_vision_model, model.is_quantized) == ("text-llm", False, False)
    assert model.requirements.min_vram_gb is not None
    assert model.capabilities.function_calling is True
    assert model.capabilities.streaming is None
    assert model.get_training_hyperparameters() == {}
    assert model.get_lora_config() == {}
    assert model.supports_selective_loss is False
    assert model.get_inference_config()["max_model_len"] == 40960


def test_changing_a_returned_configuration_leaves_the_registry_as_it_is(registry: Registry) -> None:
    registry.get_model(QWEN).get_inference_config()["max_model_len"] = 1
    assert registry.get_model(QWEN).get_inference_config()["max_model_len"] == 40960


def test_categories_tags_and_status_select_checkpoints(registry: Registry) -> None:
    everything = registry.get_all_models()
    by_category = [m for name in registry.categories for m in registry.get_models_by_category(name)]
    assert sorted(m.id for m in by_category) == [m.id for m in everything] == [m.id for m in registry.list()]
    assert all(m.is_vision_model for m in registry.get_vision_models())
    assert QWEN in {m.id for m in registry.get_text_models()}
    assert all("tools" in m.tags for m in registry.get_models_by_tag("tools"))
    assert registry.get_models_by_tag("no-such-tag") == []
    assert QWEN in {m.id for m in registry.get_recommended_models()}
    assert all(m.status in (None, "stable") for m in registry.get_stable_models())
    with pytest.raises(UnknownIdError, match="text-llm"):
        registry.get_models_by_category("llms")


def test_unknown_and_closed_models_are_refused_with_the_reason(registry: Registry) -> None:
    with pytest.raises(UnknownIdError, match=r"did you mean .*qwen3-8b"):
        registry.get_model("alibaba/qwen3-8c")
    with pytest.raises(UnknownIdError, match="weights are closed"):
        registry.get_model("openai/gpt-4o")
    assert registry.get("no/such-thing") is None


def test_training_is_never_guessed(registry: Registry) -> None:
    valid, error = validate_model_for_training(QWEN, registry)
    assert not valid
    assert error is not None
    assert "no source says" in error


def test_inference_is_judged_by_recipes_or_by_the_planner(registry: Registry) -> None:
    assert validate_model_for_inference(QWEN, registry=registry) == (True, None)
    assert validate_model_for_inference(QWEN, "rtx-4090", registry=registry) == (True, None)
    valid, error = validate_model_for_inference("deepseek/deepseek-r1", "rtx-4090", registry=registry)
    assert not valid
    assert "GiB a card are missing" in str(error)
    assert validate_model_for_inference(QWEN, "rtx-9999", registry=registry)[0] is False
    assert validate_model_for_inference("no/such-thing", registry=registry)[0] is False


def test_settings_for_named_cards_come_from_the_planner(registry: Registry) -> None:
    config = registry.get_model(QWEN).get_inference_config("rtx-4090:2")
    assert config["tensor_parallel_size"] == 2
    assert "--tensor-parallel-size=2" in config["flags"]


def test_overrides_merge_deep_and_say_what_they_changed(registry: Registry) -> None:
    found = resolve_config(QWEN, {"inference_defaults": {"max_model_len": 8192}}, registry)
    assert found.config["inference_defaults"]["max_model_len"] == 8192
    assert found.config["inference_defaults"]["dtype"] == "auto"
    assert [(c.field, c.before, c.after) for c in found.overridden] == [
        ("inference_defaults.max_model_len", 40960, 8192)
    ]


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"inference_defaults": {"max_model_len": "long"}}, "inference_defaults.max_model_len"),
        ({"inference_defaults": {"speed": 1}}, "inference_defaults.speed"),
        ({"capabilities": None}, "capabilities"),
        ({"id": "other/name"}, "id"),
    ],
)
def test_an_override_that_does_not_fit_is_refused_by_field(
    registry: Registry, overrides: dict[str, object], field: str
) -> None:
    with pytest.raises(OverrideError, match=f"field {field}"):
        resolve_config(QWEN, overrides, registry)


def test_a_users_overlay_changes_and_adds_models(published: Path, tmp_path: Path) -> None:
    own = Registry(published).row(QWEN) | {"id": "me/mine", "training_defaults": {"lora_config": {"r": 16}}}
    own["capabilities"] = own["capabilities"] | {"training": True}
    overlays = tmp_path / "overlays"
    overlays.mkdir()
    mine = {name: value for name, value in own.items() if name != "id"}
    (overlays / "a.json").write_text(json.dumps({"models": {"me/mine": mine}}))
    (overlays / "b.json").write_text(json.dumps({"models": {QWEN: {"tags": ["recommended"]}}}))
    registry = Registry(published, overlays)
    assert registry.get_model("me/mine").get_lora_config() == {"r": 16}
    assert validate_model_for_training("me/mine", registry) == (True, None)
    assert registry.get_model(QWEN).tags == ("recommended",)
    (overlays / "c.json").write_text("{")
    with pytest.raises(OverrideError, match=r"c\.json"):
        Registry(published, overlays)


def test_a_missing_registry_is_a_file_not_found_error_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Registry not found: .*modelscan build"):
        Registry(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"models": []}', '{"models": {"a": 1}}'])
def test_a_damaged_registry_is_named_never_served_half(published: Path, content: str) -> None:
    (published / "models_registry.json").write_text(content)
    with pytest.raises(PublishError, match=r"models_registry\.json.*modelscan build"):
        Registry(published).get_all_models()


def test_get_registry_reads_once_and_anew_after_a_publish(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCAN_OUT_DIR", str(published))
    first = get_registry()
    assert get_registry() is first
    assert get_model(QWEN).id == QWEN
    view = json.loads((published / "models_registry.json").read_text())
    view["version"] = "2.0.0"
    (published / "next").write_text(json.dumps(view))
    (published / "next").replace(published / "models_registry.json")
    assert get_registry().version == "2.0.0"


def test_opening_imports_nothing_heavy(published: Path) -> None:
    code = (
        "import sys; from modelscan_catalog.registry import Registry; from pathlib import Path;"
        f"Registry(Path({str(published)!r})).get_model('{QWEN}');"
        "print([m for m in ('pandas','pyarrow','dagster','pydantic','numpy','duckdb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_opening_a_registry_of_2000_checkpoints_takes_under_50_ms(published: Path) -> None:
    view = json.loads((published / "models_registry.json").read_text())
    view["models"] = {
        f"owner/name-{n}": view["models"][QWEN] | {"id": f"owner/name-{n}"} for n in range(2000)
    }
    (published / "models_registry.json").write_text(json.dumps(view))
    fastest = 1.0
    for _ in range(5):
        started = time.process_time()
        assert Registry(published).get_model("owner/name-7").id == "owner/name-7"
        fastest = min(fastest, time.process_time() - started)
    assert fastest < 0.05
