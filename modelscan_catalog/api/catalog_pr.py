"""A catalogue entry on a branch of a git repository, and a pull request for it at the repository's host.

The work tree and other branches are not touched.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from modelscan_catalog.errors import FetchError, FitInputError, SettingsError
from modelscan_catalog.registry.entries import overlay_of
from modelscan_catalog.secret_refs import check_reference, resolve_secret

_TIMEOUT_S = 30
_SLUG = re.compile(r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")


def commit_entry(entry: Mapping[str, Any], branch: str, message: str, *, apply: bool) -> dict[str, Any]:
    """Commit ``entry`` as ``overlays/<id>.json`` on ``branch``; without ``apply`` only say what would be.

    ``CATALOG_REPO_DIR`` names the repository and ``CATALOG_BASE_BRANCH`` (main) what a new branch starts
    from; ``GIT_AUTHOR_NAME`` and ``GIT_AUTHOR_EMAIL`` are the author. Where ``CATALOG_TOKEN`` is a reference
    to a token (``env:NAME``, ``file:PATH``), or ``GITHUB_TOKEN`` is set, the branch is pushed to
    ``CATALOG_REMOTE`` (origin) and a pull request is opened for ``CATALOG_REPO`` (owner/name) at
    ``CATALOG_API_URL`` (GitHub's API).

    Raises ``FitInputError`` for a branch that git refuses, ``SettingsError`` naming the setting,
    ``FetchError`` when the host does not open the request.
    """
    name = re.sub(r"[^a-z0-9._-]+", "-", str(entry["id"]).lower()).strip("-.") or "entry"
    branch = branch or f"catalog/{name}"
    message = message or f"Catalogue entry of {entry['id']}"
    path = f"overlays/{name}.json"
    content = json.dumps(overlay_of(dict(entry)), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    planned = {"branch": branch, "path": path, "message": message, "content": content}
    if not apply:
        return {"applied": False, **planned}
    root = os.environ.get("CATALOG_REPO_DIR")
    if not root or not Path(root).is_dir():
        raise SettingsError("CATALOG_REPO_DIR: name the git repository that keeps catalogue entries")
    commit = _commit(Path(root), branch, path, message, content)
    request = None
    if reference := os.environ.get("CATALOG_TOKEN") or _github_token():
        request = _pull_request(Path(root), branch, message, _token(reference))
    return {"applied": True, "commit": commit, "pull_request": request, **planned}


def _github_token() -> str | None:
    """A reference to ``GITHUB_TOKEN``, where a repository is named that it could be for."""
    return "env:GITHUB_TOKEN" if os.environ.get("GITHUB_TOKEN") and os.environ.get("CATALOG_REPO") else None


def _token(reference: str) -> str:
    try:
        return resolve_secret(check_reference(reference))
    except ValueError as error:
        raise SettingsError(f"CATALOG_TOKEN: {error}") from error


def _pull_request(root: Path, branch: str, title: str, token: str) -> str:
    """Push the branch and open a request to merge it; the address of the request."""
    slug = os.environ.get("CATALOG_REPO", "")
    if not _SLUG.match(slug):
        raise SettingsError("CATALOG_REPO: name the repository at its host as owner/name")
    _git(root, "push", "--quiet", os.environ.get("CATALOG_REMOTE", "origin"), f"refs/heads/{branch}")
    host = os.environ.get("CATALOG_API_URL", "https://api.github.com").rstrip("/")
    wanted = {"title": title, "head": branch, "base": os.environ.get("CATALOG_BASE_BRANCH", "main")}
    headers = {"authorization": f"Bearer {token}", "accept": "application/vnd.github+json"}
    try:
        answer = httpx.post(f"{host}/repos/{slug}/pulls", json=wanted, headers=headers, timeout=_TIMEOUT_S)
        found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise FetchError(
            f"{host}: the pull request was not opened ({type(error).__name__}: {error})"
        ) from error
    if answer.status_code != HTTPStatus.CREATED or not isinstance(found, dict) or "html_url" not in found:
        why = found.get("message") if isinstance(found, dict) else None
        raise FetchError(f"{host}: the pull request was not opened: {answer.status_code} {str(why)[:200]}")
    return str(found["html_url"])


def _commit(root: Path, branch: str, path: str, message: str, content: str) -> str:
    """Write blob, tree, commit and branch with a throwaway index."""
    try:
        _git(root, "check-ref-format", "--branch", branch)
    except SettingsError as error:
        raise FitInputError(f"branch: {branch[:60]!r} is no name of a branch", "branch") from error
    reference = f"refs/heads/{branch}"
    base = os.environ.get("CATALOG_BASE_BRANCH", "main")
    known = _git(root, "for-each-ref", "--format=%(objectname)", reference)
    parent = known or _git(root, "rev-parse", "--verify", "--end-of-options", f"refs/heads/{base}^{{commit}}")
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        _git(root, "read-tree", parent, env=index)
        blob = _git(root, "hash-object", "-w", "--stdin", stdin=content)
        _git(root, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=index)
        tree = _git(root, "write-tree", env=index)
    author = os.environ.get("GIT_AUTHOR_NAME", "ModelScan")
    email = os.environ.get("GIT_AUTHOR_EMAIL", "modelscan@localhost")
    person = {f"GIT_{who}_NAME": author for who in ("AUTHOR", "COMMITTER")}
    person |= {f"GIT_{who}_EMAIL": email for who in ("AUTHOR", "COMMITTER")}
    commit = _git(root, "commit-tree", tree, "-p", parent, stdin=message, env=person)
    _git(root, "update-ref", reference, commit, known or "0" * 40)
    return commit


def _git(root: Path, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **(env or {})},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"git {arguments[0]}: cannot be run: {error}") from error
    if done.returncode:
        raise SettingsError(f"CATALOG_REPO_DIR: git {arguments[0]} refused: {done.stderr.strip()[:200]}")
    return done.stdout.strip()
