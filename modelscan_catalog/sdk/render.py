"""An interface as the text of a client: deterministic, formatted, and safe whatever its names hold."""

import hashlib
import json
import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import jinja2

from modelscan_catalog.errors import ClientGenerationError
from modelscan_catalog.sdk.base import ANTHROPIC_PATHS, OPENAI_PATHS
from modelscan_catalog.sdk.interface import Endpoint, Parameter, ProviderInterface, facts, faults
from modelscan_catalog.store import write_bytes

Language = Literal["python", "typescript"]
SUFFIX: dict[Language, str] = {"python": ".py", "typescript": ".ts"}

_TEMPLATES = {
    "openai-compatible": "openai",
    "anthropic-compatible": "anthropic",
    "custom": "rest",
}
_PYTHON_TYPES = {
    "number": "float",
    "integer": "int",
    "text": "str",
    "flag": "bool",
    "object": "Mapping[str, Any]",
    "list": "Sequence[Any]",
    "any": "Any",
}
_TYPESCRIPT_TYPES = {
    "number": "number",
    "integer": "number",
    "text": "string",
    "flag": "boolean",
    "object": "Record<string, unknown>",
    "list": "unknown[]",
    "any": "unknown",
}
_LINE_CHARS = 110


@dataclass(frozen=True)
class GeneratedClient:
    """One client: ``interface_sha256`` says what it was generated from, ``sha256`` what it is."""

    provider: str
    language: Language
    file: str
    text: str
    interface_sha256: str

    @property
    def sha256(self) -> str:
        """Of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def lines(self) -> int:
        """Lines of text."""
        return self.text.count("\n")


def module_name(provider: str) -> str:
    """The module of a provider's client; a name that ``import`` takes."""
    slug = re.sub(r"[^a-z0-9]+", "_", provider.lower()).strip("_")
    return f"{'p' if slug[:1].isdigit() else ''}{slug}_generated"


def class_stem(provider: str) -> str:
    """The provider's id as the beginning of a class name."""
    words = re.split(r"[^A-Za-z0-9]+", provider)
    stem = "".join(word[:1].upper() + word[1:] for word in words)
    return f"P{stem}" if stem[:1].isdigit() else stem


