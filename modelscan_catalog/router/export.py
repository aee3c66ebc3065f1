"""router.json as the configuration of other gateways, for who outgrows one process.

Each function gives documents and, line by line, what the other gateway cannot express. Keys stay references
to environment variables; a target whose key lies in a file is left out and told. Formats: LiteLLM's proxy
(https://docs.litellm.ai/docs/proxy/config_settings), Plano's plano_config_schema.yaml, the dynamic
configuration of vLLM production-stack, semantic-router's config.yaml v0.3, and the custom resources v1beta1
of Envoy AI Gateway.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from modelscan_catalog.router.config import RouterConfig, RouterModel, RouterProvider, Target

_RULES_PER_ROUTE = 15
"""Envoy AI Gateway's bound on rules of one AIGatewayRoute."""
_PLANO_PREFIX = "ms-"
"""Plano knows some provider names by heart and refuses an address for them: ours are none of those."""


@dataclass
class Export:
    """Documents of one format and what was left out of them, with the reason."""

    documents: list[dict[str, Any]]
    left_out: list[str] = field(default_factory=list)


def litellm(config: RouterConfig) -> Export:
    """The ``config.yaml`` of LiteLLM's proxy: one entry a target, ordered and weighted as here."""
    export = Export([])
    entries = []
    for model, target, provider in _targets(config, export):
        params: dict[str, Any] = {
            "api_base": provider.base_url,
            "order": target.priority + 1,
            "weight": target.weight,
        }
        if provider.format == "anthropic":
            params |= {
                "model": f"anthropic/{target.model}",
                "api_base": provider.base_url.removesuffix("/v1"),
            }
        else:
            params["model"] = f"{'openai' if _variable(provider) else 'hosted_vllm'}/{target.model}"
        if variable := _variable(provider):
            params["api_key"] = f"os.environ/{variable}"
        for ours, theirs in (
            ("input_price", "input_cost_per_token"),
            ("output_price", "output_cost_per_token"),
            ("cached_input_price", "cache_read_input_token_cost"),
        ):
            price = getattr(target, ours)
            if price is not None:
                params[theirs] = price / 1e6
        info: dict[str, Any] = {"mode": model.task}
        if target.context or model.context:
            info["max_input_tokens"] = target.context or model.context
        entries.append({"model_name": model.id, "litellm_params": params, "model_info": info})
    served = {entry["model_name"] for entry in entries}
    fallbacks = [
        {model.id: kept}
        for model in config.models
        if model.id in served and (kept := [name for name in model.fallbacks if name in served])
    ]
    export.documents.append(
        {
            "model_list": entries,
            "litellm_settings": {"request_timeout": config.policy.first_byte_timeout_s},
            "router_settings": {
                "routing_strategy": "simple-shuffle",
                "enable_pre_call_checks": True,
                "allowed_fails": config.policy.failures_before_cooldown,
                "cooldown_time": config.policy.cooldown_s,
                "num_retries": config.policy.max_attempts - 1,
                "fallbacks": fallbacks,
                "context_window_fallbacks": fallbacks,
                "model_group_alias": {
                    alias: model.id
                    for model in config.models
                    if model.id in served
                    for alias in model.aliases
                },
            },
            "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
        }
    )
    return export


def plano(config: RouterConfig) -> Export:
    """Plano's configuration: one provider a model, as it takes a model's name only once."""
    export = Export([])
    providers: list[dict[str, Any]] = []
    taken: dict[str, str] = {}
    for model, target, provider in _targets(config, export):
        if provider.format != "openai":
            export.left_out.append(
                f"{provider.name}/{target.model}: Plano has no interface anthropic to name"
            )
            continue
        if target.model in taken.values() or model.id in taken:
            export.left_out.append(f"{provider.name}/{target.model}: Plano takes one provider a model")
            continue
        taken[model.id] = target.model
        entry: dict[str, Any] = {
            "model": f"{_PLANO_PREFIX}{_slug(provider.name)}/{target.model}",
            "base_url": provider.base_url,
            "provider_interface": "openai",
        }
        if variable := _variable(provider):
            entry["access_key"] = f"${variable}"
        if model.id == config.default_model:
            entry["default"] = True
        providers.append(entry)
    names = {
        alias: taken[model.id]
        for model in config.models
        if model.id in taken
        for alias in (model.id, *model.aliases)
    }
    aliases = {name: {"target": target} for name, target in names.items() if name not in taken.values()}
    export.documents.append(
        {
            "version": "v0.4.0",
            "listeners": [{"type": "model", "name": "models", "port": 12000}],
            "model_providers": providers,
            "model_aliases": aliases,
        }
    )
    return export


