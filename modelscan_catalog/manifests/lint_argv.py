"""Checks of command lines, compose files, and of secrets that are written out."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from modelscan_catalog.manifests.engines import Engine, flag_name, launch_names, load_engine
from modelscan_catalog.manifests.findings import Finding
from modelscan_catalog.manifests.flags import check_flags
from modelscan_catalog.manifests.lint_shell import SERVERS, engine_commands, script_of, starts_at

_SECRET = re.compile(r".*(TOKEN|SECRET|PASSWORD|API_KEY)$")
_RELEASE = re.compile(r"^v\d+\.\d+\.\d+$")


def lint_compose(document: Mapping[str, Any], engine_version: str | None) -> list[Finding]:
    """Images, ports, secrets, and the engines that the services start."""
    services = document.get("services") if isinstance(document, Mapping) else None
    if not isinstance(services, Mapping) or not services:
        return [Finding("error", "schema", "services", "a compose file needs at least one service")]
    findings: list[Finding] = []
    for name, service in services.items():
        where = f"services.{name}"
        if not isinstance(service, Mapping) or not service.get("image"):
            findings.append(Finding("error", "schema", f"{where}.image", "the service names no image"))
            continue
        findings += literal_secrets(_compose_environment(service), f"{where}.environment")
        entrypoint, command = (_compose_words(service.get(key)) for key in ("entrypoint", "command"))
        image = str(service["image"])
        words = engine_words(image, entrypoint, command)
        if words is not None:
            words = [word.replace("$$", "$") for word in words]
            findings += lint_argv(words, f"{where}.command", image_version(image) or engine_version)
        ports = service.get("ports")
        for port in ports if isinstance(ports, list) else ():
            if not str(port).startswith("127.0.0.1:"):
                findings.append(
                    Finding("warning", "exposed_port", f"{where}.ports", f"{port} listens beyond loopback")
                )
    return findings


def _compose_environment(service: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Both of compose's forms: a mapping, or a list of ``NAME=value``."""
    written = service.get("environment") or {}
    if isinstance(written, Mapping):
        pairs = [(str(name), value) for name, value in written.items()]
    else:
        entries = written if isinstance(written, list) else []
        pairs = [(name, value) for name, _, value in (str(entry).partition("=") for entry in entries)]
    return [{"name": name, "value": value} for name, value in pairs]


def _compose_words(written: Any) -> list[str]:
    if isinstance(written, list):
        return [str(word) for word in written]
    try:
        return shlex.split(str(written or ""))
    except ValueError:
        return [str(written)]


def lint_command(text: Any, engine_version: str | None) -> list[Finding]:
    """Shell text: every engine that it starts; text that starts none is a bare list of flags."""
    try:
        commands = engine_commands(str(text))
        words = shlex.split(str(text)) if not commands else []
    except ValueError as error:
        return [Finding("error", "schema", "command", f"not a shell command: {error}")]
    while words and "=" in words[0] and not words[0].startswith("-"):
        words.pop(0)
    checked = commands or [words]
    return [finding for one in checked for finding in lint_argv(one, "command", engine_version)]


_MODEL_FLAGS = ("--model", "--model-path", "--model_path")


def engine_words(image: str, started_by: Sequence[str], arguments: Sequence[str]) -> list[str] | None:
    """The words of a container that runs an engine, as ``lint_argv`` reads them; None for any other.

    ``started_by`` replaces what the image starts by itself, which for vLLM's own image is ``vllm serve``.
    What a shell is given to run is read; of several engines the first.
    """
    words = [*started_by, *arguments]
    if (script := script_of(words)) is not None:
        try:
            return next(iter(engine_commands(script)), None)
        except ValueError:
            return None
    if (begin := starts_at(words)) is not None:
        return words[begin:]
    if not words or ("vllm" not in image and "sglang" not in image):
        return None
    if words[0].startswith("-"):
        return words
    own = not started_by and image.partition(":")[0].rpartition("/")[2].startswith("vllm-openai")
    return ["vllm", "serve", *words] if own else None


def lint_argv(words: Sequence[str], where: str, version: str | None) -> list[Finding]:
    """Checks ``vllm serve MODEL …``, ``python -m`` of a server module, or a bare flag list of vLLM."""
    rest = list(words)
    engine: Engine = "vllm"
    module = next((word for word in rest if word in SERVERS), None)
    if module is not None:
        engine = "sglang" if SERVERS[module] == "sglang" else "vllm"
        rest = rest[rest.index(module) + 1 :]
        if engine == "vllm" and rest and not rest[0].startswith("-"):
            rest = rest[1:]
        elif not any(word.split("=")[0] in _MODEL_FLAGS for word in rest):
            flag = flag_name("sglang", "model") if engine == "sglang" else "--model"
            return [Finding("error", "missing_value", where, f"no model is given: add {flag}")]
    elif starts_at(rest[:2]) == 0:
        rest = rest[2:]
        if not rest or rest[0].startswith("-"):
            return [Finding("error", "missing_value", where, "no model is given after vllm serve")]
        rest = rest[1:]
    return check_flags(load_engine(engine, version), rest, where=where, vendors=any_plugin())


def literal_secrets(entries: Sequence[Mapping[str, Any]], where: str) -> list[Finding]:
    """Variables whose name says that they are secret, with their value written out."""
    return [
        Finding(
            "error",
            "literal_secret",
            f"{where}.{entry['name']}",
            "a secret is given by reference, not by value",
        )
        for entry in entries
        if _SECRET.match(str(entry["name"]))
        and entry.get("value")
        and not str(entry["value"]).startswith("$")
    ]


def image_version(image: Any) -> str | None:
    """The version that a release tag of an engine's own image names (``v0.33.0``); None for others."""
    repository, _, tag = str(image or "").partition("@")[0].rpartition(":")
    own = repository.rpartition("/")[2].startswith(("vllm-openai", "sglang"))
    return tag[1:] if own and _RELEASE.match(tag) else None


def any_plugin() -> list[str]:
    """Vendors whose plugins know more values, for a document that names no vendor."""
    return [vendor for plugins in launch_names()["plugin_values"].values() for vendor in plugins]
