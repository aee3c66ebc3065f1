"""``modelscan deploy``: from a model's name to a running, routed endpoint; dry unless told otherwise."""

import json
import re
import shlex
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelscan_catalog.cli.deploy_report import Narrator, judgement_lines, plan_lines
from modelscan_catalog.cli.fit_inputs import Number, Whole
from modelscan_catalog.cli.plan import plan_request
from modelscan_catalog.cli.targets import has_server, opened, places, published, where_options
from modelscan_catalog.errors import DeployError
from modelscan_catalog.settings import load_settings

if TYPE_CHECKING:
    from modelscan_catalog.deploy.deployer import Cards, Deployer
    from modelscan_catalog.deploy.flow import Outcome
    from modelscan_catalog.deploy.kserve.forms import ServiceWishes
    from modelscan_catalog.deploy.plan import DeploymentPlan, PlanRequest

EXIT_CODES = {"running": 0, "failed": 1, "refused": 3, "waiting": 4}
_INDICES = re.compile(r"^\d+(,\d+)*$|^[^,:\s]+:[a-z]+:\d+(,[^,:\s]+:[a-z]+:\d+)*$")
"""Cards by their indices (``0,1``) or by the server's ids (``worker:cuda:0``)."""
_PLANNED = (
    "model",
    "quantization",
    "online",
    "variant",
    "engine",
    "engine_version",
    "source",
    "context",
    "concurrency",
    "goal",
    "kv_cache_dtype",
)
"""Options that go to the planner as they are."""
_KSERVE = {
    "form": "--form",
    "storage": "--storage",
    "service_account": "--service-account",
    "secret_name": "--secret",
    "writable_root": "--writable-root",
}
"""Options that only KServe takes."""
_FILE = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("model")
@click.option("--gpu", metavar="NAME[:COUNT]|I,J", help="Cards by name, or by index. [default: the server's]")
@click.option("--quantization", metavar="LABEL", help="Only checkpoints stored so, such as fp8 or int8.")
@click.option("--online", is_flag=True, help="The engine stores 16-bit files so as it loads them.")
@click.option("--variant", metavar="REPO", help="Only this checkpoint.")
@click.option(
    "--backend", "--engine", "engine", metavar="NAME[@VERSION]", help="vllm or sglang. [default: the best]"
)
@click.option(
    "--backend-version", "--engine-version", "engine_version", metavar="VERSION", help="Such as 0.30.0."
)
@click.option("--source", metavar="HUB", help="huggingface, modelscope, local (a cache), or local=PATH.")
@click.option("--context", type=Whole(), metavar="N", help="Tokens of a request; 32k is 32768.")
@click.option("--concurrency", type=Whole(), metavar="N", default=1, help="Requests at once. [default: 1]")
@click.option("--goal", metavar="GOAL", default="standard", help="standard (default), throughput or latency.")
@click.option("--kv-cache-dtype", metavar="DTYPE", help="auto, fp8, ...")
@click.option("--tp", type=Whole(), metavar="N", help="Tensor parallel size.")
@click.option("--pp", type=Whole(), metavar="N", help="Pipeline parallel size.")
@click.option("--utilization", type=Number(), metavar="F", help="Share of a card that the engine may use.")
@click.option("--parameter", multiple=True, metavar="FLAG", help="A further engine flag; may be repeated.")
@click.option("--name", metavar="NAME", help="Of the deployment. [default: the model's]")
@click.option("--replicas", type=click.IntRange(1, 1000), default=1, show_default=True)
@click.option("--form", metavar="FORM", help="On KServe: vllm, huggingface, runtime, llmisvc or llm-d. "
              "[default: vllm; runtime for SGLang]")  # fmt: skip
@click.option("--storage", metavar="PLACE", help="On KServe: weights that are at pvc://claim/path.")
@click.option("--service-account", metavar="NAME", help="On KServe: whose secrets fetch gated weights.")
@click.option("--secret", "secret_name", metavar="NAME",
              help="On KServe: Secret with the keys. [default: modelscan-secrets]")  # fmt: skip
@click.option("--writable-root", is_flag=True, help="On KServe: no read-only root, for NVIDIA's CDI hook.")
@where_options
@click.option("--apply", is_flag=True, help="Do it; without this nothing is changed.")
@click.option("--wait", "wait_s", type=Number(), default=1800.0, metavar="SECONDS",
              help="Until it runs. [default: 1800]")  # fmt: skip
