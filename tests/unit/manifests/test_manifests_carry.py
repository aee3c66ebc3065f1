"""Only structure and facts of a recorded contract are carried, never its prose."""

import json
import zipfile

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from modelscan_catalog.cli.contracts import contracts
from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.carry import carry_vllm
from modelscan_catalog.manifests.carry_schemas import carry_kubernetes_model, compact_schema
from modelscan_catalog.manifests.carry_vllm_models import carry_models
from modelscan_catalog.manifests.carry_vllm_types import carry_types
from modelscan_catalog.settings import REPOSITORY_ROOT


def test_given_a_crd_schema_when_compacted_then_unknown_fields_are_refused_and_prose_is_gone():
    part = {
        "type": "object",
        "description": "words",
        "properties": {name: {"type": "string", "description": "w"} for name in "abcdefgh"},
        "required": ["a"],
    }
    schema = compact_schema(
        {
            "type": "object",
            "properties": {
                "first": part,
                "second": part,
                "port": {"x-kubernetes-int-or-string": True},
                "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        }
    )
    assert "words" not in str(schema)
    assert len(schema["$defs"]) == 1
    validator = Draft202012Validator(schema)
    good = {"first": {"a": "x"}, "port": "http", "open": {"any": 1}, "labels": {"k": "v"}}
    assert validator.is_valid(good)
    for field, value in {
        "first": {"b": "x"},
        "second": {"a": "x", "zz": 1},
        "port": [],
        "labels": {"k": 1},
        "unheard": 1,
    }.items():
        assert not validator.is_valid({**good, field: value}), field


def test_given_two_versions_when_carried_then_each_flag_says_which_have_it():
    matrix = {
        "1.0": {"flags": {"--old": {"deprecated": True, "short": []}, "--both": {"deprecated": False}}},
        "2.0": {"flags": {"--both": {"deprecated": True, "short": ["-b"]}, "--new": {"deprecated": False}}},
    }
    for version in matrix.values():
        version |= {"tool_parsers": ["p"], "reasoning_parsers": [], "quantization": {}, "architectures": []}
        version["deprecated_quantization"] = []
    matrix["2.0"]["tool_parsers"] = ["p", "q"]
    newest = {"flags": {"--both": {"type": "int", "default": "3", "help": "prose"}}}
    carried = carry_vllm(matrix, newest)
    assert carried["flags"] == {
        "--both": {"deprecated": ["2.0"], "aliases": ["-b"], "type": "int", "default": 3},
        "--new": {"versions": ["2.0"]},
        "--old": {"versions": ["1.0"], "deprecated": ["1.0"]},
    }
    assert carried["tool_parsers"] == {"p": None, "q": ["2.0"]}


ARG_UTILS = """
class EngineArgs:
    def add_cli_args(parser):
        kw = get_kwargs(Config)
        parser.add_argument("--count", "-c", **kw["count"])
        parser.add_argument("--length", **kw["max_model_len"])
        parser.add_argument("--share", **{**kw["share"], "default": None})
        parser.add_argument("--cache", **kw["cache"])
        parser.add_argument("--open-choice", **kw["open_choice"])
        parser.add_argument("--wide", **kw["wide"])
        parser.add_argument("--flagged", **kw["flagged"])
        parser.add_argument("--many", **kw["many"])
        parser.add_argument("--special", action="store_true", **kw["count"])
        parser.add_argument("--plain", type=int)
"""
CONFIG = """
Kind = Literal["x", "y"]
Wider = Literal["auto", Kind]
class Config:
    count: int | None = None
    max_model_len: int = 0
    share: "float" = 0.5
    cache: Optional[Kind] = None
    open_choice: Kind | str = "x"
    wide: Wider = "auto"
    flagged: bool = False
    many: list[int] = field()
class FrontendArgs:
    log_level: Literal["a", "b"] = "a"
"""


def test_given_vllms_sources_when_read_then_flags_get_the_types_and_choices_of_their_fields():
    sources = {"vllm/engine/arg_utils.py": ARG_UTILS, "vllm/config/x.py": CONFIG}
    assert carry_types(sources) == {
        "--cache": {"choices": ["x", "y"]},
        "--count": {"type": "int"},
        "--flagged": {"type": "bool"},
        "--length": {"type": "tokens"},
        "--log-level": {"choices": ["a", "b"]},
        "--share": {"type": "float"},
        "--wide": {"choices": ["auto", "x", "y"]},
    }


def test_given_a_kubernetes_object_when_carried_then_it_is_the_committed_one_and_refuses_slips():
    schema = carry_kubernetes_model("V1NetworkPolicy")
    committed = REPOSITORY_ROOT / "registry" / "contracts" / "kubernetes_networkpolicy.json"
    assert json.loads(committed.read_text()) == schema
    policy = {"podSelector": {}, "egress": [{"ports": [{"port": "dns"}], "to": [{"ipBlock": {"cidr": "x"}}]}]}
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"spec": policy})
    assert not validator.is_valid({"spec": {**policy, "egres": []}})


def test_given_a_released_wheel_when_its_types_are_asked_for_then_they_are_written_with_its_version(tmp_path):
    wheel = tmp_path / "vllm-9.8.7-cp38-abi3-linux_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("vllm/engine/arg_utils.py", ARG_UTILS)
        archive.writestr("vllm/config/x.py", CONFIG)
    out = tmp_path / "types.json"
    done = CliRunner().invoke(contracts, ["vllm-types", str(wheel), "--out", str(out)])
    assert done.output.endswith(": 7 flags\n"), done.output
    document = json.loads(out.read_text())
    assert (document["version"], document["flags"]["--count"]) == ("9.8.7", {"type": "int"})


