"""What a hub lists, what is asked of it, and what lies on disk; sizes in bytes."""

from typing import Literal

from pydantic import Field

from modelscan_catalog.records.base import Record

WeightsHub = Literal["huggingface", "modelscope"]
HUBS: tuple[WeightsHub, ...] = ("huggingface", "modelscope")


Check = Literal["sha256", "git_sha1", "size"]
"""What a file on disk was compared with."""


class RemoteFile(Record):
    """A file as a hub lists it; null where the hub does not say."""

    path: str
    bytes: int | None
    sha256: str | None = None
    git_sha1: str | None = Field(default=None, description="git's object id, of files outside LFS")

    @property
    def check(self) -> Check:
        """The strongest comparison that the listing allows."""
        return "sha256" if self.sha256 is not None else "git_sha1" if self.git_sha1 is not None else "size"


class RemoteRepo(Record):
    """A repository at one revision."""

    hub: WeightsHub
    repo: str = Field(description="its present id, which may differ from the one asked for")
    revision: str = Field(description="the commit, or a digest of the listing where the hub names none")
    asked: str = Field(description="the branch, tag or commit that was asked for")
    source: str = Field(description="base URL of the hub")
    files: tuple[RemoteFile, ...]


class InstallRequest(Record):
    """Which weights are wanted; null leaves the choice to the hub."""

    hub: WeightsHub = "huggingface"
    repo: str
    revision: str | None = Field(default=None, description="branch, tag or commit")
    asked: str | None = Field(default=None, description="the branch or tag that led to revision")
    files: tuple[str, ...] = Field(
        default=(), description="names or patterns of weight files, such as *Q4_K_M*.gguf; all when empty"
    )


class InstalledFile(Record):
    """A file on disk, as it was when it was installed."""

    path: str
    bytes: int
    sha256: str
    checked: Check


class Install(Record):
    """The index of one installed revision; it is written last, so what has one is whole."""

    hub: WeightsHub
    repo: str
    revision: str
    asked: tuple[str, ...] = Field(description="branches and tags that led to this revision")
    wanted: tuple[tuple[str, ...], ...] = Field(
        description="requests' files that are all here; () is the default"
    )
    source: str
    installed_at: str = Field(description="UTC, ISO 8601")
    files: tuple[InstalledFile, ...]

    @property
    def name(self) -> str:
        """How the install is named: its directory below the weights."""
        return f"{self.hub}/{self.repo}/{self.revision}"

    @property
    def bytes(self) -> int:
        """All files together."""
        return sum(file.bytes for file in self.files)


def size_text(count: int) -> str:
    """Bytes as people read them: ``15.27 GiB``, ``512 B``."""
    for unit, exponent in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 2**exponent:
            return f"{count / 2**exponent:.2f} {unit}"
    return f"{count} B"
