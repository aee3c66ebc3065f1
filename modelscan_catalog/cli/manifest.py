"""``modelscan manifest``: plans a model on named cards and writes it for one or more targets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from modelscan_catalog.cli.completion import complete_gpu, complete_model
from modelscan_catalog.cli.fit_inputs import Number, Whole
from modelscan_catalog.errors import FitInputError, ManifestError
from modelscan_catalog.manifests.options import TARGETS, EmitOptions, Target, in_place
from modelscan_catalog.registry.files import published_dir
from modelscan_catalog.settings import load_settings

if TYPE_CHECKING:
    from modelscan_catalog.deploy.plan import DeploymentPlan, Hub
    from modelscan_catalog.manifests.plan_input import LaunchPlan
    from modelscan_catalog.manifests.targets import Manifest

DOES_NOT_START = 3
_FOLDER = click.Path(path_type=Path, file_okay=False)
_HUBS: dict[str, Hub] = {"hf": "huggingface", "modelscope": "modelscope"}

_PLANNED_BY = (
    "model",
    "gpu",
    "gpu_ids",
    "variant",
    "quantization",
    "online",
    "context",
    "concurrency",
    "goal",
    "kv_cache_dtype",
    "tensor_parallel",
    "pipeline_parallel",
    "gpu_memory_utilization",
    "parameters",
)
"""Options that are the planner's; the others are the manifest's."""


@click.command()
@click.argument("model", shell_complete=complete_model)
@click.option("--target", "-t", "targets", multiple=True, required=True, metavar="TARGET",
              help=f"{', '.join(TARGETS)}, or all; may be repeated.")  # fmt: skip
@click.option("--gpu", metavar="NAME[:COUNT]", shell_complete=complete_gpu, default="detected",
              help="Cards, such as h100-80gb:8. Default: this machine's.")  # fmt: skip
@click.option("--gpu-ids", metavar="0,1", help="Only these of this machine's cards.")
@click.option("--context", type=Whole(), metavar="N", help="Tokens of a request; 32k is 32768.")
@click.option("--concurrency", type=Whole(), metavar="N", default=1, help="Requests at once. [default: 1]")
@click.option("--goal", metavar="GOAL", default="standard", help="standard (default), throughput or latency.")
@click.option("--engine", "--backend", "engine", metavar="NAME[@VERSION]",
              help="Such as sglang@0.5.23. Default: what TARGET runs.")  # fmt: skip
@click.option("--variant", metavar="REPO", help="Only this checkpoint of the model.")
@click.option("--quantization", metavar="LABEL", help="Only checkpoints stored so, such as fp8 or awq.")
@click.option("--online", is_flag=True, help="The engine stores 16-bit files so as it loads them.")
@click.option("--kv-cache-dtype", metavar="DTYPE", help="Such as fp8. Default: the engine's.")
@click.option("--tp", "tensor_parallel", type=Whole(), metavar="N", help="Tensor parallel size.")
@click.option("--pp", "pipeline_parallel", type=Whole(), metavar="N", help="Pipeline parallel size.")
@click.option("--utilization", "gpu_memory_utilization", type=Number(), metavar="F",
              help="Share of a card that the engine may use.")  # fmt: skip
@click.option("--parameter", "parameters", multiple=True, metavar="FLAG",
              help="A further engine flag, --flag=value; repeat it.")  # fmt: skip
@click.option("--storage", metavar="PLACE",
              help="hf, modelscope, pvc://claim/path or /directory. Default: its own hub.")  # fmt: skip
@click.option("--offline", is_flag=True, help="Offline switches, and no way out of the network.")
@click.option("--ask-hub", is_flag=True,
              help="Ask the hub for the files of an airgap list, where they are not installed.")  # fmt: skip
@click.option("--writable-root", is_flag=True,
              help="No read-only root, for nodes whose NVIDIA driver is injected by CDI.")  # fmt: skip
@click.option("--served-name", metavar="NAME", help="Name that clients send. Default: the model's.")
@click.option("--replicas", type=Whole(), metavar="N", default=1, help="[default: 1]")
@click.option("--port", type=Whole(), metavar="N", help="Of a command or compose, on loopback.")
@click.option("--namespace", metavar="NAME", default="ai", help="Kubernetes namespace. [default: ai]")
@click.option("--secret", metavar="NAME", default="modelscan-secrets",
              help="Kubernetes Secret with the keys. [default: modelscan-secrets]")  # fmt: skip
@click.option(
    "--service-account", metavar="NAME", help="Kubernetes service account; its secrets pull weights."
)
@click.option("--node-selector", "nodes", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
@click.option("--registry", type=_FOLDER, metavar="DIR", default=published_dir,
              help="Published registry. [default: registry/published]")  # fmt: skip
@click.option("--out", type=_FOLDER, metavar="DIR", help="Write files there. Default: standard output.")
@click.option("--json", "as_json", is_flag=True, help="The plan and the files as JSON.")
def manifest(**asked: Any) -> None:
    """Write MODEL's manifest for a TARGET: planned on the cards, linted, hardened, secrets by reference.

    \b
    modelscan manifest qwen3-8b --target compose --gpu l40s
    modelscan manifest qwen3-8b -t kserve-vllm -t airgap --gpu h100-80gb --out deploy/

    Exit code 3 when nothing of MODEL starts on the cards; 2 when a target cannot serve the plan.
    """
    targets = _targets(asked["targets"])
    if asked["ask_hub"] and "airgap" not in targets:
        raise ManifestError(
            "ask-hub: only the target airgap lists files; add --target airgap, or leave it out"
        )
    if len(targets) > 1 and asked["out"] is None and not asked["as_json"]:
        raise ManifestError("several targets make several files: name a folder with --out DIR")
    written: dict[Target, Manifest] = {}
    skipped: dict[Target, str] = {}
    plans: dict[str | None, DeploymentPlan] = {}
    from modelscan_catalog.manifests.launch import checkpoint_of
    from modelscan_catalog.manifests.targets import emit, engine_of_target

    options = _options(asked)
    for target in targets:
        engine = asked["engine"] or engine_of_target(target)
        if engine not in plans:
            plans[engine] = _planned(asked, engine)
        plan = plans[engine]
        if not plan.starts and "all" not in asked["targets"]:
            _refuse(plan)
        try:
            launch = _launch(plan, asked)
            wishes = replace(options, checkpoint=checkpoint_of(asked["registry"], plan.variant_id, plan.hub))
            if target == "airgap" and launch.source != "local_path":
                launch, wishes = _listed(launch, wishes, asked["ask_hub"])
            written[target] = emit(launch, target, wishes)
        except ManifestError as error:
            if "all" not in asked["targets"]:
                raise
            skipped[target] = str(error)
    if not any(plan.starts for plan in plans.values()):
        _refuse(next(iter(plans.values())))
    _show(asked, [plan for plan in plans.values() if plan.starts], written, skipped)


def _targets(names: tuple[str, ...]) -> list[Target]:
    if "all" in names:
        return list(TARGETS)
    for name in names:
        if name not in TARGETS:
            raise ManifestError(f"target: {name[:40]!r} is unknown; use one of {', '.join(TARGETS)}, all")
    return [target for target in TARGETS if target in names]


def _planned(asked: dict[str, Any], engine: str | None) -> DeploymentPlan:
    from modelscan_catalog.cli.plan import plan_request
    from modelscan_catalog.deploy.benchmark_evidence import measured_here
    from modelscan_catalog.deploy.planner import make_plan

    storage = asked["storage"]
    if storage is not None and storage not in _HUBS and not storage.startswith(("pvc://", "/")):
        raise FitInputError(
            f"storage: {storage[:60]!r} is none of hf, modelscope, pvc://claim/path and /directory",
            field="storage",
        )
    wishes = {name: asked[name] for name in _PLANNED_BY}
    request = plan_request({**wishes, "engine": engine, "engine_version": None, "source": _HUBS.get(storage)})
    with measured_here(load_settings().state_file):
        return make_plan(asked["registry"], request)


def _refuse(plan: DeploymentPlan) -> NoReturn:
    lines = [f"{plan.model_id} on {plan.gpu_count}x {plan.gpu_profile_id}: {plan.verdict}", *plan.reasons]
    lines += [f"instead: {one.text}" for one in plan.alternatives]
    click.echo("\n  ".join(lines), err=True)
    click.get_current_context().exit(DOES_NOT_START)


def _launch(plan: DeploymentPlan, asked: dict[str, Any]) -> LaunchPlan:
    launch = plan.launch_plan()
    if asked["served_name"]:
        launch = replace(launch, served_model_name=asked["served_name"])
    storage = asked["storage"]
    return launch if storage is None or storage in _HUBS else in_place(launch, storage)


def _options(asked: dict[str, Any]) -> EmitOptions:
    nodes = {}
    for pair in asked["nodes"]:
        key, separator, value = pair.partition("=")
        if not key or not separator:
            raise ManifestError(f"node-selector: {pair[:60]!r} is no KEY=VALUE")
        nodes[key] = value
    return EmitOptions(
        offline=asked["offline"],
        writable_root=asked["writable_root"],
        namespace=asked["namespace"],
        replicas=asked["replicas"],
        port=asked["port"],
        secret_name=asked["secret"],
        service_account=asked["service_account"],
        node_selector=nodes,
    )


def _listed(launch: LaunchPlan, wishes: EmitOptions, ask_hub: bool) -> tuple[LaunchPlan, EmitOptions]:
    """Both with the weights' files as they are installed here, or as the hub lists them."""
    from modelscan_catalog.deploy.weights.listing import listed_files

    if wishes.checkpoint.files and not ask_hub:
        return launch, wishes
    hub: Any = "modelscope" if launch.source == "model_scope" else "huggingface"
    found = listed_files(load_settings(), hub, launch.repo, launch.revision, ask_hub=ask_hub)
    known = replace(wishes.checkpoint, unlisted=found.why)
    if found.files:
        known = replace(known, files=found.files, listed_by=found.by)
        # ModelScope's stands for a listing, and is no name that its server knows.
        launch = replace(
            launch, revision=launch.revision or (found.revision if hub == "huggingface" else None)
        )
    elif ask_hub:
        click.echo(f"# airgap: the files are not listed: {found.why}", err=True)
    return launch, replace(wishes, checkpoint=known)


