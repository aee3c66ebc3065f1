"""What the fetching process and its parent say to each other: JSON, one object a line."""

from typing import Literal

from pydantic import Field

from modelscan_catalog.deploy.weights.records import InstalledFile, RemoteFile, RemoteRepo, WeightsHub
from modelscan_catalog.records.base import Record

Failure = Literal["unknown", "refused", "network", "integrity", "disk", "other"]
"""No such thing; not allowed; no (usable) answer; other bytes than promised; the disk; anything else."""


class Order(Record):
    """What the process is to do; the token goes over the pipe, not through the environment."""

    what: Literal["list", "fetch"]
    hub: WeightsHub
    source: str = Field(description="base URL")
    repo: str
    revision: str | None
    token: str | None = Field(default=None, repr=False)
    user_agent: str
    directory: str = Field(default="", description="where files go")
    files: tuple[RemoteFile, ...] = ()
    parallel: int = 1


class Said(Record):
    """One line of the process: a listing, a file that is whole, the end of an order, or why it stops."""

    listing: RemoteRepo | None = None
    file: InstalledFile | None = None
    done: bool = False
    failure: Failure | None = None
    message: str = ""
