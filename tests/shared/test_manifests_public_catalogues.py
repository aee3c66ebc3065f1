"""On GPUStack's public catalogues the linter finds the faults known beforehand, and no others."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from modelscan_catalog.manifests.engines import canonical_engine, load_engine
from modelscan_catalog.manifests.lint_files import lint_files
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.manifests.recipes import recipe_flags
from modelscan_catalog.manifests.written import write_plan
from modelscan_catalog.settings import REPOSITORY_ROOT

pytestmark = pytest.mark.shared

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))

_KNOWN_LINE = re.compile(
    r"^gpustack/(?P<file>\S+)\s+(?P<engine>vllm|sglang)\s+(?P<fault>.+?)\s+n=(?P<n>\d+) "
)


def known_faults(file):
    lines = (SHARED / "contracts/lint_public_catalogs.txt").read_text().splitlines()
    found = Counter()
    for line in lines:
        match = _KNOWN_LINE.match(line)
        if match and match["file"] == file:
            fault = re.sub(r" \(.*\)$", "", match["fault"])
            found[(match["engine"], fault)] += int(match["n"])
    return found


def in_the_lists_words(finding):
    patterns = {
        "unknown_flag": (r"(--\S+) is no flag of (\w+)", "unknown flag {0}"),
        "deprecated_flag": (r"(--\S+) is deprecated in (\w+)", "deprecated {0}"),
        "deprecated_value": (r"(\w+) parser '(\S+)'", "deprecated {0} parser value {1}"),
        "unknown_parser": (r"'(\S+)' is no (\w+) parser of (\w+)", "unknown {1} parser {0}"),
    }
    pattern, form = patterns[finding.code]
    words = re.match(pattern, finding.message).groups()
    engine = words[-1] if words[-1] in ("vllm", "sglang") else "sglang"
    return engine, form.format(*words)


def catalogue(file):
    path = SHARED / "sources/gpustack" / file
    if not path.is_file():
        pytest.skip(f"NOT TESTED: no recorded catalogue at {path}; set MODELSCAN_SHARED")
    return path


FILES = pytest.mark.parametrize("file", ["model-catalog.yaml", "model-catalog-modelscope.yaml"])


@FILES
def test_given_every_public_recipe_when_planned_on_four_cards_then_all_its_documents_pass_their_lint(file):
    document = yaml.load(catalogue(file).read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    written = 0
    for model_set in document["model_sets"]:
        for spec in model_set["specs"]:
            engine = canonical_engine(spec["backend"])
            if engine is None:
                continue
            table = load_engine(engine, spec.get("backend_version"))
            vendors = (spec.get("gpu_filters") or {}).get("vendor") or "nvidia"
            vendor = vendors if isinstance(vendors, str) else vendors[0]
            flags = recipe_flags(table, spec.get("backend_parameters") or (), vendors=[vendor])
            plan = LaunchPlan(
                model_id=f"x/{model_set['name'].lower()}",
                variant_id=spec.get("huggingface_repo_id") or spec["model_scope_model_id"],
                repo=spec.get("huggingface_repo_id") or spec["model_scope_model_id"],
                source=spec["source"],
                engine=engine,
                engine_version=table.version,
                served_model_name=model_set["name"],
                gpu_profile_id="four-cards",
                gpu_vendor=vendor,
                gpu_count=4,
                tensor_parallel=4,
                max_model_len=32768,
                tool_parser=flags.tool_parser,
                reasoning_parser=flags.reasoning_parser,
                quantization=flags.quantization,
                trust_remote_code=flags.trust_remote_code,
                extra_parameters=flags.extra_parameters,
                env={name: str(value) for name, value in (spec.get("env") or {}).items()},
                categories=tuple(model_set["categories"]),
            )
            result = write_plan(plan)
            written += len(result.manifests)
            assert {manifest.kind for manifest in result.manifests} >= {f"{engine}_command", "gpustack_model"}
    assert written > 500


@FILES
def test_given_the_public_catalogue_when_linted_then_exactly_the_known_faults_are_found(file):
    path = catalogue(file)
    found = Counter(in_the_lists_words(fault.finding) for fault in lint_files([path]))
    assert found == known_faults(file)
    assert sum(found.values()) > 40