def _show(
    asked: dict[str, Any],
    plans: list[DeploymentPlan],
    written: dict[Target, Manifest],
    skipped: dict[Target, str],
) -> None:
    folder: Path | None = asked["out"]
    names = _file_names(written)
    if folder is not None:
        from modelscan_catalog.store import write_bytes

        for target, one in written.items():
            write_bytes(folder / names[target], one.text.encode())
    if asked["as_json"]:
        click.echo(json.dumps(_as_json(plans, written, skipped, names), ensure_ascii=False))
        return
    for plan in plans:
        click.echo(f"# {_summary(plan)}", err=True)
        for warning in plan.warnings:
            click.echo(f"# note: {warning}", err=True)
    for target, one in written.items():
        for finding in one.warnings:
            click.echo(f"# {target}: {finding}", err=True)
        if folder is None:
            click.echo(one.text, nl=False)
        else:
            click.echo(f"{folder / names[target]}  {target}, {len(one.text.encode()):,} bytes")
    for target, why in skipped.items():
        click.echo(f"# no {target}: {why}", err=True)


def _file_names(written: dict[Target, Manifest]) -> dict[Target, str]:
    """Usual names; both engines' commands in one folder get their engine's name."""
    usual = {target: one.file_name for target, one in written.items()}
    names = list(usual.values())
    return {target: name if names.count(name) == 1 else f"{target}-{name}" for target, name in usual.items()}


def _as_json(
    plans: list[DeploymentPlan],
    written: dict[Target, Manifest],
    skipped: dict[Target, str],
    names: dict[Target, str],
) -> dict[str, Any]:
    return {
        "plans": [plan.model_dump(mode="json", exclude_none=True) for plan in plans],
        "manifests": [
            {
                "target": target,
                "file_name": names[target],
                "text": one.text,
                "warnings": [str(finding) for finding in one.warnings],
            }
            for target, one in written.items()
        ],
        "refused": skipped,
    }


def _summary(plan: DeploymentPlan) -> str:
    memory = plan.expected.per_gpu.total_gib
    need = "" if memory is None else f", {memory:.1f} GiB a card"
    return (
        f"{plan.repo} with {plan.engine} {plan.engine_version} on {plan.gpu_count}x {plan.gpu_profile_id}: "
        f"{plan.verdict}, {plan.context:,} tokens{need}"
    )
