"""Every target's manifest for every catalogue model on twelve profiles: documents, faults, seconds, a ratio.

`python -m benchmarks.manifests [--registry DIR] [--processes N] [--json FILE]`. A model is planned on each
representative profile with the fewest cards that hold it, with vLLM and with SGLang; each plan is written for
every target, on two profiles sealed (`--offline`) too. Seconds are CPU seconds, which neighbours on the
machine do not change, and the wall clock's. Exit code 1 when a document has a fault, or when generation and
lint take a minute.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.fit.tables import REGISTRY
from modelscan_catalog.manifests import engines, lint
from modelscan_catalog.manifests.documents import text_of
from modelscan_catalog.manifests.findings import errors_of
from modelscan_catalog.manifests.options import TARGETS, EmitOptions, Target, in_place
from modelscan_catalog.manifests.representative import Planned, read_catalogue, representative_plans
from modelscan_catalog.manifests.targets import documents_of, file_name_of, lint_documents

LIMIT_S = 60.0
SAMPLE = 60
SEALED_ON = ("h100-80gb", "mi300x")
"""Profiles that are also written sealed, which differs by target and vendor and not by card."""
_CLAIM = "pvc://weights/model"


@dataclasses.dataclass
class Tally:
    """What came of some models; seconds are of one process's CPU."""

    plans: int = 0
    manifests: Counter[str] = dataclasses.field(default_factory=Counter)
    refused: Counter[str] = dataclasses.field(default_factory=Counter)
    faults: list[str] = dataclasses.field(default_factory=list)
    warnings: Counter[str] = dataclasses.field(default_factory=Counter)
    text_bytes: int = 0
    plan_s: float = 0.0
    generate_s: float = 0.0
    lint_s: float = 0.0

    def add(self, other: Tally) -> None:
        """Sum up."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Counter):
                value.update(getattr(other, field.name))
            else:
                setattr(self, field.name, value + getattr(other, field.name))


def tally(registry: Path, share: int, of: int) -> Tally:
    """Every ``of``-th model's plans and manifests."""
    found = Tally()
    begun = time.process_time()
    catalogue = read_catalogue(registry)
    planned = list(representative_plans(catalogue, sorted(catalogue.inputs)[share::of]))
    found.plan_s = time.process_time() - begun
    found.plans = len(planned)
    for one in planned:
        options = EmitOptions(checkpoint=one.checkpoint)
        sealed = dataclasses.replace(options, offline=True)
        for target in TARGETS:
            _write(found, one, target, options)
            if one.plan.gpu_profile_id not in SEALED_ON:
                continue
            if target.startswith(("k", "llm")):
                on_claim = Planned(in_place(one.plan, _CLAIM), one.checkpoint)
                _write(found, on_claim, target, sealed)
            elif target != "airgap":
                _write(found, one, target, sealed)
    return found


def _write(found: Tally, one: Planned, target: Target, options: EmitOptions) -> None:
    label = f"{target}{' sealed' if options.offline else ''}"
    begun = time.process_time()
    try:
        documents = documents_of(one.plan, target, options)
        text = text_of(file_name_of(target), [document for _, document in documents])
    except ManifestError as error:
        found.refused[f"{label}: {_reason(str(error))}"] += 1
        return
    finally:
        found.generate_s += time.process_time() - begun
    begun = time.process_time()
    findings = lint_documents(documents, one.plan.engine_version)
    found.lint_s += time.process_time() - begun
    found.manifests[label] += 1
    found.text_bytes += len(text.encode())
    found.faults += [
        f"{one.plan.model_id} on {one.plan.gpu_profile_id}, {label}: {fault}" for fault in errors_of(findings)
    ]
    found.warnings.update(str(finding) for finding in findings if finding.severity == "warning")


def _reason(text: str) -> str:
    """What a refusal says of any model: without the checkpoint's name and the advice."""
    known = ("this is a plan for", "has no runtime", "runs vLLM", "container image", "resource name")
    return next((words for words in known if words in text), text)


def unprepared_s(registry: Path) -> tuple[float, float]:
    """Seconds a document with tables and schemas read anew for each, and with both kept, over one sample."""
    catalogue = read_catalogue(registry)
    plans = []
    for one in representative_plans(catalogue, engines=("vllm",)):
        plans.append(one.plan)
        if len(plans) == SAMPLE:
            break
    seconds = []
    for keep in (True, False):
        begun = time.process_time()
        for plan in plans:
            if not keep:
                engines.load_engine.cache_clear()
                lint.validator.cache_clear()
            documents = documents_of(plan, "gpustack", EmitOptions())
            lint_documents(documents, plan.engine_version)
        seconds.append((time.process_time() - begun) / len(plans))
    return seconds[0], seconds[1]


def main() -> int:
    """Run, print the counts, and say whether anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--registry", type=Path, default=REGISTRY / "published")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    kept_s, anew_s = unprepared_s(options.registry)
    begun = time.perf_counter()
    total = Tally()
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        count = options.processes
        for part in pool.map(tally, [options.registry] * count, range(count), [count] * count):
            total.add(part)
    wall_s = time.perf_counter() - begun
    result = {
        "plans": total.plans,
        "manifests": sum(total.manifests.values()),
        "by_target": dict(sorted(total.manifests.items())),
        "refused": dict(sorted(total.refused.items())),
        "faults": total.faults,
        "warnings": dict(total.warnings),
        "mib": round(total.text_bytes / 2**20, 1),
        "plan_cpu_s": round(total.plan_s, 1),
        "generate_cpu_s": round(total.generate_s, 1),
        "lint_cpu_s": round(total.lint_s, 1),
        "wall_s": round(wall_s, 1),
        "processes": options.processes,
        "ratio_to_reading_tables_anew": round(anew_s / kept_s, 1),
        "python": platform.python_version(),
    }
    for label, number in sorted(total.manifests.items()):
        print(f"  {label:24} {number:6,}")
    print("not for these plans:")
    for label, number in sorted(total.refused.items()):
        print(f"  {label:52} {number:6,}")
    for line in [f"fault: {fault}" for fault in total.faults] + [f"warning: {w}" for w in total.warnings]:
        print(line)
    print(
        f"{sum(total.manifests.values()):,} manifests ({result['mib']} MiB) of {total.plans:,} plans, "
        f"{len(total.faults)} faults: {wall_s:.1f} s with {options.processes} processes; "
        f"CPU s: planning {total.plan_s:.1f}, generation {total.generate_s:.1f}, lint {total.lint_s:.1f}; "
        f"{anew_s / kept_s:.0f} times as fast as with tables and schemas read for each document"
    )
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 1 if total.faults or total.generate_s + total.lint_s > LIMIT_S else 0


if __name__ == "__main__":
    sys.exit(main())
