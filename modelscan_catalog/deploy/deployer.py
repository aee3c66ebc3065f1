"""What every target of a deployment can do; the commands and the flow know targets only through this.

A target (GPUStack, KServe) supplies a class with these methods; ``flow.py`` owns the order of the steps,
the waiting, the state file and the router. Methods do one thing on the server and never wait for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelscan_catalog.deploy.plan import DeploymentPlan
from modelscan_catalog.state import DeploymentState
from modelscan_catalog.state.deployments import Target


@dataclass(frozen=True, slots=True)
class Wanted:
    """A plan with the name it is to have on the target."""

    name: str
    plan: DeploymentPlan
    replicas: int = 1
    card_ids: tuple[str, ...] = ()
    """The target's own ids (``Cards.ids``) of the cards to use; empty leaves the choice to it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the target says of a document before it is created; nothing has been changed."""

    accepted: bool
    reasons: tuple[str, ...] = ()
    """Why not; the target's own words where it has some."""
    remarks: tuple[str, ...] = ()
    """What does not stand in the way, and is worth knowing."""
    vram_gib: float | None = None
    """What the target would reserve on its cards, all together."""
    ram_gib: float | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A deployment as the target shows it at one moment."""

    name: str
    state: DeploymentState
    message: str | None = None
    """The target's own reason for the state."""
    step: str | None = None
    """The target's own word for what it is doing, finer than ``state``."""
    progress: float | None = None
    """Weights fetched, 0 to 100; null when the target does not tell."""
    remote_id: str | None = None
    url: str | None = None
    """Base URL for clients, ``/v1`` included; null until it is known."""
    served_model: str | None = None
    """The model name that clients send."""
    replicas: int = 0
    ready_replicas: int = 0
    ours: bool = False
    """Whether ModelScan made it."""
    source: str | None = None
    """The weights: a repository or a path."""
    body_sha256: str | None = None
    """Hash of the document it was made from, where the target keeps it."""


@dataclass(frozen=True, slots=True)
class Health:
    """Answer of the served model itself, asked as a client would."""

    answers: bool
    message: str
    seconds: float | None = None
    """How long one token took."""


@dataclass(frozen=True, slots=True)
class Cards:
    """Cards of one kind that the target reports on one node."""

    name: str
    count: int
    node: str
    ids: tuple[str, ...] = field(default=())
    """The target's own ids, in the order of the cards' indices."""
    total_gib: float | None = None
    """Memory of one card as its driver reports it."""
    compute_capability: str | None = None


class Deployer(Protocol):
    """One server. Raises ``DeployError`` for a refusal, ``ServerUnreachableError`` when there is no answer.

    ``server`` names it in the state file: a base URL, or a cluster's name and namespace. Reading methods may
    retry; those that change something ask once.
    """

    @property
    def target(self) -> Target:
        """Kind of server."""

    @property
    def server(self) -> str:
        """Which one."""

    @property
    def key_reference(self) -> str | None:
        """Reference (``env:NAME``, ``file:PATH``) of the key that clients of ``Sighting.url`` send."""

    def cards(self) -> tuple[Cards, ...]:
        """What it can place models on; empty where it does not tell."""

    def version_for(self, engine: str, wanted: str) -> str | None:
        """The version of ``engine`` that a plan for ``wanted`` gets: that, an older one, or null."""

    def body(self, wanted: Wanted) -> dict[str, Any]:
        """The document that would create ``wanted``; raises ``ManifestError`` where it has no such form."""

    def evaluate(self, wanted: Wanted, body: Mapping[str, Any]) -> Judgement:
        """Have the server judge ``body`` without creating it."""

    def ensure(self, wanted: Wanted, body: Mapping[str, Any]) -> Sighting:
        """Create ``body``, or change what has its name to it; nothing is sent when it is so already.

        A deployment of ours that failed is started again. Raises ``DeployError`` when the name belongs to
        something that ModelScan did not make.
        """

    def look(self, name: str) -> Sighting | None:
        """How it is now; null when there is none of that name."""

    def list(self) -> list[Sighting]:
        """All on this server, those that ModelScan did not make too."""

    def health(self, seen: Sighting) -> Health:
        """Ask for the model list and for one token, once."""

    def scale(self, name: str, replicas: int) -> Sighting:
        """Set the number of replicas; 0 stops it and keeps its definition."""

    def remove(self, name: str) -> bool:
        """Delete it; false when there was none."""
