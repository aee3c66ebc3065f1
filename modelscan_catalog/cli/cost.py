"""``modelscan cost``: what a month of tokens costs at each seller, and on cards of one's own."""

from pathlib import Path

import click

from modelscan_catalog.cli.catalog import echo_json, figure, json_option, plain_table, registry_option, tokens
from modelscan_catalog.cli.completion import complete_gpu, complete_model
from modelscan_catalog.cli.fit_inputs import Number, Whole
from modelscan_catalog.errors import FitInputError
from modelscan_catalog.registry import get_registry
from modelscan_catalog.registry.costs import Load, model_costs


@click.command()
@click.argument("model", shell_complete=complete_model)
@click.option("--input", "input_mtok", type=Number(), default=3.0, metavar="N", help="Million tokens in. [3]")
@click.option(
    "--output", "output_mtok", type=Number(), default=1.0, metavar="N", help="Million tokens out. [1]"
)
@click.option(
    "--cached", type=Number(), default=0.0, metavar="F", help="Share of the input read from a cache."
)
@click.option("--context", type=Whole(), metavar="N", help="Tokens of a request, where prices depend on it.")
@click.option(
    "--gpu",
    metavar="NAME[:COUNT]",
    shell_complete=complete_gpu,
    help="Compare with these cards, at full load.",
)
@click.option(
    "--gpu-price", type=Number(), metavar="USD", help="Of one card an hour. Default: the profile's."
)
@click.option("--limit", type=click.IntRange(1, 1000), default=15, show_default=True)
@registry_option
@json_option
def cost(
    model: str,
    input_mtok: float,
    output_mtok: float,
    cached: float,
    context: int | None,
    gpu: str | None,
    gpu_price: float | None,
    limit: int,
    registry: Path,
    as_json: bool,
) -> None:
    """What so many tokens of MODEL cost at each seller, cheapest first.

    Exit code 3 when nobody sells it.
    """
    load = Load(input_mtok, output_mtok, cached, context)
    found = model_costs(get_registry(registry), model, load, gpu, gpu_price)
    if as_json:
        echo_json(found)
    else:
        _print(found, load, limit)
    if not found["offers"] and found["own_cards"] is None:
        click.get_current_context().exit(3)


def _print(found: dict[str, object], load: Load, limit: int) -> None:
    from modelscan_catalog.cli.console import table_console

    console = table_console()
    offers = found["offers"]
    assert isinstance(offers, list)
    right = ("USD", "$/Mtok in", "$/Mtok out", "context")
    rows = [
        (
            row["provider"],
            row["provider_model"],
            "free" if row["usd"] == 0 else f"{row['usd']:,.2f}",
            figure(row["input_usd_per_mtok"]),
            figure(row["output_usd_per_mtok"]),
            tokens(row["context"]),
        )
        for row in offers[:limit]
    ]
    what = f"{load.input_mtok:g} Mtok in, {load.output_mtok:g} Mtok out"
    if rows:
        title = f"{found['model']}: {what}, {min(limit, len(offers))} of {len(offers)} sellers"
        columns = ("seller", "its id", *right)
        console.print(plain_table(title, columns, rows, console.width, right, "its id"))
    else:
        length = f" for requests of {load.context_tokens:,} tokens" if load.context_tokens else ""
        console.print(
            f"Nobody in the catalogue sells {found['model']} at a stated price{length}.", highlight=False
        )
    own = found["own_cards"]
    if isinstance(own, dict):
        low, high = own["usd_per_mtok"]
        console.print(
            f"On {own['gpu']} ({own['checkpoint']}, {own['usd_per_hour']:g} USD an hour): {low:,.3g} to "
            f"{high:,.3g} USD per million output tokens with their input, at full load with requests of "
            f"{own['context']:,} tokens.",
            highlight=False,
        )
        if own["break_even"]:
            best = own["break_even"][0]
            seller = f"{best['seller']} ({best['usd_per_mtok']:.3g} USD for the same)"
            pays = best["load"] is not None and best["load"] < 1
            line = (
                f"Cheaper than {seller} from {best['load']:.0%} of full load."
                if pays
                else (f"{seller} stays cheaper at any load.")
            )
            console.print(line, highlight=False)
    elif found["own_cards_refused"]:
        raise FitInputError(str(found["own_cards_refused"]), field="gpu")
