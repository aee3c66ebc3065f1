"""``modelscan fit``: what it answers, how it refuses, what it may import and how long it may take."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from modelscan_catalog.cli.fit import fit
from modelscan_catalog.cli.main import main
from modelscan_catalog.fit.known import known_config

FORBIDDEN = ("dagster", "pandas", "pyarrow", "duckdb", "pydantic", "yaml", "rich")


def ask(registry: Path, *arguments: str, source: str | None = None) -> Result:
    return CliRunner().invoke(fit, [*arguments, "--registry", str(registry)], input=source)


def answer(registry: Path, *arguments: str) -> Any:
    result = ask(registry, *arguments, "--json")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return json.loads(result.output)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on standard error that the command ends with."""
    with pytest.raises(SystemExit) as ended:
        main(["fit", *arguments])
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    known = known_config("Qwen/Qwen3-8B")
    assert known is not None
    path = tmp_path / "config.json"
    path.write_text(json.dumps(known.config))
    return path


def test_a_repository_that_fits_is_answered_with_its_terms(registry: Path) -> None:
    result = ask(registry, "Qwen/Qwen3-8B", "--gpu", "rtx-4090")
    assert result.exit_code == 0
    for word in (
        "fits",
        "weights",
        "activation peak",
        "KV cache",
        "budget",
        "longest context",
        "--max-model-len",
    ):
        assert word in result.output
    assert max(map(len, result.output.splitlines())) <= 110


def test_the_terms_in_json_add_up_to_the_need_and_stay_within_the_budget(registry: Path) -> None:
    found = answer(registry, "Qwen/Qwen3-8B", "--gpu", "rtx-4090")
    terms = [found[name] for name in found["formulas"]]
    assert sum(terms) == pytest.approx(found["required_gib"], abs=0.01)
    assert found["required_gib"] < found["budget_gib"] < found["card_gib"]
    assert found["headroom_gib"] == pytest.approx(found["budget_gib"] - found["required_gib"], abs=0.001)


def test_a_repository_means_that_checkpoint_and_a_model_leaves_the_choice(registry: Path) -> None:
    asked = ("--gpu", "t4", "--context", "8k")
    assert answer(registry, "Qwen/Qwen3-8B", *asked)["verdict"] == "does_not_fit"
    chosen = answer(registry, "alibaba/qwen3-8b", *asked)
    assert (chosen["verdict"], chosen["variant"]) == ("fits", "Qwen/Qwen3-8B-AWQ")


@pytest.mark.parametrize("name", ["shop/qwen-3-8b", "QWEN/QWEN3-8B", "qwen/Qwen3-8B-MS", "alibaba/qwen3-8b"])
def test_every_id_of_a_model_leads_to_it(registry: Path, name: str) -> None:
    assert answer(registry, name, "--gpu", "h100-80gb")["model"] == "alibaba/qwen3-8b"


def test_r1_on_one_24_gib_card_is_refused_with_the_sum_and_what_would_run(registry: Path) -> None:
    result = ask(registry, "deepseek-ai/DeepSeek-R1", "--gpu", "rtx-4090")
    assert result.exit_code == 3
    assert "does not fit" in result.output
    assert "missing" in result.output
    assert "what would run instead" in result.output
    found = answer(registry, "deepseek-ai/DeepSeek-R1", "--gpu", "rtx-4090")
    assert found["missing_gib"] > 600
    assert all(one["verdict"] in ("fits", "tight") for one in found["alternatives"])
    assert {one["gpu"] for one in found["alternatives"]} >= {"h200-141gb"}


def test_a_checkpoint_that_does_not_fit_offers_its_smaller_sibling(registry: Path) -> None:
    found = answer(registry, "Qwen/Qwen3-8B", "--gpu", "t4", "--context", "8k")
    assert found["alternatives"][0]["variant"] == "Qwen/Qwen3-8B-AWQ"
    assert found["alternatives"][0]["gpu"] == "t4"


