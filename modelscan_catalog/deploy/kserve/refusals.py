"""What an API server refuses, as errors of ours: the field, what is wrong with it, and what to do."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from modelscan_catalog.errors import ConflictError, DeployError, DocumentRefusedError

_STRICT = re.compile(r'(unknown|duplicate) field "([^"]+)"')
_TYPED = re.compile(r"^failed to create typed patch object .*?\): \.(\S+): (.*)$", re.S)
_WEBHOOK, _QUOTA = "admission webhook", "exceeded quota"
"""Words of refusals that come as 403, and are not about rights."""
_NOT_ALLOWED = (401, 403)
_BAD_DOCUMENT = (400, 413, 415, 422)


class NotServedError(DeployError):
    """The API server does not know a kind of object."""


class NotAllowedError(DeployError):
    """The account of the kubeconfig lacks a right."""


def refusal(status: int, answer: Any, what: str, server: str) -> DeployError:
    """What the server's Status object says, as an error of ours."""
    if not isinstance(answer, dict):
        if status == HTTPStatus.NOT_FOUND:  # how API servers answer below a group that they do not have
            return NotServedError(
                f"{what}: {server} has nothing there: is KServe installed, is it an API server?"
            )
        return DeployError(f"{what}: {server} answered {status} {str(answer)[:120]!r}: is it an API server?")
    message = str(answer.get("message", ""))
    details = answer.get("details") or {}
    if status == HTTPStatus.NOT_FOUND and not details.get("name"):
        return NotServedError(f"{what}: {server} does not serve this kind; KServe's come with KServe 0.20")
    causes = [cause for cause in details.get("causes") or [] if isinstance(cause, dict)]
    if status == HTTPStatus.CONFLICT:
        return _conflict(what, message, causes)
    faults = _strict_faults(message) or [
        (str(cause.get("field", "")), str(cause.get("message", ""))) for cause in causes
    ]
    if faults:
        return DocumentRefusedError(f"{what}: {_listed(faults)}", faults[0][0] or None)
    if status in _BAD_DOCUMENT or _WEBHOOK in message:
        return DocumentRefusedError(f"{what}: {message[:400]}")
    if _QUOTA in message:
        return DeployError(f"{what}: {message[:300]}; ask for less, or have the quota raised")
    if status in _NOT_ALLOWED:
        return NotAllowedError(
            f"{what}: {server} does not allow it: {message[:300]}; check the kubeconfig's user"
        )
    if status == HTTPStatus.NOT_FOUND and details.get("kind") == "namespaces":
        missing = details.get("name")
        return DeployError(f"{what}: there is no namespace {missing}: kubectl create namespace {missing}")
    return DeployError(f"{what}: {server} answered {status}: {message[:300]}")


def _strict_faults(message: str) -> list[tuple[str, str]]:
    """Fields that strict or typed decoding refuses; the server has them in its message only."""
    unknown = "is unknown to this cluster; remove it, or install the KServe version that has it"
    twice = "is given twice; keep one"
    found = [(name, unknown if how == "unknown" else twice) for how, name in _STRICT.findall(message)]
    return found or _TYPED.findall(message)


def holders(answer: Any) -> set[str]:
    """Managers that hold the fields of a conflict; empty where it is about something else."""
    causes = (answer.get("details") or {}).get("causes") or [] if isinstance(answer, dict) else []
    return {
        found[1]
        for cause in causes
        if cause.get("reason") == "FieldManagerConflict"
        and (found := re.match(r'conflict with "([^"]+)"', str(cause.get("message"))))
    }


def _conflict(what: str, message: str, causes: Iterable[Mapping[str, Any]]) -> ConflictError:
    held = [
        (
            str(cause.get("field", "")).lstrip("."),
            re.sub(r"^conflict with", "is held by", str(cause["message"])),
        )
        for cause in causes
        if cause.get("reason") == "FieldManagerConflict"
    ]
    if held:
        return ConflictError(
            f"{what}: {_listed(held)}; have its manager change it, or take it over with force", held[0][0]
        )
    return ConflictError(f"{what}: somebody changed it meanwhile: {message[:300]}; look at it and ask again")


def _listed(faults: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{field or 'document'}: {message}"[:400] for field, message in faults[:8])
