"""ModelScope's hub through the light ``modelscope_hub``: a listing, and files that the client resumes."""

import hashlib
from pathlib import Path
from typing import Any

from modelscope_hub import HubApi
from modelscope_hub.config import HubConfig
from modelscope_hub.errors import (
    AuthenticationError,
    FileIntegrityError,
    HubError,
    NetworkError,
    NotExistError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from requests import RequestException

from modelscan_catalog.deploy.weights.fetcher import HubFailedError
from modelscan_catalog.deploy.weights.messages import Order
from modelscan_catalog.deploy.weights.records import RemoteFile, RemoteRepo

BRANCH = "master"
_LET_IN = "set modelscope_token"


def listing(order: Order) -> RemoteRepo:
    """The repository's files; the hub names no commit of a listing, so its newest file's stands for it."""
    try:
        rows = _api(order).legacy.list_repo_files(order.repo, "model", order.revision or BRANCH)
    except (HubError, RequestException, OSError) as error:
        raise _explained(order, error) from error
    blobs = [row for row in rows if isinstance(row, dict) and row.get("Type") != "tree" and row.get("Path")]
    if not blobs:
        revision = order.revision or BRANCH
        raise HubFailedError("unknown", f"{order.repo}: ModelScope lists no files of it at {revision!r}")
    files = tuple(
        RemoteFile(
            path=str(row["Path"]),
            bytes=_size(row),
            sha256=str(row["Sha256"]).lower() if row.get("Sha256") else None,
        )
        for row in blobs
    )
    return RemoteRepo(
        hub="modelscope",
        repo=order.repo,
        revision=_pin(blobs, files),
        asked=order.revision or BRANCH,
        source=order.source,
        files=files,
    )


def _size(row: dict[str, Any]) -> int | None:
    """The listing says 0 of empty files and of unknown sizes alike."""
    return int(row["Size"]) if row.get("Size") else None


def _pin(blobs: list[dict[str, Any]], files: tuple[RemoteFile, ...]) -> str:
    dated = [
        (row["CommittedDate"], str(row["Revision"]))
        for row in blobs
        if row.get("Revision") and isinstance(row.get("CommittedDate"), int)
    ]
    if dated:
        return max(dated)[1]
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.path):
        digest.update(f"{file.path}\0{file.bytes}\0{file.sha256}\n".encode())
    return f"files-{digest.hexdigest()[:40]}"


def fetch(order: Order, file: RemoteFile, place: Path) -> None:
    """Put the file at ``place``; the client continues its part and compares the sha256."""
    try:
        _api(order).download_file(
            order.repo,
            "model",
            file.path,
            revision=order.revision or BRANCH,
            local_dir=order.directory,
            expected_sha256=file.sha256,
            file_size=file.bytes,
        )
    except (HubError, RequestException, OSError) as error:
        raise _explained(order, error, file.path) from error
    if not place.exists():
        raise HubFailedError("other", f"{order.repo} {file.path}: the client reports it, but it is not there")


def _api(order: Order) -> HubApi:
    # An empty token means none: a login of the user on this machine is not taken behind their back.
    config = HubConfig(endpoint=order.source, token=order.token or "")
    return HubApi(config, user_agent=order.user_agent)


def _explained(order: Order, error: Exception, path: str = "") -> Exception:
    """What went wrong for a person; errors of the disk are passed on as they are."""
    about = f"{order.repo}" + (f" {path}" if path else "")
    revision = order.revision or BRANCH
    if isinstance(error, NotExistError):
        return HubFailedError("unknown", f"{about}: ModelScope has no such thing at {revision!r}")
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        page = f"{order.source}/models/{order.repo}"
        text = f"{about}: ModelScope refuses it; accept its terms on {page} and {_LET_IN}"
        return HubFailedError("refused", text)
    if isinstance(error, FileIntegrityError):
        text = f"{about}: {error.message[:200]}; it was thrown away, run the install again"
        return HubFailedError("integrity", text)
    if isinstance(error, RateLimitError | ServerError | NetworkError | RequestException):
        text = f"{about}: {order.source} gives no usable answer ({_short(error)})"
        return HubFailedError("network", f"{text}; what is there is kept, run the install again")
    if isinstance(error, OSError) and error.errno is not None:
        return error
    return HubFailedError("other", f"{about}: {_short(error)}")


def _short(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    return f"{type(error).__name__}{f' {status}' if status else ''}: {str(error)[:200]}"
