"""Exports are valid for the gateways they are for, carry every target they can and tell the rest."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator
from router_samples import sample_config

from modelscan_catalog.router.export import EXPORTS, export_yaml
from modelscan_catalog.settings import REPOSITORY_ROOT

CONTRACTS = REPOSITORY_ROOT / "registry" / "router" / "contracts"
SOLD = "filed: its key lies in a file"
OFF = "local/off/vllm: it is not enabled"


def exported(name):
    export = EXPORTS[name](sample_config())
    return list(yaml.safe_load_all(export_yaml(export))), export.left_out


def check(contract, document, part=None):
    schema = json.loads((CONTRACTS / contract).read_bytes())
    Draft202012Validator(schema[part] if part else schema).validate(document)


def test_given_a_config_when_exported_for_litellm_then_order_weight_prices_and_fallbacks_are_kept():
    [document], left_out = exported("litellm")
    check("litellm.json", document)
    assert left_out == [SOLD, OFF]
    entries = {entry["litellm_params"]["model"]: entry for entry in document["model_list"]}
    assert set(entries) == {"hosted_vllm/big", "openai/lab-big", "anthropic/other-1", "openai/embed"}
    sold = entries["openai/lab-big"]
    assert sold["model_name"] == "lab/big"
    assert sold["litellm_params"] == {
        "model": "openai/lab-big",
        "api_base": "https://api.acme.example/v1",
        "api_key": "os.environ/ACME_API_KEY",
        "order": 2,
        "weight": 2.0,
        "input_cost_per_token": pytest.approx(1.5e-6),
        "output_cost_per_token": pytest.approx(6e-6),
        "cache_read_input_token_cost": pytest.approx(1.5e-7),
    }
    assert entries["hosted_vllm/big"]["model_info"] == {"mode": "chat", "max_input_tokens": 65536}
    assert entries["anthropic/other-1"]["litellm_params"]["api_base"] == "https://api.claude.example"
    assert document["router_settings"]["fallbacks"] == [{"lab/big": ["lab/other"]}]
    assert document["router_settings"]["model_group_alias"] == {"big": "lab/big"}


def test_given_a_config_when_exported_for_plano_then_each_model_has_one_provider_and_the_rest_is_told():
    [document], left_out = exported("plano")
    check("plano.json", document)
    assert [one["model"] for one in document["model_providers"]] == ["ms-local-big-vllm/big", "ms-acme/embed"]
    assert document["model_providers"][0]["default"] is True
    assert document["model_providers"][1]["access_key"] == "$ACME_API_KEY"
    assert document["model_aliases"] == {"lab/big": {"target": "big"}, "lab/embed": {"target": "embed"}}
    assert "acme/lab-big: Plano takes one provider a model" in left_out
    assert any("anthropic" in line for line in left_out)


def test_given_a_config_when_exported_for_production_stack_then_local_engines_are_its_backends():
    [document], left_out = exported("production-stack")
    schema = json.loads((REPOSITORY_ROOT / "registry/contracts/vllm_router_dynamic.json").read_bytes())
    Draft202012Validator(schema).validate(document)
    assert document["static_models"] == {
        "big": {"static_backends": ["http://127.0.0.1:8000"], "static_model_type": "chat"}
    }
    assert document["static_aliases"] == {"lab/big": "big"}
    assert len(left_out) == 5


def test_given_a_config_when_exported_for_semantic_router_then_models_prices_and_cards_are_there():
    [document], _ = exported("semantic-router")
    assert document["version"] == "v0.3"
    assert document["providers"]["defaults"] == {"default_model": "lab/big"}
    models = {model["name"]: model for model in document["providers"]["models"]}
    assert models["lab/big"]["backend_refs"] == [
        {"name": "local-big-vllm", "weight": 100, "endpoint": "127.0.0.1:8000", "protocol": "http"}
    ]
    assert models["lab/other"]["api_format"] == "anthropic"
    assert models["lab/other"]["pricing"]["cached_input_per_1m"] == 0.15
    cards = {card["name"]: card for card in document["routing"]["modelCards"]}
    assert cards["lab/big"] == {"name": "lab/big", "context_window_size": 131072, "modality": "omni"}


def test_given_a_config_when_exported_for_envoy_then_every_resource_is_valid_and_refers_to_another():
    documents, _ = exported("envoy-ai-gateway")
    names = {(document["kind"], document["metadata"]["name"]) for document in documents}
    for document in documents:
        if document["apiVersion"] == "aigateway.envoyproxy.io/v1beta1":
            check("envoy_ai_gateway.json", document["spec"], document["kind"])
    [route] = [document for document in documents if document["kind"] == "AIGatewayRoute"]
    for rule in route["spec"]["rules"]:
        for reference in rule["backendRefs"]:
            assert ("AIServiceBackend", reference["name"]) in names
            assert ("Backend", reference["name"]) in names
    assert ("BackendTLSPolicy", "acme") in names
    assert ("BackendTLSPolicy", "local-big-vllm") not in names
    [policy] = [
        d for d in documents if d["metadata"]["name"] == "claude" and d["kind"] == "BackendSecurityPolicy"
    ]
    assert policy["spec"]["anthropicAPIKey"] == {"secretRef": {"name": "claude-api-key"}}


def test_given_more_models_than_a_route_takes_when_exported_for_envoy_then_routes_are_split():
    config = sample_config()
    models = tuple(config.models[2].model_copy(update={"id": f"lab/e{number}"}) for number in range(31))
    export = EXPORTS["envoy-ai-gateway"](config.model_copy(update={"models": models, "default_model": None}))
    sizes = [len(d["spec"]["rules"]) for d in export.documents if d["kind"] == "AIGatewayRoute"]
    assert sizes == [15, 15, 1]


@pytest.mark.parametrize("name", EXPORTS)
def test_given_any_export_then_no_file_reference_or_disabled_engine_is_in_it(name):
    documents, _ = exported(name)
    text = json.dumps(documents)
    assert "file:" not in text
    assert "f.example" not in text
    assert "8001" not in text
