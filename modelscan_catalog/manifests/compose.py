"""A plan as a docker compose project with one hardened engine, on loopback or cut off from every network."""

from typing import Any

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.commands import (
    container_image,
    engine_environment,
    on_this_machine,
    serve_arguments,
)
from modelscan_catalog.manifests.engines import default_port
from modelscan_catalog.manifests.options import EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan, deployment_name

_CACHE = "/cache"
_CACHE_ENV = {
    "HOME": "/tmp",  # noqa: S108 - inside the container, a private tmpfs
    "USER": "modelscan",
    "HF_HOME": f"{_CACHE}/huggingface",
    "MODELSCOPE_CACHE": f"{_CACHE}/modelscope",
    "XDG_CACHE_HOME": f"{_CACHE}/xdg",
}
_USER = "1000:1000"
_LOCKED: dict[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}
"""What every service has. Docker's own seccomp profile holds as long as none is named."""
_NETWORK = "sealed"


def compose_document(plan: LaunchPlan, options: EmitOptions | None = None) -> dict[str, Any]:
    """The compose project of ``plan``.

    The engine runs as user 1000 with a read-only root; only the cache volume and /tmp are writable. A new
    volume belongs to root, so ``cache-owner`` hands it over first, with the one capability that this needs.
    The engine is published on loopback; offline it is on an internal network instead, where other
    containers reach it by its service's name, and which leads nowhere else.

    Raises ``ManifestError`` where no image is known, and for a secret that compose cannot take.
    """
    options = options or EmitOptions()
    on_this_machine(plan)
    image = container_image(plan)
    inside = default_port(plan.engine)
    served = serve_arguments(plan, host="0.0.0.0", port=inside)  # noqa: S104 - inside the container
    words = [_literal(word) for word in served]
    started_by = 2 if plan.engine == "vllm" else 3
    variables = engine_environment(plan, offline=options.offline)
    ask = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{inside}/health', timeout=4)"
    service: dict[str, Any] = {
        "image": image,
        "user": _USER,
        "entrypoint": words[:started_by],
        "command": words[started_by:],
        "environment": {
            **_CACHE_ENV,
            **{name: _literal(value) for name, value in variables.items()},
            **{name: _secret(reference) for name, reference in plan.secret_env().items()},
        },
        "volumes": [f"model-cache:{_CACHE}"],
        **_LOCKED,
        "read_only": not options.writable_root,
        "tmpfs": ["/tmp:exec"],  # noqa: S108 - compiled kernels are loaded from there
        "shm_size": "16gb",
        "init": True,
        "restart": "unless-stopped",
        "depends_on": {"cache-owner": {"condition": "service_completed_successfully"}},
        "healthcheck": {
            "test": ["CMD", "python3", "-c", ask],
            "interval": "30s",
            "timeout": "5s",
            "retries": 10,
            "start_period": "30m",
        },
        "labels": {
            "modelscan.model": plan.model_id,
            "modelscan.variant": _literal(plan.variant_id),
            "modelscan.gpu": f"{plan.gpu_count}x {plan.gpu_profile_id}",
        },
    }
    if plan.source == "local_path":
        weights = _literal(plan.repo)
        mount = {"type": "bind", "source": weights, "target": weights, "read_only": True}
        service["volumes"].append({**mount, "bind": {"create_host_path": False}})
    if plan.gpu_vendor == "nvidia":
        device = {"driver": "nvidia", "count": plan.gpu_count, "capabilities": ["gpu"]}
        service["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    else:
        service |= {"devices": ["/dev/kfd", "/dev/dri"], "group_add": ["video", "render"]}
    project: dict[str, Any] = {
        "services": {deployment_name(plan): service, "cache-owner": _cache_owner(image)},
        "volumes": {"model-cache": {}},
    }
    if options.offline:
        service["networks"] = [_NETWORK]
        project["networks"] = {_NETWORK: {"internal": True}}
    else:
        service["ports"] = [f"127.0.0.1:{options.port or inside}:{inside}"]
    return project


def _cache_owner(image: str) -> dict[str, Any]:
    return {
        "image": image,
        "user": "0:0",
        "entrypoint": ["chown"],
        "command": [_USER, _CACHE],
        "volumes": [f"model-cache:{_CACHE}"],
        **_LOCKED,
        "cap_add": ["CHOWN"],
        "network_mode": "none",
        "restart": "no",
    }


def _literal(text: str) -> str:
    """``text`` as compose reads it back: a single dollar sign would start a variable."""
    return text.replace("$", "$$")


def _secret(reference: str) -> str:
    kind, _, name = reference.partition(":")
    if kind != "env":
        raise ManifestError(f"{reference}: compose takes secrets from the environment: use env:NAME")
    return f"${{{name}:?set it}}"
