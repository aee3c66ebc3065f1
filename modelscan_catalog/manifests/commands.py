"""A plan as engine flags, as a shell command, and as a docker compose file."""

import shlex
from typing import Any

import yaml

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
from modelscan_catalog.manifests.plan_input import LaunchPlan, deployment_name
from modelscan_catalog.manifests.recipes import planned_flags

_MODELSCOPE_SWITCH: dict[Engine, str] = {"vllm": "VLLM_USE_MODELSCOPE", "sglang": "SGLANG_USE_MODELSCOPE"}

_CACHE_MOUNT = "/cache"

_CACHE_ENV = {
    "HOME": "/tmp",  # noqa: S108 - inside the container, a private tmpfs
    "HF_HOME": f"{_CACHE_MOUNT}/huggingface",
    "MODELSCOPE_CACHE": f"{_CACHE_MOUNT}/modelscope",
    "XDG_CACHE_HOME": f"{_CACHE_MOUNT}/xdg",
}


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


def serve_arguments(plan: LaunchPlan, *, host: str, port: int) -> list[str]:
    """The whole argument vector of the engine's server process."""
    engine = plan.engine
    name = flag_name(engine, "served_model_name")
    address = [f"{flag_name(engine, 'host')}={host}", f"{flag_name(engine, 'port')}={port}"]
    revision = []
    if plan.revision and plan.source != "local_path":
        revision = [f"{flag_name(engine, 'revision')}={plan.revision}"]
    served = [*revision, f"{name}={plan.served_model_name}", *address, *engine_parameters(plan)]
    if engine == "vllm":
        return ["vllm", "serve", plan.repo, *served]
    return ["python3", "-m", "sglang.launch_server", f"{flag_name(engine, 'model')}={plan.repo}", *served]


def launch_command(plan: LaunchPlan, *, host: str = "127.0.0.1", port: int | None = None) -> str:
    """A shell line that starts the plan's engine; secrets appear as variables, never as values."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in _environment(plan).items()]
    secrets = [f'{name}="{_shell_secret(ref)}"' for name, ref in plan.secret_env().items()]
    arguments = serve_arguments(plan, host=host, port=port or default_port(plan.engine))
    return " ".join([*settings, *secrets, shlex.join(arguments)])


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


def compose_document(plan: LaunchPlan, *, port: int | None = None) -> dict[str, Any]:
    """A compose project with one hardened service, published on loopback only."""
    name = deployment_name(plan)
    inside = default_port(plan.engine)
    served = serve_arguments(plan, host="0.0.0.0", port=inside)  # noqa: S104 - inside the container
    arguments = [_compose_literal(word) for word in served]
    service: dict[str, Any] = {
        "image": container_image(plan),
        "entrypoint": arguments[:2] if plan.engine == "vllm" else arguments[:3],
        "command": arguments[2:] if plan.engine == "vllm" else arguments[3:],
        "environment": {
            **_CACHE_ENV,
            **{name: _compose_literal(value) for name, value in _environment(plan).items()},
            **{variable: _compose_secret(ref) for variable, ref in plan.secret_env().items()},
        },
        "ports": [f"127.0.0.1:{port or inside}:{inside}"],
        "volumes": [f"model-cache:{_CACHE_MOUNT}"],
        "read_only": True,
        "tmpfs": ["/tmp:exec"],  # noqa: S108 - compiled kernels are loaded from there
        "shm_size": "16gb",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
        "healthcheck": {
            "test": [
                "CMD",
                "python3",
                "-c",
                f"import urllib.request as u; u.urlopen('http://127.0.0.1:{inside}/health', timeout=4)",
            ],
            "interval": "30s",
            "timeout": "5s",
            "retries": 10,
            "start_period": "30m",
        },
        "labels": {
            "modelscan.model": plan.model_id,
            "modelscan.variant": _compose_literal(plan.variant_id),
            "modelscan.gpu": f"{plan.gpu_count}x {plan.gpu_profile_id}",
        },
    }
    if plan.source == "local_path":
        weights = _compose_literal(plan.repo)
        service["volumes"].append(f"{weights}:{weights}:ro")
    if plan.gpu_vendor == "nvidia":
        device = {"driver": "nvidia", "count": plan.gpu_count, "capabilities": ["gpu"]}
        service["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    else:
        service |= {"devices": ["/dev/kfd", "/dev/dri"], "group_add": ["video", "render"]}
    return {"services": {name: service}, "volumes": {"model-cache": {}}}


def yaml_text(document: dict[str, Any]) -> str:
    """``document`` as YAML in its own order, without anchors; equal documents give equal text."""
    return str(
        yaml.dump(
            document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
        )
    )


_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """Writes repeated parts out: anchors are legal YAML that many readers of manifests trip over."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _kv_cache_dtype(plan: LaunchPlan) -> str | None:
    if plan.kv_cache_dtype in (None, "auto"):
        return None
    if plan.engine == "vllm":
        return plan.kv_cache_dtype
    return translate_value("kv_cache_dtype", str(plan.kv_cache_dtype), "vllm", plan.engine)


def _environment(plan: LaunchPlan) -> dict[str, str]:
    switch = {_MODELSCOPE_SWITCH[plan.engine]: "1"} if plan.source == "model_scope" else {}
    return switch | plan.plain_env()


def _shell_secret(reference: str) -> str:
    kind, _, name = reference.partition(":")
    return f"${{{name}:?set it}}" if kind == "env" else f"$(cat {shlex.quote(name)})"


def _compose_literal(text: str) -> str:
    """``text`` as compose reads it back: a single dollar sign would start a variable."""
    return text.replace("$", "$$")


def _compose_secret(reference: str) -> str:
    kind, _, name = reference.partition(":")
    if kind != "env":
        raise ManifestError(f"{reference}: compose takes secrets from the environment: use env:NAME")
    return f"${{{name}:?set it}}"
