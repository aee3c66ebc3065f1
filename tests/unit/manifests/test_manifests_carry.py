"""Only structure and facts of a recorded contract are carried, never its prose."""

from jsonschema import Draft202012Validator

from modelscan_catalog.manifests.carry import carry_vllm, compact_schema
from modelscan_catalog.manifests.carry_vllm_types import carry_types


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
