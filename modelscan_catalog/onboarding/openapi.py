"""An interface read out of an OpenAPI 3 document: address, endpoints, parameters and how a key is shown."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.sdk.interface import (
    ApiType,
    Auth,
    Endpoint,
    Evidence,
    Parameter,
    ParameterKind,
    ProviderInterface,
)
from modelscan_catalog.sources.yaml_reader import load_yaml

LARGEST_BYTES = 8 * 1024 * 1024
MOST_ENDPOINTS = 40
_MOST_REFERENCES = 10
_MODEL_PARAMETER = re.compile(r"\{(model|model_id|modelId|model_name)\}")
_KINDS: dict[str, ParameterKind] = {
    "number": "number",
    "integer": "integer",
    "string": "text",
    "boolean": "flag",
    "object": "object",
    "array": "list",
}
_GIVEN = {"model", "messages", "stream", "max_tokens", "stop", "system", "stop_sequences"}
"""Fields that the client's own methods take."""


class _Document:
    """Follows references within the document, and no others."""

    def __init__(self, values: Mapping[str, Any], name: str) -> None:
        self.values = values
        self.name = name

    def followed(self, part: Any) -> Mapping[str, Any]:
        """``part``, or what its ``$ref`` points to; empty where that is outside or missing."""
        for _ in range(_MOST_REFERENCES):
            if not isinstance(part, Mapping):
                return {}
            reference = part.get("$ref")
            if not isinstance(reference, str):
                return part
            part = self._at(reference)
        raise DocumentError(f"{self.name}: references lead in a circle at {str(part)[:80]}")

    def _at(self, reference: str) -> Any:
        found: Any = self.values if reference.startswith("#/") else {}
        for step in reference.removeprefix("#/").split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            found = found.get(step, {}) if isinstance(found, Mapping) else {}
        return found

    def operations(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Path, method and operation."""
        paths = self.values.get("paths")
        for path, item in sorted(paths.items()) if isinstance(paths, Mapping) else ():
            entry = self.followed(item)
            for method in ("get", "post"):
                if isinstance(path, str) and isinstance(entry.get(method), Mapping):
                    yield path, method.upper(), entry[method]

    def properties(self, operation: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Fields of the request body."""
        content = self.followed(operation.get("requestBody")).get("content")
        media = content.get("application/json") if isinstance(content, Mapping) else None
        return self._fields(media.get("schema") if isinstance(media, Mapping) else None, 0)

    def _fields(self, schema: Any, depth: int) -> dict[str, Mapping[str, Any]]:
        if depth > _MOST_REFERENCES:
            return {}
        entry = self.followed(schema)
        found: dict[str, Mapping[str, Any]] = {}
        for part in entry.get("allOf") or ():
            found |= self._fields(part, depth + 1)
        given = entry.get("properties")
        return found | {
            name: self.followed(value)
            for name, value in (given.items() if isinstance(given, Mapping) else ())
        }


def interface_from_openapi(body: bytes, name: str, provider: str, title: str = "") -> ProviderInterface:
    """What the document ``name`` says of an interface.

    Operations that need path parameters other than a model are left out. Raises ``DocumentError`` for what
    is not an OpenAPI 3 document.
    """
    document = _Document(_parsed(body, name), name)
    found = sorted(document.operations(), key=lambda entry: entry[0])
    kind, prefix, chat = _format(document, found)
    server = _server(document)
    evidence = [_evidence("api_type", name, "paths", _KIND_RULES[kind])]
    if server:
        evidence.append(_evidence("base_url", name, "servers[0].url", "the first server"))
    auth, locator = _auth(document)
    if auth:
        evidence.append(_evidence("auth", name, locator, "the security scheme"))
    endpoints = tuple(_endpoints(document, found, kind, prefix))[:MOST_ENDPOINTS]
    evidence += [
        _evidence(f"endpoints.{one.operation}", name, f"paths.{prefix}{one.path}", "the path")
        for one in endpoints
    ]
    parameters = tuple(_parameters(document, chat)) if chat and kind != "custom" else ()
    evidence += [
        _evidence(f"parameters.{one.name}", name, "requestBody", "a field of the request")
        for one in parameters
    ]
    info = document.values.get("info")
    stated = info.get("title") if isinstance(info, Mapping) else ""
    return ProviderInterface(
        provider=provider,
        name=(title or str(stated or "") or provider)[:200],
        api_type=kind,
        base_url=(server + prefix).rstrip("/") if server else None,
        auth=auth,
        endpoints=endpoints,
        parameters=parameters,
        evidence=tuple(evidence),
    )


_KIND_RULES: dict[ApiType, str] = {
    "openai-compatible": "POST …/chat/completions takes messages",
    "anthropic-compatible": "POST …/messages takes messages and max_tokens",
    "custom": "neither of the common chat endpoints",
}


def _parsed(body: bytes, name: str) -> Mapping[str, Any]:
    if len(body) > LARGEST_BYTES:
        raise DocumentError(f"{name}: {len(body)} bytes; at most {LARGEST_BYTES} are read")
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = load_yaml(body, name)
    if not isinstance(values, Mapping) or not str(values.get("openapi", "")).startswith("3."):
        raise DocumentError(f"{name}: not an OpenAPI 3 document (no field openapi: 3.x)")
    return values


def _format(
    document: _Document, operations: list[tuple[str, str, Mapping[str, Any]]]
) -> tuple[ApiType, str, Mapping[str, Any] | None]:
    """The format, the path before its endpoints, and its chat operation."""
    for path, method, operation in operations:
        if method != "POST":
            continue
        fields = document.properties(operation)
        if path.endswith("/chat/completions") and "messages" in fields:
            return "openai-compatible", path.removesuffix("/chat/completions"), operation
    for path, method, operation in operations:
        if method == "POST" and path.endswith("/messages"):
            fields = document.properties(operation)
            if {"messages", "max_tokens"} <= fields.keys():
                return "anthropic-compatible", path.removesuffix("/messages"), operation
    return "custom", "", None


def _server(document: _Document) -> str:
    servers = document.values.get("servers")
    first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], Mapping) else {}
    url = str(first.get("url", ""))
    variables = first.get("variables")
    for name, entry in variables.items() if isinstance(variables, Mapping) else ():
        default = entry.get("default") if isinstance(entry, Mapping) else None
        shown = str(default) if default else "${" + re.sub(r"\W", "_", str(name)).upper() + "}"
        url = url.replace("{" + str(name) + "}", shown)
    return url.rstrip("/") if "://" in url else ""


