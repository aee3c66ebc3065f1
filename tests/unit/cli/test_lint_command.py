"""``modelscan lint``: names the fault and the file; exit code 1 only for errors."""

import json
from pathlib import Path

from click.testing import CliRunner

from modelscan_catalog.cli.lint import lint
from modelscan_catalog.errors import CheckFailedError

BODY = {
    "name": "m", "source": "huggingface", "huggingface_repo_id": "a/b", "backend": "vLLM",
    "backend_parameters": ["--max-model-len=4096"],
}  # fmt: skip


def write(path: Path, **changes: object) -> str:
    path.write_text(json.dumps(BODY | changes))
    return str(path)


def test_a_good_body_passes(tmp_path: Path) -> None:
    done = CliRunner().invoke(lint, [write(tmp_path / "ok.json")])
    assert done.exit_code == 0
    assert "nothing wrong" in done.output


def test_a_refused_flag_is_named_with_its_file(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.json", backend_parameters=["--port=1"])
    done = CliRunner().invoke(lint, [path])
    assert isinstance(done.exception, CheckFailedError)
    assert "bad.json" in done.output
    assert "--port" in done.output


def test_findings_come_as_json(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.json", backend="vllm")
    done = CliRunner().invoke(lint, [path, "--json"])
    (found,) = json.loads(done.output)
    assert found["finding"]["severity"] == "error"
    assert found["path"] == path
