"""``modelscan plan``: how a model is to be served on these cards, and why; the plan that deployments take."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelscan_catalog.cli.completion import complete_gpu, complete_model
from modelscan_catalog.cli.fit_inputs import Number, Whole
from modelscan_catalog.errors import FitInputError
from modelscan_catalog.registry.files import published_dir
from modelscan_catalog.settings import load_settings

if TYPE_CHECKING:
    from modelscan_catalog.deploy.plan import PlanRequest

SOURCES = ("huggingface", "modelscope", "local")
WIDEST = 110


@click.command("plan")
@click.argument("model", shell_complete=complete_model)
@click.option(
    "--gpu",
    metavar="NAME[:N]",
    shell_complete=complete_gpu,
    default="detected",
    help="Cards, such as h100-80gb:8. Default: this machine's.",
)
@click.option("--gpu-ids", metavar="0,1", help="Only these of the cards; unlike ones count as the smallest.")
@click.option("--quantization", metavar="LABEL", help="Only checkpoints stored so, such as fp8 or int4.")
@click.option("--online", is_flag=True, help="The engine stores 16-bit files so as it loads them.")
@click.option("--variant", metavar="REPO", help="Only this checkpoint of the model.")
@click.option(
    "--backend", "--engine", "engine", metavar="NAME[@VERSION]", help="vllm, sglang, llama.cpp or mindie."
)
@click.option("--backend-version", "engine_version", metavar="VERSION", help="Such as 0.33.0.")
@click.option("--source", metavar="WHERE", help="huggingface, modelscope, local (a cache) or local=PATH.")
@click.option("--context", type=Whole(), metavar="N", help="Tokens of a request; 32k is 32768.")
@click.option("--concurrency", type=Whole(), metavar="N", default=1, help="Requests at once. [default: 1]")
@click.option("--goal", metavar="GOAL", default="standard", help="standard (default), throughput or latency.")
@click.option("--kv-cache-dtype", metavar="DTYPE", help="Such as fp8. Default: the engine's.")
@click.option("--tp", "tensor_parallel", type=Whole(), metavar="N", help="Tensor parallel size.")
@click.option("--pp", "pipeline_parallel", type=Whole(), metavar="N", help="Pipeline parallel size.")
@click.option(
    "--utilization",
    "gpu_memory_utilization",
    type=Number(),
    metavar="F",
    help="Share of a card that the engine may use.",
)
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="FLAG",
    help="A further engine flag, --flag=value; repeat it.",
)
@click.option(
    "--registry",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=published_dir,
    help="Published registry. [default: registry/published]",
)
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON, which deployments take.")
def plan(registry: Path, as_json: bool, **asked: Any) -> None:
    """How to serve MODEL on these cards: checkpoint, engine, split, context, flags, memory, speed, and why.

    Without --gpu-ids a plan for this machine takes the fewest of its cards that serve the model as well as
    all of them. What an option decides is named as overridden, with what the planner would have chosen.

    \b
    Exit code  0  the plan starts: fits, or tight
               1  it is refused; the reasons and what would work are shown
               2  the question cannot be answered as it was put
    """
    from modelscan_catalog.deploy.benchmark_evidence import measured_here
    from modelscan_catalog.deploy.planner import make_plan

    with measured_here(load_settings().state_file):
        made = make_plan(registry, plan_request(asked))
    if as_json:
        click.echo(made.model_dump_json(indent=1))
    else:
        from modelscan_catalog.cli.plan_report import report_lines

        width = min(shutil.get_terminal_size().columns, WIDEST) if sys.stdout.isatty() else WIDEST
        click.echo("\n".join(report_lines(made, width)))
    click.get_current_context().exit(0 if made.starts else 1)


def plan_request(asked: dict[str, Any]) -> PlanRequest:
    """The options as a request; raises `FitInputError` naming the option that cannot be used."""
    from pydantic import ValidationError

    from modelscan_catalog.deploy.plan import PlanRequest

    source, _, path = (asked.pop("source") or "").partition("=")
    if source and source.lower() not in SOURCES:
        raise FitInputError(
            f"source: {source[:40]!r} is unknown; use one of {', '.join(SOURCES)}", field="source"
        )
    if path and source.lower() != "local":
        raise FitInputError("source: only local takes a path, as in local=PATH", field="source")
    ids = asked.pop("gpu_ids")
    engine, at, version = (asked["engine"] or "").partition("@")
    if at:
        if asked["engine_version"]:
            raise FitInputError("engine_version: it is given twice; leave one out", field="engine_version")
        asked |= {"engine": engine, "engine_version": version or None}
    try:
        return PlanRequest(
            **asked | {"gpu": None if asked["gpu"].strip().lower() == "detected" else asked["gpu"]},
            source=source.lower() or None,
            local_path=str(Path(path).expanduser().absolute()) if path else None,
            gpu_ids=tuple(part.strip() for part in ids.split(",")) if ids else (),
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise FitInputError(f"{field}: {first['msg']}", field=field) from error
