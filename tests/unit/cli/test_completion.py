"""Tab in a shell: models by id or name, cards, and nothing but silence without a registry."""

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from modelscan_catalog.cli.main import cli
from modelscan_catalog.errors import ModelScanError


def offered(typed: str, *before: str) -> list[str]:
    found = ShellComplete(cli, {}, "modelscan", "_MODELSCAN_COMPLETE").get_completions(list(before), typed)
    return [one.value for one in found]


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models_registry.json").write_text("{}")
    ids = ("alibaba/qwen3-8b", "alibaba/qwen3-14b", "qwen3/other")
    (tmp_path / "models.jsonl").write_text("".join(f'{{"id":"{name}"}}\n' for name in ids))
    monkeypatch.setenv("MODELSCAN_OUT_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("command", [("catalog", "info"), ("fit",), ("compare", "qwen3-14b"), ("manifest",)])
def test_a_model_is_completed_by_its_id_and_by_its_name_alone(
    published: Path, command: tuple[str, ...]
) -> None:
    assert offered("alibaba/qwen3-8", *command) == ["alibaba/qwen3-8b"]
    assert offered("qwen3-8", *command) == ["alibaba/qwen3-8b"]
    assert offered("qwen3", *command) == ["alibaba/qwen3-8b", "alibaba/qwen3-14b", "qwen3/other"]


@pytest.mark.parametrize("command", ["fit", "what-fits", "plan", "manifest", "cost", "compare"])
def test_a_card_is_completed_by_its_profile(command: str) -> None:
    assert "rtx-4090" in offered("rtx-40", command, "--gpu")


def test_the_registry_that_is_named_is_the_one_that_is_read(published: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "models.jsonl").write_text('{"id":"lab/mine"}\n')
    assert offered("mi", "catalog", "info", "--registry", str(other)) == ["lab/mine"]


def test_without_a_registry_nothing_is_offered_and_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELSCAN_OUT_DIR", str(tmp_path / "none"))
    assert offered("qwen", "fit") == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("arguments", ["fit M", "what-fits", "plan M", "manifest M -t vllm"])
def test_commands_read_the_registry_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    monkeypatch.setenv("MODELSCAN_OUT_DIR", str(tmp_path / "mine"))
    with pytest.raises(ModelScanError, match=str(tmp_path / "mine")):
        cli.main([*arguments.split(), "--gpu", "l4"], standalone_mode=False)
