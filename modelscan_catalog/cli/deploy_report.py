"""A deployment plan and the course of a deployment as lines for a terminal."""

import shlex
import sys
import time
from collections.abc import Iterator, Sequence

import click

from modelscan_catalog.cli.plan_report import alternatives
from modelscan_catalog.deploy.deployer import Judgement, Sighting
from modelscan_catalog.deploy.plan import DeploymentPlan, Speed

MOST_ALTERNATIVES = 5
_ENGINES = {"vllm": "vLLM", "sglang": "SGLang", "llama.cpp": "llama.cpp"}
_QUIET_PERCENT = 10
"""Where nobody watches, a download is told of at each such step."""


def plan_lines(plan: DeploymentPlan, place: str, pinned: Sequence[str] = ()) -> Iterator[str]:
    """What is planned, each choice on a line; ``place`` says whose cards, ``pinned`` which."""
    expected = plan.expected
    card = f" ({expected.card_gib:.1f} GiB each)" if expected.card_gib else ""
    ids = f", pinned to {', '.join(pinned)}" if pinned else ""
    if plan.gpu_name is not None:
        yield f"→ GPU: {plan.gpu_count} × {plan.gpu_name}{card}{ids}, {place}"
    if plan.starts:
        yield from _choice_lines(plan)
    else:
        yield f"→ {plan.model_id}: {plan.verdict.replace('_', ' ')}"
    yield from (f"  {'why' if plan.starts else 'because'}: {reason}" for reason in plan.reasons)
    yield from (f"  note: {warning}" for warning in plan.warnings)
    for one in plan.overridden:
        if one.planned is not None:
            planned = "16-bit" if (one.field, one.planned) == ("quantization", "none") else one.planned
            yield f"  asked: {one.field.replace('_', ' ')} {one.asked} (planned: {planned})"
    for title, texts in alternatives(plan).items() if not plan.starts else ():
        if texts:
            yield f"{title.capitalize()}:"
            yield from (f"  - {text}" for text in texts[:MOST_ALTERNATIVES])
    if not plan.starts and plan.offers:
        yield "Or called at a seller's API, cheapest first:"
        for offer in plan.offers[:3]:
            price = offer.input_usd_per_mtok, offer.output_usd_per_mtok
            told = (
                "price unknown" if None in price else f"${price[0]:g} in, ${price[1]:g} out a million tokens"
            )
            yield f"  - {offer.provider}: {offer.provider_model} ({told})"


def _choice_lines(plan: DeploymentPlan) -> Iterator[str]:
    need = plan.expected.per_gpu.total_gib
    estimate = f" (estimated {need:.1f} GiB on each card)" if need is not None else ""
    stored = {None: "unknown", "none": "none, as trained"}.get(
        plan.quantization, str(plan.quantization).upper()
    )
    online = " by the engine while it loads" if plan.online_quantization else ""
    yield f"→ Quantization: {stored}{online}{estimate}"
    engine = _ENGINES.get(plan.engine or "", plan.engine or "")
    split = f", TP {plan.tensor_parallel}" if (plan.tensor_parallel or 1) > 1 else ""
    split += f", PP {plan.pipeline_parallel}" if (plan.pipeline_parallel or 1) > 1 else ""
    context = f", {plan.context:,} tokens of context" if plan.context else ""
    yield f"→ Backend: {engine} {plan.engine_version or ''}{split}{context}"
    if plan.hub == "local":
        yield f"→ Source: local/{(plan.local_path or '').lstrip('/')} instead of {plan.repo}"
    else:
        revision = f" at {plan.revision[:12]}" if plan.revision else ""
        yield f"→ Source: {plan.hub}/{plan.repo}{revision}"
    if plan.flags:
        yield f"→ Flags: {shlex.join(plan.flags)}"
    if plan.expected.decode_tok_s is not None:
        yield f"→ Speed: {_speed(plan.expected.decode_tok_s)}"


def _speed(speed: Speed) -> str:
    band = f"{speed.point:,.0f} ({speed.low:,.0f} to {speed.high:,.0f})"
    return f"{band} tokens/s for one request, {'estimated' if speed.basis == 'roofline' else speed.basis}"


def judgement_lines(judgement: Judgement, server: str) -> Iterator[str]:
    """What the server said before anything was created."""
    if judgement.accepted:
        claim = f", would reserve {judgement.vram_gib:.1f} GiB of its cards" if judgement.vram_gib else ""
        yield f"→ Server: {server} accepts it{claim}"
    else:
        yield f"→ Server: {server} refuses it"
    yield from (f"  because: {reason}" for reason in judgement.reasons)
    yield from (f"  note: {remark}" for remark in judgement.remarks)


class Narrator:
    """Prints each change with the seconds since the start; a download rewrites its line on a terminal."""

    def __init__(self, quiet: bool = False) -> None:
        self._began = time.monotonic()
        self._quiet = quiet
        self._percent = -1.0
        self._open_line = False

    def __call__(self, line: str, seen: Sighting | None) -> None:
        """Hear of a change."""
        if self._quiet:
            return
        text = f"  {time.monotonic() - self._began:6.1f} s  {line}"
        progress = seen.progress if seen is not None and seen.state == "downloading" else None
        if progress is not None and 0 < progress < 100 and sys.stdout.isatty():
            click.echo(f"\r\033[K{text}", nl=False)
            self._open_line = True
            return
        if progress is not None and 0 < progress < 100 and progress < self._percent + _QUIET_PERCENT:
            return
        if progress is not None:
            self._percent = progress
        self.close()
        click.echo(text)

    def close(self) -> None:
        """End a line that was being rewritten."""
        if self._open_line:
            click.echo()
            self._open_line = False