def _auth(document: _Document) -> tuple[Auth | None, str]:
    components = document.values.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, Mapping) else None
    if not isinstance(schemes, Mapping):
        return None, ""
    required = document.values.get("security")
    wanted = [name for entry in required if isinstance(entry, Mapping) for name in entry] if isinstance(
        required, list
    ) else []  # fmt: skip
    for name in [*wanted, *sorted(schemes)]:
        scheme = document.followed(schemes.get(name))
        where = f"components.securitySchemes.{name}"
        if scheme.get("type") == "http" and str(scheme.get("scheme", "")).lower() == "bearer":
            return Auth(scheme="bearer"), where
        if scheme.get("type") == "apiKey" and scheme.get("in") in ("header", "query"):
            shown = str(scheme.get("name", ""))
            if re.fullmatch(r"[A-Za-z0-9-]{1,60}", shown):
                return Auth(scheme="header" if scheme["in"] == "header" else "query", name=shown), where
    return None, ""


def _endpoints(
    document: _Document,
    operations: list[tuple[str, str, Mapping[str, Any]]],
    kind: ApiType,
    prefix: str,
) -> Iterator[Endpoint]:
    common = {
        "openai-compatible": {
            ("POST", "/chat/completions"): "chat",
            ("POST", "/responses"): "responses",
            ("POST", "/embeddings"): "embeddings",
            ("GET", "/models"): "models",
        },
        "anthropic-compatible": {("POST", "/messages"): "chat", ("GET", "/models"): "models"},
    }.get(kind)
    seen: set[str] = set()
    for path, method, operation in operations:
        below = path.removeprefix(prefix)
        if common is not None:
            if path.startswith(prefix) and (method, below) in common:
                yield Endpoint(
                    operation=common[method, below], method=_method(method), path=below, expected=True
                )
            continue
        shown = _MODEL_PARAMETER.sub("{model}", path)
        name = _operation_name(operation, method, path)
        if name in seen or "{" in shown.replace("{model}", "") or not _is_path(shown):
            continue
        seen.add(name)
        yield Endpoint(
            operation=name,
            method=_method(method),
            path=shown,
            streams=_streams(document, operation),
            expected=True,
        )


def _method(method: str) -> Any:
    return method


def _is_path(path: str) -> bool:
    return re.fullmatch(r"/[A-Za-z0-9._~:/{}-]*", path) is not None and len(path) <= 200


def _operation_name(operation: Mapping[str, Any], method: str, path: str) -> str:
    said = str(operation.get("operationId") or f"{method} {path}")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", said)
    slug = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:40].strip("_")
    return slug if slug[:1].isalpha() else f"call_{slug}"[:40]


def _streams(document: _Document, operation: Mapping[str, Any]) -> bool:
    responses = operation.get("responses")
    answer = document.followed(responses.get("200")) if isinstance(responses, Mapping) else {}
    content = answer.get("content")
    return isinstance(content, Mapping) and list(content) == ["text/event-stream"]


def _parameters(document: _Document, operation: Mapping[str, Any]) -> Iterator[Parameter]:
    for name, schema in sorted(document.properties(operation).items()):
        if name in _GIVEN or not re.fullmatch(r"[a-z][a-z0-9_]{0,60}", name):
            continue
        choices = schema.get("enum")
        if isinstance(choices, list) and choices and all(isinstance(one, str) for one in choices):
            yield Parameter(name=name, kind="choice", choices=tuple(choices))
            continue
        stated = schema.get("type")
        yield Parameter(name=name, kind=_KINDS.get(stated, "any") if isinstance(stated, str) else "any")


def _evidence(field: str, name: str, locator: str, rule: str) -> Evidence:
    return Evidence(
        field=field, standing="stated", source="openapi", locator=f"{name}#{locator}"[:300], rule=rule
    )
