"""``modelscan gpus``: the profiles that fits are computed for, and what this machine has."""

import dataclasses
import json

import click
from rich import box
from rich.table import Table

from modelscan_catalog.cli.console import table_console
from modelscan_catalog.fit.profiles import GpuProfile, find_profile, load_profiles

_CAPTION = "memory in GiB, ~ estimated; bf16 and fp8 in dense TFLOPS; link GB/s between cards; - unknown"


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
    table = Table(box=box.SIMPLE_HEAD, caption=_CAPTION, caption_justify="left")
    for name in ("id", "architecture", "CC/gfx"):
        table.add_column(name, no_wrap=True)
    for name in ("GiB sold", "driver", "GB/s", "bf16", "fp8", "link"):
        table.add_column(name, justify="right", no_wrap=True)
    for profile in profiles:
        table.add_row(*_row(profile))
    table_console().print(table)


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
@click.argument("name")
def show(name: str) -> None:
    """One profile as JSON, with the source of each value and what other sources say."""
    click.echo(json.dumps(dataclasses.asdict(find_profile(name)), indent=1))


@gpus.command()
@click.option("--json", "as_json", is_flag=True)
def detect(as_json: bool) -> None:
    """The GPUs of this machine."""
    from modelscan_catalog.deploy.gpu import detect_gpus

    found = detect_gpus()
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found)))
        return
    if not found.gpus:
        click.echo(f"No GPU found: {found.note}. Plans for another machine take --gpu, see `modelscan gpus`.")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("#", "name", "profile", "CC", "total GiB", "free GiB", "driver"):
        table.add_column(heading)
    for gpu in found.gpus:
        table.add_row(
            gpu.index,
            gpu.name,
            gpu.profile or "(unknown: give its memory)",
            gpu.compute_capability or "-",
            "-" if gpu.total_gib is None else f"{gpu.total_gib:.2f}",
            "-" if gpu.free_gib is None else f"{gpu.free_gib:.2f}",
            gpu.driver or "-",
        )
    table_console().print(table)
