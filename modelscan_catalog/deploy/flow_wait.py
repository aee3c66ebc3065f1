"""Waits until a deployment runs: tolerant of a server that is away for a moment, never without an end."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from modelscan_catalog.deploy.deployer import Deployer, Health, Sighting
from modelscan_catalog.errors import DeployError, ServerUnreachableError

MOST_FAILURES = 3
"""A deployment that its server has restarted so often will fail again."""

Tell = Callable[[str, Sighting | None], None]
"""Called with a line for people, and the sighting behind it where there is one."""


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """Seconds."""

    start_s: float = 1800.0
    """Until it runs; weights of a large model take their time."""
    poll_s: float = 1.0
    gone_s: float = 60.0
    """The server may be silent for so long."""
    stuck_s: float = 45.0
    """It may stay pending with a complaint for so long."""
    settle_s: float = 20.0
    """A failure that lasts so long is one; servers restart what failed."""
    answer_s: float = 60.0
    """From running to its first answer: the route follows the model."""


def wait(
    deployer: Deployer,
    name: str,
    limits: WaitLimits,
    tell: Tell,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Sighting:
    """The deployment when it runs, failed, is stopped, or when the patience of ``limits`` ended.

    ``tell`` hears every change. Raises ``ServerUnreachableError`` when the server is silent for too long,
    ``DeployError`` when the deployment is gone.
    """
    began = clock()
    silent_since: float | None = None
    bad_since: float | None = None
    failures, last = 0, ""
    while True:
        moment = clock()
        try:
            seen = deployer.look(name)
        except ServerUnreachableError as error:
            silent_since = moment if silent_since is None else silent_since
            if clock() - silent_since >= limits.gone_s:
                raise ServerUnreachableError(
                    f"{name}: {deployer.server} has not answered for {limits.gone_s:.0f} s ({error}); what "
                    "it does meanwhile is not known"
                ) from error
            if last != "silent":
                tell(f"no answer from {deployer.server}, asking again for {limits.gone_s:.0f} s", None)
            last = "silent"
            sleep(limits.poll_s)
            continue
        silent_since = None
        if seen is None:
            raise DeployError(f"{name}: it is no longer on {deployer.server}; somebody removed it")
        line = told(seen)
        if line != last:
            tell(line, seen)
        if seen.state in ("running", "stopped"):
            return seen
        troubled = seen.state in ("failed", "unreachable") or bool(seen.message and seen.step == "pending")
        if troubled and bad_since is None:
            bad_since, failures = moment, failures + (seen.state == "failed")
        elif not troubled and seen.step != "analyzing":
            bad_since = None
        patience = limits.settle_s if seen.state == "failed" else limits.stuck_s
        if (
            troubled
            and bad_since is not None
            and (moment - bad_since >= patience or failures >= MOST_FAILURES)
        ):
            return seen
        if moment - began >= limits.start_s:
            return seen
        last = line
        sleep(limits.poll_s)


def wait_for_answer(
    deployer: Deployer,
    seen: Sighting,
    limits: WaitLimits,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Health:
    """The first answer of a running deployment, or the last complaint."""
    ends = clock() + limits.answer_s
    while True:
        health = deployer.health(seen)
        if health.answers or clock() >= ends:
            return health
        sleep(limits.poll_s)


def told(seen: Sighting) -> str:
    """The state in a few words: the server's own step, the progress, the first line of its reason."""
    words = [seen.step or seen.state]
    if seen.progress is not None and seen.state == "downloading":
        words.append(f"{seen.progress:.0f} %")
    if seen.replicas > 1:
        words.append(f"({seen.ready_replicas} of {seen.replicas} replicas ready)")
    text = " ".join(words)
    return f"{text}: {one_line(seen.message)}" if seen.message else text


def one_line(message: str, most: int = 400) -> str:
    """A server's bulleted paragraphs as one line of at most ``most`` characters."""
    parts = [line.strip().removeprefix("- ").strip() for line in message.splitlines()]
    text = "; ".join(part.rstrip(".;:") for part in parts if part)
    return text if len(text) <= most else text[: most - 1] + "…"
