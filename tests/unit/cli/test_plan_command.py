"""``modelscan plan`` and ``gpus detect``: what is shown, how they exit, what they import."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from modelscan_catalog.cli.gpus import gpus
from modelscan_catalog.cli.main import main
from modelscan_catalog.cli.plan import plan
from modelscan_catalog.deploy import gpu as gpu_module
from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.plan import DeploymentPlan

MODEL = "alibaba/qwen3-8b"
Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def planned(registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small registry with what plans need besides: names of models, sellers, doubtful ids."""
    root = tmp_path_factory.mktemp("planned") / "published"
    shutil.copytree(registry, root)
    models = [json.loads(line) for line in (root / "models.jsonl").read_text().splitlines()]
    for row in models:
        row["lab"], _, row["name"] = row["id"].partition("/")
    (root / "models.jsonl").write_text(
        "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in models)
    )
    seller = {"id": "cheap", "name": "cheap", "api_type": "custom", "base_url": "https://cheap.example"}
    (root / "providers.jsonl").write_text(json.dumps(seller, separators=(",", ":")) + "\n")
    for path in (root / "offers").glob("*.jsonl"):
        row = json.loads(path.read_text()) | {"id": f"{path.stem}/qwen3-8b", "provider_model": "qwen3-8b"}
        path.write_text(json.dumps(row, separators=(",", ":")) + "\n")
    return root


@pytest.fixture
def ask(planned: Path) -> Ask:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(plan, [*arguments, "--registry", str(planned)], terminal_width=200)

    return run


def _complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on standard error that the command ends with."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_a_plan_shows_choice_memory_source_reasons_and_the_command(ask: Ask) -> None:
    result = ask(MODEL, "--gpu", "rtx-4090", "--backend", "sglang", "--quantization", "awq")
    assert result.exit_code == 0
    shown = result.output
    for part in (
        "alibaba/qwen3-8b on 1 x NVIDIA GeForce RTX 4090: fits",
        "Qwen/Qwen3-8B-AWQ: awq (weight_only)",
        "huggingface: Qwen/Qwen3-8B-AWQ",
        "TP 1 x PP 1",
        "GiB a card (of 23.64)",
        "--context-length=",
        "- quantization: awq instead of 16-bit",
        "- engine: sglang instead of vllm",
        "python3 -m sglang.launch_server --model-path=Qwen/Qwen3-8B-AWQ",
        "cheap $0.2 / $0.2 as qwen3-8b at https://cheap.example, the cheapest of 2",
    ):
        assert part in shown, part


def test_a_refused_plan_exits_1_with_the_sum_and_what_would_work(ask: Ask) -> None:
    result = ask("deepseek/deepseek-r1", "--gpu", "rtx-4090")
    assert result.exit_code == 1
    assert "refused: it does not fit" in result.output
    assert "weights 628.88 + KV cache" in result.output
    assert "what would work" in result.output
    assert "start it here" not in result.output


def test_a_closed_model_exits_1(ask: Ask) -> None:
    result = ask("vendor/closed", "--gpu", "rtx-4090")
    assert result.exit_code == 1
    assert "closed weights" in result.output


def test_json_is_the_plan_itself(ask: Ask) -> None:
    result = ask(MODEL, "--gpu", "rtx-4090:2", "--context", "8k", "--gpu-ids", "0, 1", "--json")
    made = DeploymentPlan.model_validate_json(result.output)
    assert (made.context, made.gpu_ids, made.tensor_parallel) == (8192, ("0", "1"), 2)