@pytest.mark.parametrize("name", ["vllm-1.0-py3-none-any.whl", "other-1.0-py3-none-any.whl", "absent.whl"])
def test_given_what_is_no_vllm_wheel_when_its_types_are_asked_for_then_nothing_is_written(tmp_path, name):
    if name != "absent.whl":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("setup.py", "")
    out = tmp_path / "types.json"
    done = CliRunner().invoke(contracts, ["vllm-types", str(tmp_path / name), "--out", str(out)])
    assert isinstance(done.exception, ManifestError)
    assert name in str(done.exception)
    assert not out.exists()


def test_given_a_folder_without_recorded_contracts_when_carried_then_the_missing_file_is_named(tmp_path):
    done = CliRunner().invoke(contracts, ["carry", str(tmp_path), "--registry", str(tmp_path / "out")])
    assert isinstance(done.exception, ManifestError)
    assert str(tmp_path / "gpustack" / "openapi-2.3.0.json") in str(done.exception)
    assert not (tmp_path / "out").exists()


REGISTRY = """
_TEXT_GENERATION_MODELS = {"AForCausalLM": ("a", "AForCausalLM"), "BForCausalLM": ("a", "AForCausalLM"),
                           "CForCausalLM": ("vllm.models.c", "CForCausalLM")}
_EMBEDDING_MODELS = {
    **{k: (mod, arch) for k, (mod, arch) in _TEXT_GENERATION_MODELS.items() if arch == "AForCausalLM"},
    "AModel": ("a", "AModel"), "CForCausalLM": ("c_embed", "CEmbed"),
}
_VLLM_MODELS = {**_TEXT_GENERATION_MODELS, **_EMBEDDING_MODELS}
_GONE = {"DForCausalLM": "0.9"}
"""
CLASSES = {
    "model_executor/models/a": """
from torch import nn
from . import unread
from .base import Shared as Base
class AForCausalLM(nn.Module, Base): ...
""",
    "model_executor/models/base": """
from vllm.model_executor.models.interfaces import SupportsPP
from .interfaces import SupportsLoRA as Adapters
class Shared(Adapters, SupportsPP, Generic[T]): ...
""",
    "model_executor/models/interfaces": "class SupportsLoRA: ...\nclass SupportsPP: ...",
    "model_executor/models/c_embed": "class CEmbed(CEmbed): ...",
}


def test_given_vllms_registry_when_carried_then_each_architecture_has_the_class_that_serves_it():
    found = carry_models(REGISTRY)
    within = "vllm.model_executor.models"
    both = ["text_generation", "embedding"]
    assert found == {
        "AForCausalLM": {"module": f"{within}.a", "class": "AForCausalLM", "groups": both},
        "AModel": {"module": f"{within}.a", "class": "AModel", "groups": ["embedding"]},
        "BForCausalLM": {"module": f"{within}.a", "class": "AForCausalLM", "groups": both},
        "CForCausalLM": {"module": f"{within}.c_embed", "class": "CEmbed", "groups": both},
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("_OTHER = {}", "has no _VLLM_MODELS"),
        ("_VLLM_MODELS = {**unknown()}", "not made of groups"),
        ('_A = {"X": make()}\n_VLLM_MODELS = {**_A}', "line 1: neither"),
        (REGISTRY.replace("==", "!="), "line 5: chooses in a way"),
    ],
)
def test_given_a_registry_of_another_form_then_its_line_is_told_and_nothing_is_guessed(text: str, says: str):
    with pytest.raises(ManifestError, match=says):
        carry_models(text)


def test_given_a_wheel_when_its_models_are_carried_then_a_file_names_its_version(tmp_path):
    wheel, out = tmp_path / "vllm-9.9.9-cp38-abi3-any.whl", tmp_path / "models.json"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("vllm/model_executor/models/registry.py", REGISTRY)
        archive.writestr("vllm/model_executor/models/__init__.py", "")
        for name, text in CLASSES.items():
            archive.writestr(f"vllm/{name}.py", text)
    done = CliRunner().invoke(contracts, ["vllm-models", str(wheel), "--out", str(out)])
    assert (done.exit_code, "4 architectures" in done.output) == (0, True), done.output
    document = json.loads(out.read_text())
    assert document["version"] == "9.9.9"
    assert {name: row["interfaces"] for name, row in document["models"].items()} == {
        "AForCausalLM": ["SupportsLoRA", "SupportsPP"],
        "AModel": None,
        "BForCausalLM": ["SupportsLoRA", "SupportsPP"],
        "CForCausalLM": [],
    }
    with pytest.raises(ManifestError, match="cannot be read as a wheel"):
        CliRunner().invoke(contracts, ["vllm-models", __file__], catch_exceptions=False)


def test_the_committed_classes_are_those_of_the_recorded_architectures():
    engines = REPOSITORY_ROOT / "registry" / "engines"
    classes, recorded = (
        json.loads((engines / name).read_text()) for name in ("vllm_models.json", "vllm.json")
    )
    held = {
        name
        for name, versions in recorded["architectures"].items()
        if versions is None or classes["version"] in versions
    }
    assert set(classes["models"]) == held
