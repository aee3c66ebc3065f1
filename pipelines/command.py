"""``modelscan build``: the whole asset graph in this process, with live progress and a closing report."""

import logging
from pathlib import Path

import click
from rich.console import Console

from modelscan_catalog import progress
from modelscan_catalog.errors import CheckFailedError, ModelScanError, SettingsError
from modelscan_catalog.notify import Notice, notify
from modelscan_catalog.settings import load_settings
from modelscan_catalog.tables import SOURCES
from pipelines.display import LiveProgress, print_report
from pipelines.execution import failures, run_refresh
from pipelines.notices import tell_news

MODES = ("live", "cached", "snapshot")


def _source_modes(pairs: tuple[str, ...]) -> dict[str, str]:
    modes: dict[str, str] = {}
    for pair in pairs:
        name, _, mode = pair.partition("=")
        if name not in SOURCES or mode not in MODES:
            raise SettingsError(
                f"--source {pair}: write NAME=MODE; names are {', '.join(SOURCES)}, modes {', '.join(MODES)}"
            )
        modes[name] = mode
    return modes


@click.command()
@click.option("--offline", is_flag=True, help="Never open a socket: use stored documents, else the snapshot.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="NAME=MODE",
    help="How to read one source: live (must answer), cached or snapshot. May be repeated.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Publish there instead of registry/published.",
)
@click.option("--accept-shrink", is_flag=True, help="Publish even where a source lost many of its rows.")
@click.option("--dask", metavar="ADDRESS", help="Dask scheduler for the fit matrix, tcp://HOST:PORT.")
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="For the fit matrix.",
)
def build(
    offline: bool,
    sources: tuple[str, ...],
    out: Path | None,
    accept_shrink: bool,
    dask: str | None,
    processes: int,
) -> None:
    """Rebuild the catalogue from its sources, check it, and publish it in one step."""
    modes = _source_modes(sources)
    settings = load_settings(out_dir=out.absolute() if out else None)
    console = Console(stderr=True)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with LiveProgress(console) as live, progress.listening(live.show):
        result = run_refresh(
            {
                "offline": offline,
                "source_modes": modes,
                "out_dir": str(settings.out_dir) if settings.out_dir else None,
                "accept_shrink": accept_shrink,
                "dask": dask,
                "processes": processes,
            }
        )
    print_report(Console(), settings, published=result.success)
    if result.success:
        if settings.slack_webhook_url is not None:
            tell_news(settings)
    else:
        failed_checks, failed_steps = failures(result)
        why = "; ".join(failed_checks or failed_steps)
        notify(settings, Notice("pipeline.failed", "modelscan build", f"the build failed: {why}"))
        if failed_checks:
            raise CheckFailedError("; ".join(failed_checks) + ". The published registry was left as it is")
        raise ModelScanError("; ".join(failed_steps) + ". The published registry was left as it is")
