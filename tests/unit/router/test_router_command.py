"""``modelscan router --export`` prints what another gateway reads, and nothing else, on standard output."""

import yaml
from click.testing import CliRunner
from router_samples import sample_config

from modelscan_catalog.cli.router import router
from modelscan_catalog.router.config import config_bytes


def test_given_a_configuration_when_exported_then_yaml_is_printed_and_what_is_left_out_is_told_apart(
    tmp_path,
):
    path = tmp_path / "router.json"
    path.write_bytes(config_bytes(sample_config()))
    result = CliRunner().invoke(router, ["--config", str(path), "--export", "litellm"])
    assert result.exit_code == 0
    assert len(yaml.safe_load(result.stdout)["model_list"]) == 4
    assert result.stderr.splitlines() == [
        "left out: filed: its key lies in a file",
        "left out: local/off/vllm: it is not enabled",
    ]


def test_given_an_unknown_format_when_exported_then_the_known_ones_are_told(tmp_path):
    path = tmp_path / "router.json"
    path.write_bytes(config_bytes(sample_config()))
    result = CliRunner().invoke(router, ["--config", str(path), "--export", "portkey"])
    assert result.exit_code == 2
    assert "production-stack" in result.stderr