def test_no_line_but_the_command_is_wider_than_the_page(ask: Ask) -> None:
    for model in (MODEL, "deepseek/deepseek-r1"):
        lines = ask(model, "--gpu", "rtx-4090").output.splitlines()
        assert all(len(line) <= 110 or line.startswith("  vllm serve") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("alibaba/qwen3-8bb", "--gpu", "t4"), "did you mean alibaba/qwen3-8b"),
        ((MODEL, "--gpu", "rtx-409"), "did you mean rtx-4090"),
        ((MODEL, "--gpu", "t4", "--source", "torrent"), "source: 'torrent' is unknown"),
        ((MODEL, "--gpu", "t4", "--source", "modelscope=x"), "source: only local takes a path"),
        ((MODEL, "--gpu", "t4", "--backend", "vllm@0.30.0", "--backend-version", "1"), "it is given twice"),
        ((MODEL, "--gpu", "t4", "--backend", "tgi"), "engine: 'tgi' is unknown"),
        ((MODEL, "--gpu", "t4", "--parameter=--foo"), "--foo is no flag of vllm"),
    ],
)
def test_questions_that_cannot_be_answered_exit_2_with_one_line(
    planned: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert words in _complaint(capsys, "plan", *arguments, "--registry", str(planned))


def test_without_a_gpu_the_line_says_how_to_name_one(
    planned: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "modelscan_catalog.deploy.detect.detect", lambda: gpu_module.Detection((), "no driver")
    )
    assert "--gpu rtx-4090" in _complaint(capsys, "plan", MODEL, "--registry", str(planned))


def test_the_machines_cards_are_the_default(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    card = observed("0", "NVIDIA L40S", total_gib=44.4, free_gib=44.0)
    monkeypatch.setattr("modelscan_catalog.deploy.detect.detect", lambda: gpu_module.Detection((card,)))
    made = DeploymentPlan.model_validate_json(ask(MODEL, "--json").output)
    assert (made.gpu_profile_id, made.gpu_ids, made.detected) == ("l40s", ("0",), True)


def test_planning_imports_neither_dagster_nor_pandas(planned: Path) -> None:
    code = (
        "import sys\nfrom modelscan_catalog.cli.main import cli\n"
        f"cli(['plan', '{MODEL}', '--gpu', 't4', '--registry', {str(planned)!r}], standalone_mode=False)\n"
        "print([name for name in ('dagster', 'pandas', 'duckdb', 'huggingface_hub') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def _detect(monkeypatch: pytest.MonkeyPatch, *found: gpu_module.DetectedGpu, **more: Any) -> Ask:
    monkeypatch.setattr(gpu_module, "detect_gpus", lambda: gpu_module.Detection(found, **more))
    return lambda *arguments: CliRunner().invoke(gpus, ["detect", *arguments], env={"COLUMNS": "160"})


def test_detect_shows_cards_with_profile_memory_and_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    card = observed("0", "NVIDIA GB10", total_gib=119.68, free_gib=90.0, unified=True, driver="580.95")
    odd = observed("1", "Quantum Abacus", vendor="nvidia", total_gib=24.0)
    result = _detect(monkeypatch, card, odd, problems=("nvidia-smi: exit 9",))()
    assert result.exit_code == 0
    for part in ("gb10", "unified", "119.7", "580.95", "custom", "note: nvidia-smi: exit 9"):
        assert part in result.output


def test_detect_as_json_carries_custom_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = observed("0", "Quantum Abacus", vendor="nvidia", total_gib=24.0)
    blank = observed("1", "Blank", vendor="nvidia")
    first, second = json.loads(_detect(monkeypatch, odd, blank)("--json").output)["gpus"]
    assert first["custom_profile"]["id"] == "custom-quantum-abacus-24gb"
    assert second["custom_profile"] is None


def test_no_gpu_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _detect(monkeypatch, note="no driver")()
    assert result.exit_code == 0
    assert "No GPU found: no driver" in result.output


def test_a_clusters_cards_are_shown_by_machine(tmp_path: Path) -> None:
    device = {"name": "NVIDIA L4", "vendor": "nvidia", "memory": {"total": 24 << 30, "used": 0}}
    worker = {"name": "w1", "status": {"gpu_devices": [device, device | {"index": 1}]}}
    path = tmp_path / "workers.json"
    path.write_text(json.dumps({"items": [worker]}))
    result = CliRunner().invoke(gpus, ["detect", "--from", str(path)], env={"COLUMNS": "160"})
    assert result.exit_code == 0
    row = next(line for line in result.output.splitlines() if "w1" in line)
    assert row.split()[:4] == ["w1", "2", "NVIDIA", "L4"]