def test_fp8_on_ampere_is_weight_only_and_says_why(registry: Path, config_file: Path) -> None:
    del registry
    found = CliRunner().invoke(
        fit, ["--config", str(config_file), "--quantization", "fp8", "--gpu", "a100-80gb", "--json"]
    )
    document = json.loads(found.output)
    assert (document["verdict"], document["support"]) == ("fits", "weight_only")
    assert any("16 bit" in reason for reason in document["reasons"])


@pytest.mark.parametrize(
    ("gpu", "quantization", "support"),
    [
        ("h100-80gb", "nvfp4", "weight_only"),
        ("b200-180gb", "nvfp4", "native"),
        ("h100-80gb", "fp8", "native"),
    ],
)
def test_the_kind_of_support_follows_the_card(
    config_file: Path, gpu: str, quantization: str, support: str
) -> None:
    arguments = ["--config", str(config_file), "--quantization", quantization, "--gpu", gpu, "--json"]
    assert json.loads(CliRunner().invoke(fit, arguments).output)["support"] == support


def test_a_mig_slice_is_a_small_card_of_its_own(registry: Path) -> None:
    found = answer(registry, "vendor/Tiny-0.6B", "--gpu", "a100-80gb-mig-1g.10gb")
    assert found["verdict"] == "fits"
    assert found["card_gib"] < 10
    assert ask(registry, "vendor/Tiny-0.6B", "--gpu", "a100-80gb-mig-1g.10gb:2").exit_code == 3


def test_unified_memory_is_said_and_reserved(registry: Path) -> None:
    found = answer(registry, "Qwen/Qwen3-8B", "--gpu", "gb10")
    assert found["platform_gib"] > 0
    assert any("unified memory" in reason for reason in found["reasons"])


def test_apple_cards_want_gguf_files(registry: Path) -> None:
    result = ask(registry, "Qwen/Qwen3-8B", "--gpu", "apple-m3-max")
    assert result.exit_code == 3
    assert "GGUF" in result.output


def test_a_checkpoint_of_unknown_storage_is_unknown_and_says_so(registry: Path) -> None:
    result = ask(registry, "vendor/Tiny-MLX", "--gpu", "rtx-4090")
    assert result.exit_code == 4
    assert "MLX" in result.output


def test_cost_compares_the_cards_with_the_cheapest_sellers(registry: Path) -> None:
    cost = answer(registry, "Qwen/Qwen3-8B", "--gpu", "rtx-4090")["cost"]
    assert [one["seller"] for one in cost["offers"]] == ["cheap", "dear"]
    assert cost["offers"][0]["break_even_load"]["point"] > cost["offers"][1]["break_even_load"]["point"]


def test_flags_name_the_split_and_the_length(registry: Path) -> None:
    vllm = answer(
        registry, "Qwen/Qwen3-8B", "--gpu", "rtx-4090:2", "--context", "16k", "--engine", "vllm@0.22.1"
    )
    assert {"--tensor-parallel-size=2", "--max-model-len=16384"} <= set(vllm["flags"])
    assert vllm["engine_version"] == "0.22.1"
    sglang = answer(
        registry, "Qwen/Qwen3-8B", "--gpu", "rtx-4090:2", "--context", "16k", "--engine", "sglang"
    )
    assert {"--tp-size=2", "--context-length=16384"} <= set(sglang["flags"])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("Qwen/Qwen3-8B", "--gpu", "rtx-9999"), "gpu"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090:0"), "gpu"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--context", "-5"), "context"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--context", "long"), "context"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--concurrency", "-1"), "concurrency"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--tp", "-1"), "tp"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--utilization", "nan"), "gpu_memory_utilization"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--goal", "fast"), "goal"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--engine", "tgi"), "engine"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--engine", "vllm@abc"), "engine_version"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--engine", "vllm@99.1"), "engine_version"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--kv-cache-dtype", "int3"), "kv_cache_dtype"),
        (("alibaba/qwen3-8b", "--gpu", "rtx-4090", "--quantization", "nvfp4"), "quantization"),
        (("alibaba/qwen3-8b", "--gpu", "rtx-4090", "--variant", "a/b"), "variant"),
        (("vendor/closed", "--gpu", "rtx-4090"), "model"),
        (("--gpu", "rtx-4090"), "model"),
        (("Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--parameters", "5"), "parameters"),
        (("Qwen/Qwen3-8B", "--out", "answers.jsonl"), "out"),
        (("Qwen/Qwen3-8B", "--config", "config.json", "--gpu", "rtx-4090"), "model"),
        (("--batch", "requests.jsonl", "--context", "8k"), "context"),
    ],
)
def test_bad_input_ends_in_one_line_that_names_the_field(
    registry: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], field: str
) -> None:
    assert complaint(capsys, *arguments, "--registry", str(registry)).startswith(f"error: {field}")


