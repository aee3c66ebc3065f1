"""``modelscan gpus``: the profiles that fits are computed for, and what this machine has."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.table import Table

from modelscan_catalog.cli.completion import complete_gpu
from modelscan_catalog.cli.console import table_console
from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.profiles import GpuProfile, find_profile, load_profiles

if TYPE_CHECKING:
    from modelscan_catalog.deploy.gpu import DetectedGpu, Detection

_CAPTION = "memory in GiB, ~ estimated; bf16 and fp8 in dense TFLOPS; link GB/s between cards; - unknown"
_COLUMNS = ("id", "architecture", "CC/gfx", "GiB sold", "driver", "GB/s", "bf16", "fp8", "link")
_WIDE_ONLY = ("architecture", "CC/gfx", "link")
_WIDE = 100
"""Columns of a terminal from which all fit; a narrower one is spared those, `gpus show` has them."""


@click.group(invoke_without_command=True)
@click.option("--vendor", help="nvidia, amd, intel, ascend or apple.")
@click.option("--mig", is_flag=True, help="List MIG instances too.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def gpus(context: click.Context, vendor: str | None, mig: bool, as_json: bool) -> None:
    """GPU profiles, and the GPUs of this machine."""
    if context.invoked_subcommand is not None:
        return
    profiles = [
        profile
        for profile in load_profiles().values()
        if (vendor is None or profile.vendor == vendor) and (mig or not profile.is_mig)
    ]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(profile) for profile in profiles]))
        return
    console = table_console()
    shown = [name for name in _COLUMNS if console.width >= _WIDE or name not in _WIDE_ONLY]
    table = Table(box=box.SIMPLE_HEAD, caption=_CAPTION, caption_justify="left")
    for name in shown:
        table.add_column(name, justify="left" if name in ("id", *_WIDE_ONLY[:2]) else "right", no_wrap=True)
    for profile in profiles:
        row = dict(zip(_COLUMNS, _row(profile), strict=True))
        table.add_row(*(row[name] for name in shown))
    console.print(table)


def _row(profile: GpuProfile) -> list[str]:
    memory = profile.memory
    rates = profile.tflops_dense
    return [
        profile.id,
        profile.architecture,
        profile.compute_capability or profile.gfx or "-",
        f"{profile.memory_gib_marketing:g}",
        f"{'~' if memory.basis == 'estimated' else ''}{memory.gib:.1f}",
        _figure(profile.bandwidth_gb_s),
        _figure(rates.get("bf16") or rates.get("fp16")),
        _figure(rates.get("fp8")),
        _figure(profile.interconnect_gb_s),
    ]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


@gpus.command()
@click.argument("name", shell_complete=complete_gpu)
def show(name: str) -> None:
    """One profile as JSON, with the source of each value and what other sources say."""
    click.echo(json.dumps(dataclasses.asdict(find_profile(name)), indent=1))


@gpus.command()
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Cards of a cluster: GPUStack's /v2/workers, or `kubectl get nodes -o json`; - is a pipe.",
)
@click.option("--json", "as_json", is_flag=True)
def detect(source: Path | None, as_json: bool) -> None:
    """The GPUs of this machine, or of a cluster from a file.

    A card that no profile describes is shown as custom: it is planned by what its driver tells of it. Having
    no GPU is an answer, not an error.
    """
    if source is None:
        from modelscan_catalog.deploy.gpu import detect_gpus

        found = detect_gpus()
    else:
        from modelscan_catalog.deploy.inventory import read_inventory

        found = read_inventory(source)
    if as_json:
        click.echo(json.dumps(_document(found)))
        return
    if found.gpus:
        table_console().print(_machines(found) if source is not None else _cards(found))
    elif source is None:
        click.echo(f"No GPU found: {found.note}. Plans for another machine take --gpu, see `modelscan gpus`.")
    else:
        click.echo(f"No GPU in {source}: {found.note}.")
    for problem in found.problems:
        if problem not in (found.note or ""):
            click.echo(f"note: {problem}")


def _document(found: Detection) -> dict[str, Any]:
    """The detection as JSON; a card without a profile has its custom one, null where too little is known."""
    document = dataclasses.asdict(found)
    for row, gpu in zip(document["gpus"], found.gpus, strict=True):
        row["custom_profile"] = None
        if gpu.custom:
            with suppress(FitInputError):
                row["custom_profile"] = dataclasses.asdict(gpu.planning_profile())
    return document


_CARD_CAPTION = "GiB as the driver reports; MIG instance, unified memory is the system's too; - unknown"


def _cards(found: Detection) -> Table:
    """A row a card."""
    table = _table("#", "card", "profile", "CC/gfx", "marks", "GiB", "free", "driver")
    for gpu in found.gpus:
        free = _gib(gpu.free_gib)
        table.add_row(gpu.index, gpu.name, *_kind(gpu), _gib(gpu.total_gib), free, gpu.driver or "-")
    return table


def _machines(found: Detection) -> Table:
    """A row a machine and kind of card."""
    table = _table("machine", "cards", "card", "profile", "CC/gfx", "marks", "GiB", "free", "driver")
    groups: dict[tuple[str, ...], list[DetectedGpu]] = {}
    for gpu in found.gpus:
        key = (gpu.machine or "-", gpu.name, *_kind(gpu), _gib(gpu.total_gib), gpu.driver or "-")
        groups.setdefault(key, []).append(gpu)
    for (machine, name, *kind, total, driver), gpus in groups.items():
        known = [gpu.free_gib for gpu in gpus if gpu.free_gib is not None]
        least, most = (_gib(min(known)), _gib(max(known))) if known else ("-", "-")
        free = least if least == most else f"{least} to {most}"
        table.add_row(machine, str(len(gpus)), name, *kind, total, free, driver)
    return table


def _kind(gpu: DetectedGpu) -> tuple[str, str, str]:
    """Profile, capability and marks."""
    marks = [word for word, true in (("MIG", gpu.mig), ("unified", gpu.unified)) if true]
    return gpu.profile or "custom", gpu.compute_capability or gpu.gfx or "-", " ".join(marks)


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, caption=_CARD_CAPTION, caption_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in ("cards", "GiB", "free") else "left")
    return table


def _gib(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
