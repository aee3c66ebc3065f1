"""``modelscan doctor``: what is missing on this machine, what that costs, and how to mend it."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from modelscan_catalog.cli.catalog import echo_json, json_option, registry_option
from modelscan_catalog.errors import PublishError, SettingsError, StateError

_STALE_DAYS = 30
_LEAST_FREE_GB = 2
_OPTIONAL = {
    "distributed": ("fit matrix on a Dask cluster", "pip install 'modelscan-catalog[dask]'"),
    "nbclient": ("notebooks", "pip install 'modelscan-catalog[notebooks]'"),
}
_TOKENS = {
    "MODELSCAN_HUGGINGFACE_TOKEN": "gated repositories are read without their configuration",
    "MODELSCAN_MODELSCOPE_TOKEN": "ModelScope is asked without a token",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at; ``costs`` says what does not work without it."""

    what: str
    status: Literal["ok", "missing", "wrong"]
    seen: str
    costs: str = ""
    fix: str = ""


@click.command()
@registry_option
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The service's YAML file: what it says and nothing follows is listed.",
)
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write what somebody who helps needs to know to a zip, without secrets.",
)
@json_option
def doctor(registry: Path, config: Path | None, bundle: Path | None, as_json: bool) -> None:
    """What is missing on this machine, and what that costs.

    Exit code 1 when something is wrong; things that are only missing are listed.
    """
    found = list(findings(registry, config))
    if bundle is not None:
        from modelscan_catalog.service.bundle import write_bundle

        names = write_bundle(bundle, registry, [asdict(one) for one in found], config)
        click.echo(f"{bundle}: {', '.join(names)}", err=True)
    if as_json:
        echo_json([asdict(one) for one in found])
    else:
        width = max(len(one.what) for one in found)
        indent = " " * (width + 9)
        colours = {"ok": "green", "missing": "yellow", "wrong": "red"}
        for one in found:
            click.echo(
                f"{click.style(f'{one.status:<8}', fg=colours[one.status])}{one.what:<{width}} {one.seen}"
            )
            if one.costs:
                click.echo(f"{indent}costs: {one.costs}")
            if one.fix:
                click.echo(f"{indent}fix:   {one.fix}")
    if any(one.status == "wrong" for one in found):
        click.get_current_context().exit(1)


def findings(registry: Path, config: Path | None = None) -> Iterator[Finding]:
    """Each thing that ModelScan uses, looked at once; nothing is changed and no socket is opened."""
    yield Finding("Python", "ok", f"{sys.version.split()[0]} at {sys.executable}")
    yield from _registry(registry)
    yield from _settings(config)
    yield _gpus()
    yield _disk(registry)
    for module, (feature, fix) in _OPTIONAL.items():
        if importlib.util.find_spec(module):
            yield Finding(feature, "ok", f"{module} is installed")
        else:
            yield Finding(feature, "missing", f"{module} is not installed", f"no {feature}", fix)
    git = shutil.which("git")
    yield (
        Finding("git", "ok", git)
        if git
        else Finding("git", "missing", "not on the PATH", "no branches of catalogue entries", "install git")
    )
    for name, costs in _TOKENS.items():
        if os.environ.get(name):
            yield Finding(name, "ok", "is set")
        else:
            yield Finding(name, "missing", "is not set", costs, f"export {name}=env:NAME or file:PATH")


def _registry(registry: Path) -> Iterator[Finding]:
    from modelscan_catalog.publish.registry import read_index, verify_published

    try:
        faults = verify_published(registry)
        index = read_index(registry)
    except PublishError as error:
        yield Finding("registry", "wrong", str(error), "every look-up", "modelscan build")
        return
    if faults or index is None:
        seen = f"{registry}: {len(faults)} files are not as the index says, such as {faults[0]}"
        yield Finding("registry", "wrong", seen, "answers may be wrong", "modelscan build")
        return
    size = sum(entry.bytes for entry in index.files) / 1e6
    yield Finding("registry", "ok", f"{registry}: {len(index.files)} files, {size:.1f} MB, whole")
    as_of = index.data_as_of
    age = (datetime.now(UTC) - datetime.fromisoformat(as_of)).days if as_of else None
    if age is None or age > _STALE_DAYS:
        seen = f"of {as_of[:10]}, {age} days old" if as_of else "of unknown age"
        yield Finding("data", "missing", seen, "newer models and prices", "modelscan build")
    else:
        yield Finding("data", "ok", f"of {str(as_of)[:10]}")


def _settings(config: Path | None) -> Iterator[Finding]:
    from modelscan_catalog.settings import load_tolerant
    from modelscan_catalog.state import open_state, schema_version

    try:
        loaded = load_tolerant(config)
    except SettingsError as error:
        yield Finding("settings", "wrong", str(error), "nothing starts", "mend it")
        return
    for warning in loaded.warnings:
        name, _, why = warning.partition(": ")
        yield Finding("settings", "missing", f"{name}: {why}", "it is not followed", "mend or remove it")
    if not loaded.warnings:
        yield Finding("settings", "ok", "nothing in them is passed over")
    path = loaded.settings.state_file
    if not path.is_file():
        yield Finding("state", "ok", f"none yet; it will lie at {path}")
        return
    try:
        with open_state(path) as state:
            yield Finding("state", "ok", f"{path}: schema {schema_version(state)}")
    except StateError as error:
        yield Finding(
            "state", "wrong", str(error), "jobs, deployments, audit", "modelscan restore FILE --apply"
        )


def _gpus() -> Finding:
    from modelscan_catalog.deploy.gpu import detect_gpus

    found = detect_gpus()
    if found.gpus:
        return Finding("GPU", "ok", ", ".join(gpu.name for gpu in found.gpus))
    costs = "`modelscan fit` and `what-fits` need --gpu; no engine can start here"
    return Finding("GPU", "missing", found.note or "none", costs, "name the cards: --gpu rtx-4090")


def _disk(registry: Path) -> Finding:
    place = next(path for path in (registry, *registry.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free / 1e9
    if free < _LEAST_FREE_GB:
        return Finding(
            "disk", "wrong", f"{free:.1f} GB free at {place}", "a build needs about 2 GB", "free some"
        )
    return Finding("disk", "ok", f"{free:.0f} GB free at {place}")
