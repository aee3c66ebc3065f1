"""The files that a repository's weights consist of, for a list made beforehand: installed, or the hub's."""

from dataclasses import dataclass
from typing import Literal

from modelscan_catalog.deploy.weights.install import patience, remote_repo
from modelscan_catalog.deploy.weights.library import list_installs
from modelscan_catalog.deploy.weights.records import InstallRequest, WeightsHub
from modelscan_catalog.deploy.weights.selection import select_files
from modelscan_catalog.errors import ModelScanError
from modelscan_catalog.manifests.airgap import ListedFile
from modelscan_catalog.settings import Settings

ASK_TIMEOUT_S = 60.0
"""How long a hub may take for a listing."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files that an engine needs of one revision; none where nobody said, with ``why``."""

    files: tuple[ListedFile, ...] = ()
    by: Literal["installed", "hub"] | None = None
    revision: str | None = None
    why: str | None = None


def listed_files(
    settings: Settings,
    hub: WeightsHub,
    repo: str,
    revision: str | None,
    *,
    ask_hub: bool,
    timeout_s: float = ASK_TIMEOUT_S,
) -> Listing:
    """What of that revision is installed on this machine; else, with ``ask_hub``, what the hub lists.

    Without ``revision`` the newest is taken. A hub that does not answer, or lists nothing usable, is told in
    ``why`` and raises nothing.
    """
    installs = list_installs(settings.weights_dir)[0]
    for install in sorted(installs, key=lambda install: install.installed_at, reverse=True):
        same = (install.hub, install.repo.lower()) == (hub, repo.lower())
        if same and revision in (None, install.revision, *install.asked) and () in install.wanted:
            here = (ListedFile(path=one.path, bytes=one.bytes, sha256=one.sha256) for one in install.files)
            return Listing(tuple(here), "installed", install.revision)
    if not ask_hub:
        return Listing(why="the catalogue keeps no listing of it; --ask-hub asks the hub")
    request = InstallRequest(hub=hub, repo=repo, revision=revision)
    try:
        found = remote_repo(settings, request, patience(request, timeout_s))
        chosen = select_files(found).files
    except ModelScanError as error:
        return Listing(why=str(error).partition("; what is there is kept")[0])  # nothing is fetched here
    files = tuple(
        ListedFile(path=file.path, bytes=file.bytes, sha256=file.sha256, git_sha1=file.git_sha1)
        for file in chosen
    )
    return Listing(files, "hub", found.revision)
