"""A deployment plan for a person: what runs where and how, what it takes, what was overridden, what else."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Iterator

import click

from modelscan_catalog.deploy.plan import ApiRoute, DeploymentPlan, Speed
from modelscan_catalog.errors import ManifestError

_COLOURS = {"fits": "green", "tight": "yellow"}
_WORDS = {
    "fits": "fits",
    "tight": "tight: within the error of the estimate",
    "offload_only": "refused: runs only with layers in system memory",
    "does_not_fit": "refused: it does not fit",
    "unsupported": "refused: unsupported",
    "unknown": "refused: not known whether it runs",
    "no_checkpoint": "refused: no weights to serve",
}
_LABEL_WIDTH = 13
_MOST_ALTERNATIVES = 8
_GIB = 1 << 30


def report_lines(plan: DeploymentPlan, width: int) -> Iterator[str]:
    """The lines of a plan, at most ``width`` columns wide except for the command to copy."""
    where = f" on {plan.gpu_count} x {plan.gpu_name}" if plan.gpu_name else ""
    verdict = click.style(_WORDS[plan.verdict], fg=_COLOURS.get(plan.verdict, "red"), bold=True)
    yield f"{plan.model_id}{where}: {verdict}"
    rows = list(_rows(plan))
    yield from [""] * bool(rows)
    for label, text in rows:
        yield from _row(label, text, width)
    yield from _list("why", plan.reasons, width)
    yield from _list("mind", plan.warnings, width)
    overridden = (
        f"{one.field.replace('_', ' ')}: {one.asked} instead of {_planned(one.field, one.planned)}"
        for one in plan.overridden
    )
    yield from _list("overridden", overridden, width)
    for title, texts in alternatives(plan).items():
        yield from _list(title, texts[:_MOST_ALTERNATIVES], width)
    if plan.offers and not plan.starts:
        yield from _list(
            f"API routes, {len(plan.offers)} of {plan.offers_total}, USD per million tokens in / out",
            map(_offer, plan.offers),
            width,
        )
    if plan.starts:
        yield from _command(plan)


def alternatives(plan: DeploymentPlan) -> dict[str, list[str]]:
    """Lines of what would work by title: changes of the same model, and other models."""
    same = [one.text for one in plan.alternatives if one.change != "model"]
    other = [one.text for one in plan.alternatives if one.change == "model"]
    return {"what would work": same, "models that would run instead": other}


def _rows(plan: DeploymentPlan) -> Iterator[tuple[str, str]]:
    if plan.variant_id is None:
        return
    stored = "16-bit" if plan.quantization == "none" else plan.quantization or "format unknown"
    size = f", {plan.weights_bytes / _GIB:.1f} GiB of files" if plan.weights_bytes else ""
    stored += " while it loads" if plan.online_quantization else ""
    yield "checkpoint", f"{plan.variant_id}: {stored} ({plan.support}){size}"
    yield "source", _source(plan)
    release = f" {plan.engine_version}" if plan.engine_version else ""
    yield "engine", f"{plan.engine}{release}, goal {plan.goal}"
    ids = f", GPUs {', '.join(plan.gpu_ids)}" if plan.gpu_ids else ""
    cards = f"{plan.gpu_count} x {plan.gpu_profile_id}{ids}"
    yield "cards", f"{cards}, TP {plan.tensor_parallel} x PP {plan.pipeline_parallel}"
    if plan.context:
        declared = f" of {plan.declared_context:,} declared" if plan.declared_context else ""
        asked = f"{plan.concurrency} request{'s' * (plan.concurrency > 1)}"
        yield "planned for", f"{asked} of {plan.context:,} tokens{declared}{_most(plan)}"
    if (memory := _memory(plan)) is not None:
        yield "memory", memory
    if plan.expected.decode_tok_s is not None:
        yield "speed", _speed(plan)
    if plan.flags:
        yield "flags", shlex.join(plan.flags)
    if plan.starts and plan.offers:
        yield "or an API", f"{_offer(plan.offers[0])}, the cheapest of {plan.offers_total}"


def _source(plan: DeploymentPlan) -> str:
    pinned = f" @ {plan.revision[:12]}" if plan.revision else ""
    if plan.hub == "local":
        return f"{plan.local_path}"
    here = f"; downloaded already: {plan.local_path}" if plan.local_path else ""
    return f"{plan.hub}: {plan.repo}{pinned}{here}"


def _memory(plan: DeploymentPlan) -> str | None:
    expected, each = plan.expected, plan.expected.per_gpu
    if each.total_gib is None or expected.budget_gib is None:
        return None if each.weights_gib is None else f"weights {each.weights_gib:.2f} GiB a card"
    if each.overhead_gib is None or each.kv_gib is None:
        return f"weights {each.total_gib:.2f} GiB a card of {expected.budget_gib:.2f}"
    over = each.total_gib - expected.budget_gib
    rest = f"{over:.2f} GiB over" if over > 0 else f"{-over:.2f} GiB to spare"
    return (
        f"weights {each.weights_gib:.2f} + KV cache {each.kv_gib:.2f} + overhead {each.overhead_gib:.2f} = "
        f"{each.total_gib:.2f} of {expected.budget_gib:.2f} GiB a card (of {expected.card_gib:.2f}); {rest}"
    )


def _most(plan: DeploymentPlan) -> str:
    most = plan.expected.max_concurrency
    return f"; {most:,.1f} at once at most" if plan.starts and most else ""


def _speed(plan: DeploymentPlan) -> str:
    expected = plan.expected
    parts = [f"{_band(expected.decode_tok_s)} tokens/s for one request"]
    if expected.throughput_tok_s is not None and (expected.max_concurrency or 0) >= 2:
        parts.append(f"{_band(expected.throughput_tok_s)} with as many as fit")
    if expected.ttft_s is not None:
        parts.append(f"first token after {_band(expected.ttft_s)} s at full context")
    basis = expected.decode_tok_s.basis if expected.decode_tok_s else ""
    return f"{'; '.join(parts)} ({basis if basis.startswith('measured') else f'{basis}, estimated'})"


def _band(band: Speed | None) -> str:
    return "-" if band is None else f"{band.low:,.0f} to {band.high:,.0f}"


def _planned(field: str, value: str | None) -> str:
    if value is None:
        return "the engine's default" if field == "gpu_memory_utilization" else "none that starts"
    return "16-bit" if field == "quantization" and value == "none" else value


def _offer(one: ApiRoute) -> str:
    prices = [
        "?" if value is None else f"${value:g}" for value in (one.input_usd_per_mtok, one.output_usd_per_mtok)
    ]
    return f"{one.provider} {' / '.join(prices)} as {one.provider_model}" + (
        f" at {one.base_url}" if one.base_url else ""
    )


def _command(plan: DeploymentPlan) -> Iterator[str]:
    """The line that starts the plan on this machine, whole, to copy."""
    from modelscan_catalog.manifests.commands import launch_command

    try:
        command = launch_command(plan.launch_plan())
    except ManifestError:
        return
    devices = "".join(f"{name}={value} " for name, value in plan.device_env().items())
    yield ""
    yield "start it here:"
    yield f"  {devices}{command}"


def _row(label: str, text: str, width: int) -> Iterator[str]:
    lines = textwrap.wrap(text, max(width - _LABEL_WIDTH, 20), break_on_hyphens=False) or [""]
    yield f"{label:<{_LABEL_WIDTH}}{lines[0]}"
    yield from (f"{'':<{_LABEL_WIDTH}}{line}" for line in lines[1:])


def _list(title: str, texts: Iterable[str], width: int) -> Iterator[str]:
    items = list(texts)
    if not items:
        return
    yield ""
    yield title
    for text in items:
        lines = textwrap.wrap(text, max(width - 4, 20), break_on_hyphens=False)
        yield from (f"{'  - ' if number == 0 else '    '}{line}" for number, line in enumerate(lines))