def production_stack(config: RouterConfig) -> Export:
    """vLLM production-stack's dynamic configuration: the local deployments."""
    export = Export([])
    models: dict[str, dict[str, Any]] = {}
    aliases: dict[str, str] = {}
    for model, target, provider in _targets(config, export):
        if provider.type != "local" or provider.format != "openai":
            export.left_out.append(f"{provider.name}/{target.model}: production-stack routes local engines")
            continue
        kind = "chat" if model.task == "chat" else "embeddings"
        entry = models.setdefault(target.model, {"static_backends": [], "static_model_type": kind})
        entry["static_backends"].append(provider.base_url.removesuffix("/v1"))
        aliases |= {name: target.model for name in (model.id, *model.aliases) if name != target.model}
    export.documents.append(
        {
            "service_discovery": "static",
            "routing_logic": "roundrobin",
            "static_models": models,
            "static_aliases": aliases,
        }
    )
    return export


def semantic_router(config: RouterConfig) -> Export:
    """semantic-router's configuration: models with their backends; signals and decisions are its user's."""
    export = Export([])
    models: dict[str, dict[str, Any]] = {}
    for model, target, provider in _targets(config, export):
        entry = models.get(model.id)
        if entry is None:
            entry = models[model.id] = {
                "name": model.id,
                "provider_model_id": target.model,
                "api_format": provider.format,
                "backend_refs": [],
            }
            if target.input_price is not None and target.output_price is not None:
                entry["pricing"] = {
                    "currency": "USD",
                    "prompt_per_1m": target.input_price,
                    "completion_per_1m": target.output_price,
                }
                if target.cached_input_price is not None:
                    entry["pricing"]["cached_input_per_1m"] = target.cached_input_price
        elif (entry["provider_model_id"], entry["api_format"]) != (target.model, provider.format):
            export.left_out.append(
                f"{provider.name}/{target.model}: another name or format than {model.id}'s first"
            )
            continue
        reference: dict[str, Any] = {
            "name": _slug(provider.name),
            "weight": max(1, round(target.weight * 100)),
        }
        url = urlsplit(provider.base_url)
        if provider.type == "local" and url.path in ("", "/v1"):
            reference |= {"endpoint": url.netloc, "protocol": url.scheme}
        else:
            reference |= {"base_url": provider.base_url, "provider": provider.format}
        if variable := _variable(provider):
            reference["api_key_env"] = variable
        entry["backend_refs"].append(reference)
    cards = [
        {
            "name": model.id,
            **({"context_window_size": model.context} if model.context else {}),
            **({"quality_score": model.quality} if model.quality is not None else {}),
            "modality": "omni" if {*model.input} - {"text"} else "ar",
        }
        for model in config.models
        if model.id in models
    ]
    default = config.default_model if config.default_model in models else next(iter(models), None)
    export.documents.append(
        {
            "version": "v0.3",
            "listeners": [{"name": "http", "address": "127.0.0.1", "port": 8899, "timeout": "300s"}],
            "providers": {"defaults": {"default_model": default}, "models": list(models.values())},
            "routing": {"strategy": "priority", "modelCards": cards, "decisions": []},
        }
    )
    return export


