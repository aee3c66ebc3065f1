"""``modelscan export``: the catalogue in another shape, to a file or standard output."""

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from modelscan_catalog.cli.catalog import registry_option
from modelscan_catalog.errors import PublishError, SettingsError, UnknownIdError
from modelscan_catalog.registry import Registry, get_registry

FEEDS: Mapping[str, str] = {
    "models-dev": "models-dev.json",
    "litellm": "litellm.json",
    "openrouter": "openrouter.json",
    "gpustack-huggingface": "gpustack-huggingface.yaml",
    "gpustack-modelscope": "gpustack-modelscope.yaml",
    "kubeflow": "kubeflow.yaml",
    "vllm-router": "vllm-router.yaml",
}


def _rows(registry: Registry) -> list[dict[str, Any]]:
    """A flat row a model, by id."""
    hits = sorted(registry.search_index().everything(), key=lambda hit: hit.model)
    rows = [dataclasses.asdict(hit) for hit in hits]
    for row in rows:
        del row["score"]
        row["tags"] = list(row["tags"])
    return rows


def _csv(registry: Registry) -> str:
    rows = _rows(registry)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["model"], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        flat = row | {"tags": " ".join(row["tags"])}
        writer.writerow({name: _inert(value) for name, value in flat.items()})
    return text.getvalue()


def _inert(value: Any) -> Any:
    """A name that a spreadsheet would run as a formula begins with an apostrophe instead."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _json(registry: Registry) -> str:
    return json.dumps(_rows(registry), ensure_ascii=False, indent=1) + "\n"


def _python(registry: Registry) -> str:
    lines = "".join(f"    {row!r},\n" for row in _rows(registry))
    return f'"""Models of the ModelScan catalogue."""\n\nMODELS = [\n{lines}]\n'


def _typescript(registry: Registry) -> str:
    lines = "".join(f"  {json.dumps(row, ensure_ascii=False)},\n" for row in _rows(registry))
    return f"// Models of the ModelScan catalogue.\nexport const MODELS = [\n{lines}] as const;\n"


_WRITERS: Mapping[str, Callable[[Registry], str]] = {
    "csv": _csv,
    "json": _json,
    "py": _python,
    "ts": _typescript,
}


@click.command()
@click.option("--format", "shape", required=True, metavar="NAME", help=", ".join([*_WRITERS, *FEEDS]))
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Default: standard output."
)
@registry_option
def export(shape: str, out: Path | None, registry: Path) -> None:
    """The catalogue in another shape.

    csv, json, py and ts hold a row a model; the others are the published feeds that other tools read.
    """
    if shape in _WRITERS:
        text = _WRITERS[shape](get_registry(registry))
    elif shape in FEEDS:
        text = _feed(registry, FEEDS[shape])
    else:
        known = [*_WRITERS, *FEEDS]
        near = get_close_matches(shape, known, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"use one of {', '.join(known)}"
        raise UnknownIdError(f"--format: {shape[:40]!r} is unknown; {hint}", near or known)
    if out is None:
        click.echo(text, nl=False)
    else:
        _write(out, text)


def _feed(registry: Path, name: str) -> str:
    path = registry / "feeds" / name
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise PublishError(f"{path}: cannot be read ({error.strerror}); run `modelscan build`") from error


def _write(out: Path, text: str) -> None:
    """Whole or not at all."""
    from modelscan_catalog.store import write_bytes  # pays for Arrow

    try:
        write_bytes(out, text.encode())
    except OSError as error:
        raise SettingsError(f"--out {out}: cannot be written ({error.strerror})") from error
