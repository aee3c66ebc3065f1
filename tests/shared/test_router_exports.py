"""Exports of the published configuration against the recorded contracts of the gateways they are for."""

import os
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from modelscan_catalog.router.config import read_config
from modelscan_catalog.router.export import EXPORTS, export_yaml
from modelscan_catalog.settings import REPOSITORY_ROOT

pytestmark = pytest.mark.shared

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))
CONTRACTS = SHARED / "contracts"
PUBLISHED = REPOSITORY_ROOT / "registry" / "published" / "router.json"


@pytest.fixture(autouse=True)
def _recorded():
    for path in (CONTRACTS, PUBLISHED):
        if not path.exists():
            pytest.skip(f"{path} is absent: set MODELSCAN_SHARED, build the registry")


def exported(name):
    return list(yaml.safe_load_all(export_yaml(EXPORTS[name](read_config(PUBLISHED)))))


def test_given_the_published_config_when_exported_for_plano_then_its_own_schema_takes_it():
    [document] = exported("plano")
    schema = yaml.safe_load((CONTRACTS / "plano" / "plano_config_schema.yaml").read_text("utf-8"))
    Draft7Validator(schema).validate(document)
    ids = [provider["model"].partition("/")[2] for provider in document["model_providers"]]
    assert len(ids) == len(set(ids)) > 50


def test_given_the_published_config_when_exported_for_envoy_then_each_resource_fits_its_definition():
    schemas = {}
    for path in (CONTRACTS / "envoy_ai_gateway").iterdir():
        definition = yaml.safe_load(path.read_text("utf-8"))["spec"]
        for version in definition["versions"]:
            if version["name"] == "v1beta1":
                schemas[definition["names"]["kind"]] = version["schema"]["openAPIV3Schema"]["properties"][
                    "spec"
                ]
    seen = set()
    for document in exported("envoy-ai-gateway"):
        if document["kind"] in schemas:
            Draft202012Validator(schemas[document["kind"]]).validate(document["spec"])
            seen.add(document["kind"])
    assert seen == {"AIGatewayRoute", "AIServiceBackend", "BackendSecurityPolicy"}


def test_given_the_published_config_when_exported_for_semantic_router_then_its_reference_knows_every_field():
    [document] = exported("semantic-router")
    reference = yaml.safe_load((CONTRACTS / "semantic_router" / "config.yaml").read_text("utf-8"))
    assert fields(document) - fields(reference) == set()


def test_given_the_published_config_when_exported_for_litellm_then_the_sample_knows_every_field():
    [document] = exported("litellm")
    sample = yaml.safe_load((CONTRACTS / "samples" / "litellm_config.yaml").read_text("utf-8"))
    cached = {"model_list.litellm_params.cache_read_input_token_cost"}
    known = {field for field in fields(sample) if "allbacks" not in field and "alias" not in field}
    ours = {field for field in fields(document) if "allbacks" not in field and "alias" not in field}
    assert ours - known - cached == {"router_settings.num_retries"}


def fields(document, prefix=""):
    """Dotted names of every field; lists count as their items."""
    if isinstance(document, list):
        return set().union(*(fields(item, prefix) for item in document)) if document else set()
    if not isinstance(document, dict):
        return {prefix}
    return set().union(*(fields(value, f"{prefix}.{name}".lstrip(".")) for name, value in document.items()))
