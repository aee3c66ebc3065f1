"""``modelscan bench``: how fast a running deployment is, at several loads, beside what was estimated."""

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from modelscan_catalog.cli.catalog import echo_json, json_option
from modelscan_catalog.cli.fit_inputs import Number, Whole
from modelscan_catalog.cli.targets import find_known, opened_for, places, where_options
from modelscan_catalog.errors import CheckFailedError, DeployError, FitInputError

if TYPE_CHECKING:
    from modelscan_catalog.deploy.benchmark import Figures, Spread
    from modelscan_catalog.state import Deployment

MOST_SECONDS = 3600.0


class _Loads(click.ParamType[tuple[int, ...]]):
    name = "list"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        from modelscan_catalog.deploy.benchmark import MOST_LOAD

        parts = [part.strip() for part in str(value).split(",")]
        if not all(part.isdigit() and 1 <= int(part) <= MOST_LOAD for part in parts):
            raise FitInputError(
                f"concurrency: {value!r} is no list of numbers from 1 to {MOST_LOAD}, such as 1,4,16",
                field="concurrency",
            )
        return tuple(dict.fromkeys(int(part) for part in parts))


@click.command()
@click.argument("name")
@click.option(
    "--concurrency",
    type=_Loads(),
    default="1,4,16",
    show_default=True,
    help="Requests at once, load by load.",
)
@click.option("--seconds", type=Number(), default=20.0, metavar="S", help="Of each load. [default: 20]")
@click.option("--prompt-tokens", type=Whole(), default=512, metavar="N", help="About. [default: 512]")
@click.option("--output-tokens", type=Whole(), default=128, metavar="N", help="Of a request. [default: 128]")
@where_options
@json_option
def bench(name: str, as_json: bool, **asked: Any) -> None:
    """Measure the running deployment NAME: first token, time between tokens, throughput.

    The figures are kept; plans for the same checkpoint, cards, engine and split use them from then on.

    Exit code 1 when no request was answered.
    """
    from modelscan_catalog.deploy.benchmark import Endpoint, Load, run
    from modelscan_catalog.deploy.benchmark_evidence import rows_of
    from modelscan_catalog.secret_refs import resolve_secret
    from modelscan_catalog.state.benchmarks import write_benchmarks

    loads = [
        Load(count, asked["seconds"], asked["prompt_tokens"], asked["output_tokens"])
        for count in asked["concurrency"]
    ]
    _check(asked)
    with (
        places() as where,
        opened_for(name, where, asked["target"], asked["server"], asked["key"]) as deployer,
    ):
        known = find_known(name, where, deployer.target, asked["server"])
        seen = deployer.look(name)
        if seen is None or seen.state != "running" or seen.url is None or seen.served_model is None:
            state = seen.state if seen is not None else "not there"
            raise DeployError(f"{name}: it is {state} on {deployer.server}; only what runs can be measured")
        if known is None:
            raise DeployError(f"{name}: ModelScan did not deploy it, so what is measured would not be known")
        key = deployer.key_reference
        endpoint = Endpoint(seen.url, seen.served_model, resolve_secret(key) if key else None)
        if not as_json:
            click.echo(f"{name}: {asked['seconds']:g} s a load, about {asked['prompt_tokens']} tokens in, "
                       f"{asked['output_tokens']} out")  # fmt: skip
            click.echo(_HEAD)
        found = run(endpoint, loads, (lambda one: None) if as_json else _tell)
        if all(one.failed == one.requests for one in found):
            why = next(
                (one.first_failure for one in found if one.first_failure), "none was sent in this time"
            )
            raise CheckFailedError(f"{name}: no request was answered, so nothing is kept: {why}")
        rows = rows_of(known, found)
        write_benchmarks(where.connection, rows)
    if as_json:
        echo_json([dataclasses.asdict(row) for row in rows])
    else:
        for line in (*_shorter(found), *_beside(known, found)):
            click.echo(line)


def _line(*cells: str) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, (5, 10, 8, 19, 19, 11), strict=True))


_HEAD = "\n".join(
    (
        _line("load", "requests", "failed", "first token ms", "between tokens ms", "tokens/s"),
        _line("", "", "", "p50 / p90", "p50 / p90", ""),
    )
)


def _tell(one: "Figures") -> None:
    rate = "-" if one.throughput_tok_s is None else f"{one.throughput_tok_s:,.1f}"
    counts = (str(one.load.concurrency), str(one.requests), str(one.failed))
    click.echo(_line(*counts, _ms(one.ttft_s), _ms(one.itl_s), rate))
    if one.first_failure:
        click.echo(f"      {one.failed} failed, the first with: {one.first_failure}")


def _ms(spread: "Spread | None") -> str:
    return "-" if spread is None else f"{spread.p50 * 1000:,.1f} / {spread.p90 * 1000:,.1f}"


def _shorter(found: "list[Figures]") -> list[str]:
    """Where answers ended early: then the first token weighs more in the throughput than it was meant to."""
    short = [one for one in found if one.output_tokens and one.output_tokens < one.load.output_tokens]
    if not short:
        return []
    counts = ", ".join(f"{one.output_tokens} at load {one.load.concurrency}" for one in short)
    return ["", f"answers ended before the {short[0].load.output_tokens} tokens asked for: {counts}"]


def _beside(known: "Deployment", found: "list[Figures]") -> list[str]:
    """The measured single-request rate beside what the plan expected."""
    expected = ((known.plan or {}).get("expected") or {}).get("decode_tok_s")
    alone = next((one for one in found if one.load.concurrency == 1 and one.itl_s), None)
    if expected is None or alone is None or alone.itl_s is None:
        return []
    rate = 1 / alone.itl_s.p50
    band = f"{expected['point']:,.0f} ({expected['low']:,.0f} to {expected['high']:,.0f}) {expected['basis']}"
    lines = ["", f"one request alone: {rate:,.0f} tokens/s; the plan expected {band}"]
    from modelscan_catalog.fit.measured import MOST_OVER_ESTIMATE

    if rate > expected["high"] * MOST_OVER_ESTIMATE:
        lines.append(
            "that is out of reach of these cards, so plans keep the estimate: is this the planned model?"
        )
    return lines


def _check(asked: dict[str, Any]) -> None:
    for field, least, most in (
        ("seconds", 1, MOST_SECONDS),
        ("prompt_tokens", 1, 1 << 20),
        ("output_tokens", 2, 1 << 16),
    ):
        if not least <= asked[field] <= most:
            raise FitInputError(f"{field}: {asked[field]:g} is not between {least} and {most:g}", field=field)
