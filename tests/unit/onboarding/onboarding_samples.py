"""What the claims about the eleven steps share: keys, the snapshot's rows, what came of a run."""

from functools import cache
from pathlib import Path

from modelscan_catalog.onboarding.records import OnboardingReport
from modelscan_catalog.records import SourceName
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.adapter import SourceResult
from modelscan_catalog.sources.runner import latest

KEY = "sk-provider-secret-123456"
LM_KEY = "sk-language-model-987654"


@cache
def snapshot(source: SourceName) -> SourceResult | None:
    """The committed rows of a source, read once."""
    return latest(source, Settings(data_dir=Path("nonexistent")))


def outcomes(report: OnboardingReport) -> dict[str, str]:
    return {step.step: step.outcome for step in report.steps}


def everything(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())