@click.option(
    "--registry", type=_FILE, metavar="DIR", help="Published registry. [default: registry/published]"
)
@click.option("--json", "as_json", is_flag=True, help="Plan, document and outcome as JSON.")
def deploy(**asked: Any) -> None:
    """Plan MODEL, have the server judge it, start it, wait until it answers, and route to it.

    The same command again resumes what was interrupted, and changes nothing where all is as asked.

    \b
    Exit code  0  it runs and answers, or the dry run found nothing in the way
               1  it was created and failed
               2  a setting, the server or the question must be mended
               3  it does not fit, or the server refuses it
               4  it was created and does not run yet
    """
    from modelscan_catalog.deploy.benchmark_evidence import measured_here
    from modelscan_catalog.deploy.planner import make_plan
    from modelscan_catalog.deploy.server_cards import plan_on

    wishes = _wishes(asked)
    request = _request(asked, wishes)
    with ExitStack() as stack:
        deployer: Deployer | None = None
        if asked["apply"] or has_server(asked["target"], asked["server"]):
            deployer = stack.enter_context(
                opened(asked["target"], asked["server"], asked["key"], asked["cluster"], wishes)
            )
        cards = deployer.cards() if deployer is not None else ()
        root = published(asked["registry"])
        with measured_here(load_settings().state_file):
            plan = plan_on(deployer, cards, root, request) if deployer else make_plan(root, request)
        code = _go(plan, deployer, cards, asked)
    click.get_current_context().exit(code)


def _wishes(asked: Mapping[str, Any]) -> "ServiceWishes | None":
    """What is asked of KServe alone; raises ``DeployError`` where that is not the target."""
    given = {name: asked[name] for name in _KSERVE if asked[name]}
    if asked["target"] != "kserve":
        for name in given:
            option = _KSERVE[name]
            raise DeployError(f"{option}: only KServe knows this; give --target kserve, or leave it out")
        return None
    from modelscan_catalog.deploy.kserve.forms import ServiceWishes, form_of

    form = {"form": form_of(asked["form"])} if asked["form"] else {}
    return ServiceWishes(**{**given, **form})


def _request(asked: Mapping[str, Any], wishes: "ServiceWishes | None") -> "PlanRequest":
    from modelscan_catalog.manifests.targets import engine_of_target

    by_number = _names_cards(asked["gpu"])
    own = engine_of_target(wishes.form) if wishes and wishes.form else None
    return plan_request(
        {
            **{name: asked[name] for name in _PLANNED},
            "engine": asked["engine"] or own,
            "gpu": "detected" if by_number or asked["gpu"] is None else asked["gpu"],
            "gpu_ids": asked["gpu"] if by_number else None,
            "tensor_parallel": asked["tp"],
            "pipeline_parallel": asked["pp"],
            "gpu_memory_utilization": asked["utilization"],
            "parameters": asked["parameter"],
        }
    )


def _names_cards(gpu: str | None) -> bool:
    return gpu is not None and _INDICES.match(gpu.replace(" ", "")) is not None


def _go(
    plan: "DeploymentPlan", deployer: "Deployer | None", cards: "tuple[Cards, ...]", asked: Mapping[str, Any]
) -> int:
    from modelscan_catalog.deploy.deployer import Wanted
    from modelscan_catalog.deploy.flow import preview
    from modelscan_catalog.deploy.server_cards import card_ids

    told = _Told(asked["as_json"], plan)
    place = "as named"
    if plan.detected:
        place = f"of {deployer.server}" if deployer is not None else "of this machine"
    # Cards that nobody named are left to the server: it knows which are free.
    chosen: tuple[str, ...] = ()
    if plan.starts and _names_cards(asked["gpu"]):
        chosen = plan.gpu_ids if deployer is None else card_ids(plan, cards, deployer.server)
    told.lines(plan_lines(plan, place, chosen))
    if not plan.starts:
        return told.end(3)
    if asked["storage"]:
        told.lines([f"→ Weights: {asked['storage']}"])
    if deployer is None:
        told.lines(["", "dry run, and no server is named (--server, --key): nothing was asked or changed"])
        return told.end(0)
    name = _name(plan, asked["target"]) if asked["name"] is None else asked["name"]
    wanted = Wanted(name, plan, asked["replicas"], chosen)
    if not asked["apply"]:
        found = preview(deployer, wanted)
        told.document |= {"name": wanted.name, "server": deployer.server, "body": found.body}
        told.document["accepted"] = found.judgement.accepted
        told.document["reasons"] = list(found.judgement.reasons)
        told.lines(judgement_lines(found.judgement, deployer.server))
        if found.judgement.accepted:
            copies = f", {wanted.replicas} replicas" if wanted.replicas > 1 else ""
            told.lines(["", f"dry run: nothing was changed; add --apply to deploy it as {name}{copies}"])
        return told.end(0 if found.judgement.accepted else 3)
    return _apply(wanted, deployer, asked, told)


