"""``modelscan lint``: manifests and catalogues against their target's schema and the engine's own flags."""

import dataclasses
import json
from pathlib import Path

import click

from modelscan_catalog.errors import CheckFailedError


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def lint(files: tuple[Path, ...], as_json: bool) -> None:
    """Check FILES (or folders) against their target and engine: flags, parsers, schema, secrets.

    GPUStack bodies and catalogues; KServe InferenceService, LLMInferenceService, ServingRuntime; KAITO
    Workspace; NetworkPolicy; compose; air-gap bundles; shell files that start vLLM or SGLang.

    Exit code 1 when something is wrong; warnings alone pass.
    """
    from modelscan_catalog.manifests.lint_files import lint_files

    found = lint_files(files)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(one) for one in found]))
    else:
        for one in found:
            click.echo(str(one))
    errors = sum(one.finding.severity == "error" for one in found)
    if errors:
        raise CheckFailedError(f"{_count(errors, 'error')} and {_count(len(found) - errors, 'warning')}")
    if not as_json:
        click.echo(f"nothing wrong, {_count(len(found), 'warning')}")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
