"""On GPUStack's public catalogues the linter finds the faults known beforehand, and no others."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from modelscan_catalog.manifests.lint_files import lint_files
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


@pytest.mark.parametrize("file", ["model-catalog.yaml", "model-catalog-modelscope.yaml"])
def test_given_the_public_catalogue_when_linted_then_exactly_the_known_faults_are_found(file):
    path = SHARED / "sources/gpustack" / file
    if not path.is_file():
        pytest.skip(f"NOT TESTED: no recorded catalogue at {path}; set MODELSCAN_SHARED")
    found = Counter(in_the_lists_words(fault.finding) for fault in lint_files([path]))
    assert found == known_faults(file)
    assert sum(found.values()) > 40
