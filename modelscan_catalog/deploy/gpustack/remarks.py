"""GPUStack's verdicts as lines a person can act on, and what it does otherwise than a plan says."""

import re
from collections.abc import Iterator, Sequence

from modelscan_catalog.deploy.deployer import Wanted

_NO_HUB = re.compile(
    r"max retries exceeded|failed to resolve|name or service not known|couldn.t connect|cannot connect"
    r"|connection.?(aborted|error|failed|refused|reset)|timed out",
    re.IGNORECASE,
)
"""How the hubs' clients complain of a network, in the server's verdict."""


def single_lines(messages: Sequence[str]) -> list[str]:
    """The server's bulleted paragraphs as single lines, each once."""
    lines = [line.strip().removeprefix("- ").strip() for text in messages for line in text.splitlines()]
    return list(dict.fromkeys(line for line in lines if line))


def with_way_out(reasons: Sequence[str]) -> Iterator[str]:
    """The server's reasons, and what to do about one that is about its hub."""
    yield from reasons
    if any(_NO_HUB.search(reason) for reason in reasons):
        yield (
            "the server cannot reach its hub: mend its network, give it a mirror (HF_ENDPOINT), or name "
            "weights that lie on its workers (--source local=PATH)"
        )


def what_it_ignores(wanted: Wanted) -> Iterator[str]:
    """What the plan says and GPUStack does otherwise, or does not judge."""
    plan = wanted.plan
    if plan.hub == "huggingface" and plan.revision is not None:
        yield (
            f"GPUStack fetches the newest revision of {plan.repo}; the plan is for {plan.revision[:12]}, "
            "which only --source local=PATH pins"
        )
    if wanted.replicas > 1:
        yield f"this is its word on one replica; {wanted.replicas} are asked for"