def test_without_a_gpu_the_error_says_how_to_name_one(
    registry: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelscan_catalog.deploy import gpu

    monkeypatch.setattr(gpu, "detect_gpus", lambda: gpu.Detection((), "no driver"))
    assert "--gpu" in complaint(capsys, "Qwen/Qwen3-8B", "--registry", str(registry))


def test_the_gpus_of_the_machine_are_taken_when_none_is_named(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelscan_catalog.deploy import gpu

    card = gpu.DetectedGpu("0", "NVIDIA GeForce RTX 4090", None, None, "8.9", 23.6, 23.0, False, "rtx-4090")
    monkeypatch.setattr(gpu, "detect_gpus", lambda: gpu.Detection((card, card)))
    found = answer(registry, "Qwen/Qwen3-8B")
    assert (found["gpu"], found["gpu_count"]) == ("rtx-4090", 2)


def test_a_missing_registry_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(capsys, "Qwen/Qwen3-8B", "--gpu", "t4", "--registry", str(tmp_path / "none"))
    assert "models.jsonl" in line
    assert "modelscan build" in line


def test_a_damaged_line_is_named(registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(registry, broken)
    text = (broken / "variants.jsonl").read_text()
    (broken / "variants.jsonl").write_text(text.replace("16381470720,", "16381470720"))
    line = complaint(capsys, "Qwen/Qwen3-8B", "--gpu", "t4", "--registry", str(broken))
    assert "variants.jsonl:1" in line


def test_a_config_needs_no_registry_and_agrees_with_the_catalogue(registry: Path, config_file: Path) -> None:
    index = config_file.with_name("index.json")
    index.write_text(json.dumps({"metadata": {"total_size": 16381470720}, "weight_map": {}}))
    arguments = [
        "--config",
        str(config_file),
        "--safetensors-index",
        str(index),
        "--gpu",
        "rtx-4090",
        "--json",
    ]
    alone = json.loads(CliRunner().invoke(fit, [*arguments, "--registry", "/nonexistent"]).output)
    known = answer(registry, "Qwen/Qwen3-8B", "--gpu", "rtx-4090")
    assert alone["verdict"] == known["verdict"]
    assert alone["weights_gib"] == pytest.approx(known["weights_gib"], rel=1e-3)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"hidden_size": -4096, "num_hidden_layers": 2, "num_attention_heads": 2}', "config.hidden_size"),
        ('{"hidden_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1000000000}',
         "config.num_hidden_layers"),
        ('{"pad": "' + "x" * 3_000_000 + '"}', "3.0 MB"),
        ('{"a":' * 50_000, "not JSON"),
        ("[1, 2]", "no JSON object"),
        ("\x00\xff", "not JSON"),
    ],
)  # fmt: skip
def test_an_absurd_config_ends_in_one_line_that_names_the_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, says: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(content, "latin-1")
    line = complaint(capsys, "--config", str(path), "--gpu", "rtx-4090")
    assert says in line
    assert line.startswith("error: config")


