"""HuggingFace's hub through ``huggingface_hub``: a listing at a commit, and files that resume.

Files are fetched with the client's ``http_get``, which ``hf_hub_download`` is made of: the latter throws a
part away when it is stopped (huggingface_hub 2.4), so that a shard begins anew with every attempt.
"""

from pathlib import Path

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from modelscan_catalog.deploy.weights.fetcher import HubFailedError, disk_errors
from modelscan_catalog.deploy.weights.messages import Order
from modelscan_catalog.deploy.weights.records import RemoteFile, RemoteRepo

BRANCH = "main"
_LISTING_TIMEOUT_S = 20.0
_LET_IN = "set HUGGINGFACE_API_TOKEN"


def listing(order: Order) -> RemoteRepo:
    """The repository's files at the commit that the order's revision means."""
    api = HfApi(endpoint=order.source, token=order.token or False, user_agent=order.user_agent)
    try:
        info = api.model_info(
            order.repo, revision=order.revision, files_metadata=True, timeout=_LISTING_TIMEOUT_S
        )
    except Exception as error:
        raise _explained(order, error) from error
    if not info.sha or info.siblings is None:
        raise HubFailedError("other", f"{order.repo}: the hub names no commit or no files of it")
    return RemoteRepo(
        hub="huggingface",
        repo=info.id,
        revision=info.sha,
        asked=order.revision or BRANCH,
        source=order.source,
        files=tuple(
            RemoteFile(
                path=file.rfilename,
                bytes=file.lfs.size if file.lfs else file.size,
                sha256=file.lfs.sha256 if file.lfs else None,
                git_sha1=None if file.lfs else file.blob_id,
            )
            for file in info.siblings
        ),
    )


def fetch(order: Order, file: RemoteFile, place: Path) -> None:
    """Put the file at ``place``; a part beside it is continued."""
    part = place.with_name(place.name + ".part")
    url = hf_hub_url(order.repo, file.path, revision=order.revision, endpoint=order.source)
    headers = build_hf_headers(token=order.token or False, user_agent=order.user_agent)
    # Compressed answers have neither a length nor ranges.
    headers["Accept-Encoding"] = "identity"
    try:
        with part.open("ab") as stream:
            there = stream.tell()
            if file.bytes is not None and there > file.bytes:
                stream.truncate(0)
                stream.seek(0)
                there = 0
            http_get(url, stream, resume_size=there, headers=headers, expected_size=file.bytes)
    except HubFailedError:
        raise
    except Exception as error:
        with disk_errors(file.path):
            raise _explained(order, error, file.path) from error
    part.replace(place)


def _explained(order: Order, error: Exception, path: str = "") -> Exception:
    """What went wrong for a person; errors of the disk are passed on as they are."""
    about = f"{order.repo}" + (f" {path}" if path else "")
    page = f"{order.source}/{order.repo}"
    if isinstance(error, GatedRepoError):
        text = f"{about}: is gated; accept its terms on {page} and {_LET_IN} to a token of that account"
        return HubFailedError("refused", text)
    if isinstance(error, RepositoryNotFoundError):
        who = (
            "that the token may read"
            if order.token
            else f"that is open to everybody ({_LET_IN} for private ones)"
        )
        return HubFailedError("unknown", f"{about}: the hub has no such repository {who}")
    if isinstance(error, RevisionNotFoundError):
        return HubFailedError("unknown", f"{about}: has no branch, tag or commit {order.revision!r}")
    if isinstance(error, EntryNotFoundError):
        return HubFailedError("unknown", f"{about}: is not there at {order.revision}")
    if isinstance(error, DisabledRepoError):
        return HubFailedError("refused", f"{about}: the hub has disabled the repository")
    if isinstance(error, HFValidationError):
        return HubFailedError("unknown", f"{about}: is no name of a repository: {error}")
    if isinstance(error, OfflineModeIsEnabled):
        return HubFailedError("network", f"{about}: HF_HUB_OFFLINE is set, so the hub is not asked")
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403):
            return HubFailedError(
                "refused", f"{about}: the hub refuses it ({status}); {_LET_IN} to one that may read it"
            )
        return HubFailedError("network", f"{about}: {order.source} answered {status}; try again later")
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL):
        text = f"{about}: {order.source} cannot be reached ({type(error).__name__}: {error})"
        return HubFailedError("network", f"{text}; what is there is kept, run the install again")
    if isinstance(error, ValueError) and "too large" in str(error):
        text = (
            f"{about}: is over 50 GB, which the hub serves through Xet only; choose a form in smaller files"
        )
        return HubFailedError("refused", text)
    if isinstance(error, OSError) and error.errno is not None:
        return error
    return HubFailedError("other", f"{about}: {type(error).__name__}: {str(error)[:300]}")