def _name(plan: "DeploymentPlan", target: str | None) -> str:
    if target == "kserve":
        from modelscan_catalog.manifests.plan_input import deployment_name

        return deployment_name(plan.launch_plan())
    from modelscan_catalog.manifests.gpustack import gpustack_name

    return gpustack_name(plan.served_model_name)


def _apply(wanted: Any, deployer: "Deployer", asked: Mapping[str, Any], told: "_Told") -> int:
    from modelscan_catalog.deploy.flow import deploy as run
    from modelscan_catalog.deploy.flow_wait import WaitLimits

    narrator = Narrator(quiet=asked["as_json"])
    told.lines([f"→ Starting deployment {wanted.name} on {deployer.server}..."])
    told.document |= {"name": wanted.name, "server": deployer.server}
    try:
        with places() as where:
            outcome = run(deployer, wanted, where, narrator, WaitLimits(start_s=asked["wait_s"]))
    except KeyboardInterrupt:
        narrator.close()
        click.echo("\n".join(_interrupted(wanted.name, deployer)), err=True)
        return 130
    finally:
        narrator.close()
    told.lines(outcome_lines(outcome, wanted.name, deployer.server))
    told.document |= {"ended": outcome.ended, "message": outcome.message, "routed": outcome.routed}
    told.document["url"] = outcome.seen.url if outcome.seen else None
    return told.end(EXIT_CODES[outcome.ended])


def _interrupted(name: str, deployer: "Deployer") -> list[str]:
    """What was left behind, and the ways on."""
    from modelscan_catalog.state import deployment

    with places() as where:
        known = deployment(where.connection, deployer.target, deployer.server, name)
    if known is None:
        return [f"interrupted: nothing was created on {deployer.server}"]
    left = f"{name} stays on {deployer.server} and goes on starting there"
    if known.remote_id is None:
        left = f"whether {name} was created on {deployer.server} is not known; the same command finds out"
    return [
        f"interrupted: {left}",
        f"  look:      modelscan status {name}",
        f"  resume:    {shlex.join(['modelscan', *sys.argv[1:]])}",
        f"  give up:   modelscan remove {name} --apply",
    ]


def outcome_lines(outcome: "Outcome", name: str, server: str) -> list[str]:
    """How it ended and what to do next."""
    from modelscan_catalog.deploy.flow_wait import told

    if outcome.ended == "refused" and outcome.judgement is not None:
        return [*judgement_lines(outcome.judgement, server), "nothing was created"]
    if outcome.ended == "running" and outcome.seen is not None:
        took = outcome.health.seconds if outcome.health else None
        lines = [f"→ Answers: {outcome.health.message}" + (f", one token in {took:.2f} s" if took else "")
                 if outcome.health else "→ Runs"]  # fmt: skip
        if outcome.routed:
            lines.append("→ Routed: the router tries it before every seller of this model")
        if outcome.seen.ready_replicas < outcome.seen.replicas:
            lines.append(f"  note: {told(outcome.seen)}")
        lines += [f"  note: {remark}" for remark in outcome.remarks]
        return [*lines, f"→ Deployed at {outcome.seen.url} as {outcome.seen.served_model}"]
    what = "failed" if outcome.ended == "failed" else "does not run yet"
    return [
        f"→ {name} {what}: {outcome.message}",
        f"  It stays on {server}. The same command again resumes; modelscan status {name} looks; "
        f"modelscan remove {name} --apply gives up.",
    ]


class _Told:
    """Either lines as they come, or one JSON document at the end."""

    def __init__(self, as_json: bool, plan: "DeploymentPlan") -> None:
        self._as_json = as_json
        self.document: dict[str, Any] = {"plan": plan.model_dump(mode="json")}

    def lines(self, lines: Any) -> None:
        if not self._as_json:
            for line in lines:
                click.echo(line)

    def end(self, code: int) -> int:
        if self._as_json:
            click.echo(json.dumps(self.document | {"exit_code": code}, ensure_ascii=False))
        return code
