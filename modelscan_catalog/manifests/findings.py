"""What a linter says about one place of one document."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Finding:
    """One fault. ``where`` is a path inside the document; ``message`` names the fault and the fix."""

    severity: Severity
    code: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.message} [{self.code}]"


def errors_of(findings: list[Finding]) -> list[Finding]:
    """Those that make a document unusable."""
    return [finding for finding in findings if finding.severity == "error"]