def interface_sha256(interface: ProviderInterface) -> str:
    """Hash of the facts that a client depends on."""
    text = json.dumps(facts(interface), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def generate(interface: ProviderInterface, language: Language = "python") -> GeneratedClient:
    """The client of an interface.

    Raises ``ClientGenerationError`` when facts are missing or the interface does not pass its gate.
    """
    if interface.missing:
        raise ClientGenerationError(f"{interface.provider}: no client yet: {'; '.join(interface.missing)}")
    wrong = faults(interface)
    if interface.api_type is None or interface.base_url is None or interface.auth is None:
        wrong.append("api_type, base_url and auth must be known")
    if wrong:
        raise ClientGenerationError(f"{interface.provider}: no client: {'; '.join(wrong)}")
    template = _environment().get_template(f"{_TEMPLATES[str(interface.api_type)]}{SUFFIX[language]}.j2")
    sha256 = interface_sha256(interface)
    text = template.render(
        interface=interface,
        stem=class_stem(interface.provider),
        sha256=sha256,
        confirmed=not interface.inferred or interface.confirmed,
        parameters=_parameters(interface.parameters, language),
        usual_paths=_has_usual_paths(interface),
    )
    return GeneratedClient(
        provider=interface.provider,
        language=language,
        file=module_name(interface.provider) + SUFFIX[language],
        text=text,
        interface_sha256=sha256,
    )


def write_base(directory: Path, language: Language) -> None:
    """Put beside clients what they inherit from; Python's base is in this package."""
    if language == "typescript":
        write_bytes(directory / "base.ts", (Path(__file__).parent / "typescript" / "base.ts").read_bytes())


def _paths(interface: ProviderInterface) -> dict[str, str]:
    return {endpoint.operation: endpoint.path for endpoint in interface.endpoints}


def _has_usual_paths(interface: ProviderInterface) -> bool:
    """Whether its paths are those of its format, which the base knows."""
    usual = {"openai-compatible": OPENAI_PATHS, "anthropic-compatible": ANTHROPIC_PATHS}
    return usual.get(str(interface.api_type)) == _paths(interface)


def _signature(endpoint: Endpoint, keyword: str, answer: str) -> str:
    """The head of an operation's method, broken as the formatter breaks it."""
    takes = ["self"]
    takes += ["body: base.JsonObject"] if endpoint.method == "POST" else []
    takes += ["model: str"] if "{model}" in endpoint.path else []
    takes.append("query: Mapping[str, str] | None = None")
    line = f"    {keyword} {endpoint.operation}({', '.join(takes)}) -> {answer}:"
    if len(line) <= _LINE_CHARS:
        return line
    return f"    {keyword} {endpoint.operation}(\n        {', '.join(takes)}\n    ) -> {answer}:"


def _body(endpoint: Endpoint) -> str:
    fixed = "".join(f"{python_literal(name)}: {value}, " for name, value in endpoint.fixed.items())
    return f"{{{fixed}**body}}" if fixed else "body"


def _call(endpoint: Endpoint) -> str:
    fixed = "".join(
        f"{python_literal(name)}: {python_literal(value)}, " for name, value in endpoint.query.items()
    )
    arguments = [
        python_literal(endpoint.operation),
        _body(endpoint) if endpoint.method == "POST" else "None",
        "model" if "{model}" in endpoint.path else '""',
        f"{{{fixed}**(query or {{}})}}" if fixed else "query or {}",
    ]
    return f"{'_stream' if endpoint.streams else '_call'}({', '.join(arguments)})"


def _parameters(parameters: Iterable[Parameter], language: Language) -> list[tuple[str, str]]:
    """Names and types, by name."""
    usable = [one for one in parameters if not keyword.iskeyword(one.name)]
    return [(one.name, _type(one, language)) for one in sorted(usable, key=lambda one: one.name)]


def _type(parameter: Parameter, language: Language) -> str:
    if parameter.kind == "choice" and parameter.choices:
        if language == "typescript":
            return " | ".join(json.dumps(choice) for choice in parameter.choices)
        return f"Literal[{', '.join(python_literal(choice) for choice in parameter.choices)}]"
    types = _PYTHON_TYPES if language == "python" else _TYPESCRIPT_TYPES
    return types.get(parameter.kind, types["text"])


def python_literal(text: str) -> str:
    """``text`` as a Python string in the formatter's own quotes."""
    escaped = text.encode("unicode_escape").decode("ascii")
    if '"' in text and "'" not in text:
        return f"'{escaped}'"
    return '"' + escaped.replace('"', '\\"') + '"'


def python_tuple(texts: Iterable[str]) -> str:
    """A tuple of strings, on one line."""
    inner = [python_literal(text) for text in texts]
    return f"({inner[0]},)" if len(inner) == 1 else f"({', '.join(inner)})"


def python_mapping(values: dict[str, str], indent: int, before: int) -> str:
    """A mapping of strings, on one line when it fits after ``before`` characters, else one entry a line."""
    entries = [f"{python_literal(name)}: {python_literal(value)}" for name, value in values.items()]
    line = "{" + ", ".join(entries) + "}"
    if before + len(line) + 1 <= _LINE_CHARS:
        return line
    inner = " " * (indent + 4)
    return "{\n" + "".join(f"{inner}{entry},\n" for entry in entries) + " " * indent + "}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("modelscan_catalog.sdk"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Python and TypeScript, where every text goes through a literal filter
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["paths"] = _paths
    environment.filters["signature"] = _signature
    environment.filters["call"] = _call
    environment.filters["py"] = python_literal
    environment.filters["py_tuple"] = python_tuple
    environment.filters["py_mapping"] = python_mapping
    environment.filters["ts"] = lambda value: json.dumps(value, ensure_ascii=True, sort_keys=True)
    return environment
