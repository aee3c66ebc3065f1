"""Structure of other projects' schemas (CRDs, OpenAPI, Kubernetes objects): strict, without their prose."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

_STRUCTURE = (
    "type",
    "enum",
    "const",
    "required",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "minLength",
    "maxLength",
)
_BRANCHES = ("anyOf", "oneOf", "allOf")
_INTERN_FROM_CHARS = 160
"""Shorter schemas are cheaper to repeat than to name."""


_CRDS = {
    "contracts/kserve_inferenceservice.json": (
        "crds/kserve_inferenceservices_v1beta1.schema.json",
        "kserve/kserve aaac4e294, CRD inferenceservices.serving.kserve.io v1beta1",
    ),
    "contracts/kserve_llminferenceservice.json": (
        "crds/kserve_llminferenceservices_v1alpha2.schema.json",
        "kserve/kserve aaac4e294, CRD llminferenceservices.serving.kserve.io v1alpha2",
    ),
    "contracts/kserve_servingruntime.json": (
        "crds/kserve_servingruntimes_v1alpha1.schema.json",
        "kserve/kserve aaac4e294, CRD servingruntimes.serving.kserve.io v1alpha1",
    ),
}
"""Committed file to the recorded one and what it is."""


def carry_crds(read: Callable[[str], Any], text: Callable[[str], str]) -> dict[str, dict[str, Any]]:
    """Committed file to schema, for every custom resource that is emitted or linted.

    ``read`` and ``text`` give a recorded file as JSON and as text. KAITO's pod template, which its CRD
    leaves open, gets the pod of KServe's LLMInferenceService.
    """
    found = {}
    pod: Mapping[str, Any] = {}
    for name, (recorded, comment) in _CRDS.items():
        crd = read(recorded)
        crd["properties"].pop("status", None)
        if name.endswith("llminferenceservice.json"):
            pod = crd["properties"]["spec"]["properties"]["template"]
        found[name] = {"$comment": comment, **compact_schema(crd)}
    workspace = yaml.safe_load(text("kaito/kaito.sh_workspaces.yaml"))
    [stored] = [v for v in workspace["spec"]["versions"] if v["storage"]]
    schema = stored["schema"]["openAPIV3Schema"]
    schema["properties"].pop("status", None)
    metadata = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema["properties"]["inference"]["properties"]["template"] = {
        "type": "object",
        "properties": {"metadata": metadata, "spec": pod},
    }
    found["contracts/kaito_workspace.json"] = {
        "$comment": f"kaito-project/kaito, CRD workspaces.kaito.sh {stored['name']}; "
        "inference.template is a pod template as in llminferenceservices.serving.kserve.io",
        **compact_schema(schema),
    }
    return found


def compact_schema(schema: Mapping[str, Any], components: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """``schema`` as strict structure: no prose, no unknown fields, repeated parts under ``$defs``.

    Objects with ``properties`` refuse others, as an API server's strict field validation does;
    ``x-kubernetes-preserve-unknown-fields`` and int-or-string are honoured. ``components`` are the
    targets of ``#/components/schemas/`` references.
    """
    interned = _Interned(components or {})
    body = interned.visit(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **body,
        "$defs": dict(sorted(interned.definitions.items())),
    }


class _Interned:
    """Walks one schema and names every larger part once."""

    def __init__(self, components: Mapping[str, Any]) -> None:
        self.components = components
        self.definitions: dict[str, Any] = {}
        self._names: dict[str, str] = {}

    def visit(self, schema: Mapping[str, Any], *, root: bool = True) -> dict[str, Any]:
        if "$ref" in schema:
            target = schema["$ref"].rsplit("/", 1)[-1]
            source = self.components.get(target)
            return dict(schema) if source is None else self.visit(source, root=False)
        compact = self._structure(schema)
        text = json.dumps(compact, sort_keys=True)
        if root or len(text) < _INTERN_FROM_CHARS:
            return compact
        if text not in self._names:
            self._names[text] = f"d{len(self._names)}"
            self.definitions[self._names[text]] = compact
        return {"$ref": f"#/$defs/{self._names[text]}"}

    def _structure(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        if schema.get("x-kubernetes-int-or-string"):
            return {"type": ["integer", "string"]}
        compact = {key: schema[key] for key in _STRUCTURE if key in schema}
        if schema.get("nullable") and isinstance(compact.get("type"), str):
            compact["type"] = [compact["type"], "null"]
        for branch in _BRANCHES:
            if branch in schema:
                compact[branch] = [self.visit(part, root=False) for part in schema[branch]]
        if "items" in schema:
            compact["items"] = self.visit(schema["items"], root=False)
        properties = schema.get("properties")
        if properties:
            compact["properties"] = {
                name: self.visit(part, root=False) for name, part in sorted(properties.items())
            }
        extra = schema.get("additionalProperties")
        if isinstance(extra, Mapping):
            compact["additionalProperties"] = self.visit(extra, root=False)
        elif properties and not schema.get("x-kubernetes-preserve-unknown-fields") and extra is not True:
            compact["additionalProperties"] = False
        return compact


def carry_kubernetes_model(name: str) -> dict[str, Any]:
    """A built-in Kubernetes object as the installed client's generated classes describe it."""
    from kubernetes import client

    def described(kind: str) -> dict[str, Any]:
        listed = re.fullmatch(r"[Ll]ist\[(.+)\]", kind)
        if listed:
            return {"type": "array", "items": described(listed[1])}
        mapped = re.fullmatch(r"[Dd]ict\Wstr, (.+)\W", kind)
        if mapped:
            return {"type": "object", "additionalProperties": described(mapped[1])}
        if kind == "V1ObjectMeta":
            return {"type": "object"}
        simple = {"str": "string", "int": "integer", "bool": "boolean"}
        if kind == "object":
            return {"x-kubernetes-int-or-string": True}
        if kind in simple:
            return {"type": simple[kind]}
        model = getattr(client, kind)
        properties = {model.attribute_map[key]: described(of) for key, of in model.openapi_types.items()}
        return {"type": "object", "properties": properties}

    comment = f"kubernetes-client/python, model {name}"
    return {"$comment": comment, **compact_schema(described(name))}