def envoy_ai_gateway(config: RouterConfig) -> Export:
    """Custom resources of Envoy AI Gateway: backends, their keys' secrets by name, and routes by model."""
    export = Export([])
    backends: dict[str, RouterProvider] = {}
    rules: dict[str, dict[str, Any]] = {}
    for model, target, provider in _targets(config, export):
        name = _slug(provider.name)
        backends.setdefault(name, provider)
        header = {"type": "Exact", "name": "x-ai-eg-model", "value": model.id}
        rule = rules.setdefault(model.id, {"matches": [{"headers": [header]}], "backendRefs": []})
        rule["backendRefs"].append(
            {
                "name": name,
                "modelNameOverride": target.model,
                "priority": target.priority,
                "weight": max(1, round(target.weight * 100)),
            }
        )
    for name, provider in sorted(backends.items()):
        export.documents += _envoy_backend(name, provider)
    ordered = list(rules.values())
    for start in range(0, len(ordered), _RULES_PER_ROUTE):
        number = start // _RULES_PER_ROUTE
        spec = {
            "parentRefs": [{"name": "modelscan", "kind": "Gateway", "group": "gateway.networking.k8s.io"}],
            "rules": ordered[start : start + _RULES_PER_ROUTE],
            "llmRequestCosts": [
                {"metadataKey": "llm_input_token", "type": "InputToken"},
                {"metadataKey": "llm_output_token", "type": "OutputToken"},
            ],
        }
        export.documents.append(_resource("AIGatewayRoute", f"modelscan-{number}", spec))
    return export


def _envoy_backend(name: str, provider: RouterProvider) -> Iterator[dict[str, Any]]:
    url = urlsplit(provider.base_url)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    is_address = re.fullmatch(r"[\d.]+", host) is not None
    endpoint = (
        {"ip": {"address": host, "port": port}} if is_address else {"fqdn": {"hostname": host, "port": port}}
    )
    yield _resource("Backend", name, {"endpoints": [endpoint]}, "gateway.envoyproxy.io/v1alpha1")
    if url.scheme == "https":
        reference = {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": name}
        validation = {"wellKnownCACertificates": "System", "hostname": host}
        spec = {"targetRefs": [reference], "validation": validation}
        yield _resource("BackendTLSPolicy", name, spec, "gateway.networking.k8s.io/v1")
    schema = {"name": "Anthropic" if provider.format == "anthropic" else "OpenAI", "prefix": url.path or "/"}
    backend = {"name": name, "kind": "Backend", "group": "gateway.envoyproxy.io"}
    yield _resource("AIServiceBackend", name, {"schema": schema, "backendRef": backend})
    variable = _variable(provider)
    if variable:
        kind, named = (
            ("AnthropicAPIKey", "anthropicAPIKey") if provider.format == "anthropic" else ("APIKey", "apiKey")
        )
        target = {"group": "aigateway.envoyproxy.io", "kind": "AIServiceBackend", "name": name}
        secret = {"secretRef": {"name": _slug(variable)}}
        yield _resource("BackendSecurityPolicy", name, {"targetRefs": [target], "type": kind, named: secret})


def _resource(
    kind: str, name: str, spec: Mapping[str, Any], version: str = "aigateway.envoyproxy.io/v1beta1"
) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}


EXPORTS: dict[str, Callable[[RouterConfig], Export]] = {
    "litellm": litellm,
    "plano": plano,
    "production-stack": production_stack,
    "semantic-router": semantic_router,
    "envoy-ai-gateway": envoy_ai_gateway,
}


def export_yaml(export: Export) -> str:
    """The documents as YAML, one after another."""
    import yaml

    return "---\n".join(yaml.safe_dump(document, sort_keys=False) for document in export.documents)


def _targets(config: RouterConfig, export: Export) -> Iterator[tuple[RouterModel, Target, RouterProvider]]:
    """Targets of providers that are enabled and whose key is in the environment; the rest is told once."""
    told: set[str] = set()
    for model in config.models:
        for target in sorted(model.targets, key=lambda target: target.priority):
            provider = config.providers[target.provider]
            references = [*([provider.key] if provider.key else []), *provider.keys]
            reason = None
            if not provider.enabled:
                reason = "it is not enabled"
            elif references and _variable(provider) is None:
                reason = "its key lies in a file"
            if reason is None:
                yield model, target, provider
            elif provider.name not in told:
                told.add(provider.name)
                export.left_out.append(f"{provider.name}: {reason}")


def _variable(provider: RouterProvider) -> str | None:
    """The environment variable of the provider's first key that has one."""
    for reference in (provider.key, *provider.keys):
        if reference is not None and reference.startswith("env:"):
            return reference.removeprefix("env:")
    return None


def _slug(name: str) -> str:
    """A name that Kubernetes and YAML keys take."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-")
