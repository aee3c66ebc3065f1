"""Models of the catalogue on every representative profile: each manifest passes, each flag is real."""

import argparse
import os
import shlex

import pytest

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.fit.profiles import load_profiles
from modelscan_catalog.fit.tables import REGISTRY
from modelscan_catalog.manifests.engines import load_engine
from modelscan_catalog.manifests.launch import representative_machines
from modelscan_catalog.manifests.options import TARGETS, EmitOptions
from modelscan_catalog.manifests.representative import read_catalogue, representative_plans
from modelscan_catalog.manifests.targets import documents_of, emit, engine_of_target, lint_documents

EVERY = 1 if os.environ.get("MODELSCAN_EVERY_MODEL") else 20
"""Of the catalogue's models, one in so many; `make test-engine` takes all."""


class TableParser(argparse.ArgumentParser):
    """Raises what argparse would print before it exits."""

    def error(self, message):
        raise ValueError(message)


@pytest.fixture(scope="module")
def planned():
    catalogue = read_catalogue(REGISTRY / "published")
    return list(representative_plans(catalogue, sorted(catalogue.inputs)[::EVERY]))


def table_parser(table):
    """A parser of the engine's table that, like the engine's own, takes unique prefixes of a flag for it."""
    parser = TableParser()
    for flag in table.flags.values():
        switch = flag.type in ("bool", "switch") and flag.default is not True
        how = {"action": "store_true"} if switch else {"nargs": "+", "choices": flag.choices}
        parser.add_argument(flag.name, *flag.aliases, **how)
    return parser


def test_given_the_representative_profiles_then_twelve_known_cards_of_several_generations_are_named():
    machines = representative_machines()
    assert len(machines) == 12
    assert machines.keys() <= load_profiles().keys()
    cards = [counts[0].profile for counts in machines.values()]
    assert {card.vendor for card in cards} == {"nvidia", "amd", "ascend"}
    assert len({card.architecture for card in cards}) >= 7
    assert [machine.count for machine in machines["h100-80gb"]] == [1, 2, 4, 8]
    assert [machine.count for machine in machines["h100-80gb-mig-3g.40gb"]] == [1]


def test_given_catalogue_models_on_every_profile_when_emitted_then_every_document_passes_its_lint(planned):
    written, refused = 0, set()
    for one in planned:
        for target in TARGETS:
            try:
                manifest = emit(one.plan, target, EmitOptions(checkpoint=one.checkpoint))
            except ManifestError:
                if engine_of_target(target) in (None, one.plan.engine):
                    refused.add((one.plan.gpu_vendor, one.plan.engine))
                continue
            written += 1
            assert manifest.warnings == (), (one.plan.variant_id, target, manifest.warnings)
    assert written > 500
    assert refused == {("ascend", "vllm"), ("ascend", "sglang"), ("amd", "sglang")}, "no image is known there"


def test_given_sglang_commands_when_parsed_as_argparse_would_then_every_flag_and_choice_is_known(planned):
    plans = [one.plan for one in planned if one.plan.engine == "sglang"]
    parser = table_parser(load_engine("sglang", plans[0].engine_version))
    for plan in plans:
        [(_, command)] = documents_of(plan, "sglang", EmitOptions())
        words = shlex.split(command)
        read = parser.parse_args(words[words.index("sglang.launch_server") + 1 :])
        assert read.model_path == [plan.repo]
        assert read.context_length == [str(plan.max_model_len)]


@pytest.mark.parametrize(
    ("flag", "code", "accepted"),
    [
        ("--mem-frac=0.8", "abbreviated_flag", True),
        ("--cuda-graph-max-bs=8", "ambiguous_flag", False),
        ("--no-such-flag=1", "unknown_flag", False),
    ],
)
def test_given_a_shortened_flag_when_judged_then_the_lint_and_argparse_agree(planned, flag, code, accepted):
    plan = next(one.plan for one in planned if one.plan.engine == "sglang")
    [(kind, command)] = documents_of(plan, "sglang", EmitOptions())
    findings = lint_documents([(kind, f"{command} {flag}")], plan.engine_version)
    assert [finding.code for finding in findings] == [code]
    parser = table_parser(load_engine("sglang", plan.engine_version))
    try:
        parser.parse_args([flag])
    except ValueError:
        assert not accepted
    else:
        assert accepted
