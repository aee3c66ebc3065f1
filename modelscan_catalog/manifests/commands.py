"""A plan as engine flags and as a shell command."""

import shlex
from typing import Any

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.engines import (
    Engine,
    accelerators,
    default_port,
    flag_name,
    load_engine,
    translate_value,
)
from modelscan_catalog.manifests.findings import errors_of
from modelscan_catalog.manifests.flags import check_flags, read_parameters, resolve_name
from modelscan_catalog.manifests.options import OFFLINE_ENV, EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.manifests.recipes import planned_flags

_MODELSCOPE_SWITCH: dict[Engine, str] = {"vllm": "VLLM_USE_MODELSCOPE", "sglang": "SGLANG_USE_MODELSCOPE"}


def engine_parameters(plan: LaunchPlan) -> list[str]:
    """The plan's engine flags without model, name, address and key, in a fixed order.

    Raises ``ManifestError`` when the engine's version does not accept one of them.
    """
    engine = plan.engine
    parallel: tuple[tuple[str, Any], ...] = (
        ("tensor_parallel", plan.tensor_parallel if plan.tensor_parallel > 1 else None),
        ("pipeline_parallel", plan.pipeline_parallel if plan.pipeline_parallel > 1 else None),
        ("context", plan.max_model_len),
        ("memory_fraction", plan.gpu_memory_utilization),
        ("batch", plan.max_num_seqs),
        ("kv_cache_dtype", _kv_cache_dtype(plan)),
        ("quantization", plan.quantization),
        ("reasoning_parser", plan.reasoning_parser),
        ("tool_parser", plan.tool_parser),
    )
    parameters = [f"{flag_name(engine, concept)}={value}" for concept, value in parallel if value is not None]
    if plan.tool_parser and engine == "vllm":
        parameters.append(flag_name(engine, "auto_tool_choice"))
    if plan.trust_remote_code:
        parameters.append(flag_name(engine, "trust_remote_code"))
    parameters.extend(plan.extra_parameters)
    table = load_engine(engine, plan.engine_version)
    where = f"{plan.variant_id} on {engine} {plan.engine_version}"
    faults = errors_of(check_flags(table, parameters, vendors=(plan.gpu_vendor,)))
    if faults:
        raise ManifestError(f"{where}: {faults[0].message}")
    extra = {resolve_name(table, p.name)[0] or "" for p in read_parameters(plan.extra_parameters)[0]}
    repeated = sorted(extra & planned_flags(table))
    if repeated:
        raise ManifestError(f"{where}: {repeated[0]} is a field of the plan: set it there")
    return parameters


def server_command(engine: Engine, model: str) -> tuple[list[str], list[str]]:
    """The words that start ``engine``'s server, and those that name ``model`` to it."""
    if engine == "vllm":
        return ["vllm", "serve"], [model]
    return ["python3", "-m", "sglang.launch_server"], [f"{flag_name(engine, 'model')}={model}"]


def serve_arguments(plan: LaunchPlan, *, host: str, port: int, weights: str | None = None) -> list[str]:
    """The whole argument vector of the engine's server process; ``weights`` is where they lie, if not in
    ``plan.repo``."""
    engine = plan.engine
    name = flag_name(engine, "served_model_name")
    address = [f"{flag_name(engine, 'host')}={host}", f"{flag_name(engine, 'port')}={port}"]
    revision = []
    if plan.revision and plan.source != "local_path":
        revision = [f"{flag_name(engine, 'revision')}={plan.revision}"]
    command, model = server_command(engine, weights or plan.repo)
    served = [*revision, f"{name}={plan.served_model_name}", *address, *engine_parameters(plan)]
    return [*command, *model, *served]


def launch_command(plan: LaunchPlan, options: EmitOptions | None = None) -> str:
    """A shell line that starts the plan's engine on loopback; secrets are variables in it, never values."""
    options = options or EmitOptions()
    on_this_machine(plan)
    variables = engine_environment(plan, offline=options.offline)
    settings = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    secrets = [f'{name}="{_shell_secret(ref)}"' for name, ref in plan.secret_env().items()]
    port = options.port or default_port(plan.engine)
    return " ".join([*settings, *secrets, shlex.join(serve_arguments(plan, host="127.0.0.1", port=port))])


def on_this_machine(plan: LaunchPlan) -> None:
    """Raises ``ManifestError`` for weights that only a pod can reach."""
    if plan.repo.startswith("pvc://"):
        raise ManifestError(f"{plan.repo}: a claim is a cluster's storage; here, name the directory instead")


def engine_environment(plan: LaunchPlan, *, offline: bool) -> dict[str, str]:
    """Variables that are no secrets: the hub to fetch from, the offline switches, the plan's own."""
    switch = {_MODELSCOPE_SWITCH[plan.engine]: "1"} if plan.source == "model_scope" else {}
    return {**switch, **(OFFLINE_ENV if offline else {}), **plan.plain_env()}


def container_image(plan: LaunchPlan) -> str:
    """The engine's own image for the plan's vendor and version.

    Raises ``ManifestError`` when none is known for that vendor.
    """
    image = accelerators().get(plan.gpu_vendor, {}).get("images", {}).get(plan.engine)
    if image is None:
        raise ManifestError(
            f"no {plan.engine} container image is known for {plan.gpu_vendor} GPUs: start it with the "
            "launch command inside an image of your choice"
        )
    return str(image).format(version=plan.engine_version)


def _kv_cache_dtype(plan: LaunchPlan) -> str | None:
    if plan.kv_cache_dtype in (None, "auto"):
        return None
    if plan.engine == "vllm":
        return plan.kv_cache_dtype
    return translate_value("kv_cache_dtype", str(plan.kv_cache_dtype), "vllm", plan.engine)


def _shell_secret(reference: str) -> str:
    kind, _, name = reference.partition(":")
    return f"${{{name}:?set it}}" if kind == "env" else f"$(cat {shlex.quote(name)})"
