"""``modelscan quantize``: a smaller checkpoint of a model: script, engine's flag, expected size."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelscan_catalog.cli.catalog import echo_json, json_option, registry_option
from modelscan_catalog.cli.completion import complete_gpu, complete_model

if TYPE_CHECKING:
    from modelscan_catalog.deploy.quantize import QuantizeRecipe

_GIB = 1 << 30


@click.command()
@click.argument("model", shell_complete=complete_model)
@click.option("--to", required=True, metavar="FORMAT", help="fp8, fp8_block, int8, int4, awq or nvfp4.")
@click.option("--gpu", metavar="NAME[:COUNT]", shell_complete=complete_gpu, help="What it needs on these.")
@click.option("--script", "only_script", is_flag=True, help="The Python program alone, to redirect.")
@registry_option
@json_option
def quantize(model: str, to: str, gpu: str | None, only_script: bool, registry: Path, as_json: bool) -> None:
    """How MODEL becomes smaller: by an engine while it loads, or as a checkpoint of one's own.

    Nothing is run or downloaded. Checkpoints of that format that somebody published come first: they were
    made by this same way and tried.
    """
    from modelscan_catalog.deploy.quantize import quantize_recipe
    from modelscan_catalog.fit.published import PublishedRegistry

    found = quantize_recipe(PublishedRegistry(registry).find(model), to, gpu)
    if as_json:
        echo_json(dataclasses.asdict(found))
    elif only_script:
        click.echo(found.script, nl=False)
    else:
        click.echo("\n".join(_lines(found)))


def _lines(found: "QuantizeRecipe") -> Iterator[str]:
    before, after = found.trained_bytes / _GIB, found.expected_bytes / _GIB
    yield f"{found.model} in {found.format}: {after:.2f} GiB of weights expected, {before:.2f} in 16 bits"
    for one in found.published:
        yield f"  published already: {one} (modelscan plan {found.model} --variant {one})"
    for flag in found.online:
        yield (
            f"  while loading: {flag.engine} {flag.engine_version} {flag.flag} on {found.repo}; its files "
            f"stay {before:.1f} GiB"
        )
    if found.online:
        yield f"    modelscan plan {found.model} --quantization {found.format} --online"
    else:
        yield "  while loading: no engine here does it"
    if (card := found.on_cards) is not None:
        reason = f" ({card.support_reason})" if card.support_reason else ""
        yield f"  on {card.gpu}: {card.support.replace('_', ' ')} with {card.engine}{reason}"
        if card.required_gib is not None and card.budget_gib is not None:
            context = f" for {card.context:,} tokens" if card.context else ""
            yield (
                f"    {card.required_gib:.2f} of {card.budget_gib:.2f} GiB a card{context}: "
                f"{card.verdict.replace('_', ' ')}, estimated"
            )
    samples = "needs sample texts" if found.calibrated else "needs no sample texts"
    yield (
        f"  as a checkpoint: {samples}, {before + after:.0f} GiB of disk, the 16-bit weights in system "
        "memory, and a GPU for speed"
    )
    yield ""
    yield f"pip install {' '.join(found.packages)}; modelscan quantize … --script > quantize.py:"
    yield ""
    yield from (f"  {line}" for line in found.script.splitlines())