def test_an_unread_architecture_is_unknown_and_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "frobnicate", "hidden_size": 1024}')
    result = CliRunner().invoke(fit, ["--config", str(path), "--gpu", "rtx-4090"])
    assert result.exit_code == 4
    assert "num_hidden_layers" in result.output


def test_a_batch_keeps_every_line_in_order(registry: Path, tmp_path: Path) -> None:
    requests, answers = tmp_path / "requests.jsonl", tmp_path / "answers.jsonl"
    lines = [
        '{"id":"a","model":"Qwen/Qwen3-8B","gpu":"rtx-4090","max_model_len":8192}',
        "not json",
        '{"id":"b","model":"Qwen/Qwen3-8B","gpu":"rtx-4090","max_model_len":-5}',
        '{"id":"c","model":"Qwen/Qwen3-8B","gpu":"rtx-9999"}',
        "[]",
        '{"id":"d","model":"vendor/Tiny-0.6B","gpu":"rtx-4090","max_model_len":8192}',
        '{"id":"e","model":"no/such","gpu":"rtx-4090"}',
        "[" * 50_000,
    ]
    requests.write_text("\n".join(lines) + "\n")
    result = ask(registry, "--batch", str(requests), "--out", str(answers))
    assert result.exit_code == 0
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    verdicts = ["fits", "unknown", "unknown", "unknown", "unknown", "fits", "unknown", "unknown"]
    assert [row["verdict"] for row in rows] == verdicts
    assert [row["id"] for row in rows if row["id"]] == ["a", "b", "c", "d", "e"]
    assert "line 2" in rows[1]["reason"]
    assert "max_model_len" in rows[2]["reason"]
    assert "gpu" in rows[3]["reason"]
    assert "8 requests" in result.stderr


def test_a_batch_takes_from_the_registry_what_a_request_lacks(registry: Path, tmp_path: Path) -> None:
    line = '{"id":"d","model":"vendor/Tiny-0.6B","gpu":"rtx-4090","max_model_len":8192}\n'
    known = json.loads(ask(registry, "--batch", "-", source=line).stdout)
    assert known["weights_gib"] == pytest.approx(596049920 * 2 / 2**30, rel=0.05)
    bare = ask(tmp_path / "none", "--batch", "-", source=line)
    assert json.loads(bare.stdout)["verdict"] == "unknown"
    assert "not looked up" in bare.stderr


def test_a_batch_that_cannot_be_written_leaves_nothing_behind(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = tmp_path / "requests.jsonl"
    requests.write_text("{}\n")
    arguments = ("--batch", str(requests), "--registry", str(registry))
    assert complaint(capsys, *arguments, "--out", str(tmp_path / "no" / "out.jsonl")).startswith("error: out")
    assert complaint(capsys, "--batch", str(tmp_path / "none"), "--out", "-").startswith("error: batch")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["requests.jsonl"]


def _run(code: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )


def _cold(registry: Path, after: str = "") -> str:
    arguments = ["fit", "Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--registry", str(registry)]
    return (
        f"import sys\nfrom modelscan_catalog.cli.main import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as end: assert end.code == 0\n{after}"
    )


def test_one_answer_imports_nothing_heavy(registry: Path) -> None:
    after = f"print([name for name in {FORBIDDEN!r} if name in sys.modules], file=sys.stderr)"
    assert _run(_cold(registry, after)).stderr.strip() == "[]"


def test_one_answer_costs_little_more_than_its_imports_of_numpy_and_click(registry: Path) -> None:
    def fastest(code: str) -> float:
        spent = []
        for _ in range(5):
            started = time.perf_counter()
            _run(code)
            spent.append(time.perf_counter() - started)
        return min(spent)

    _run(_cold(registry))  # compiles
    assert fastest(_cold(registry)) < 3.5 * fastest("import numpy, click")
