"""``modelscan what-fits``: what of the catalogue runs on these GPUs, a line a model."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click

from modelscan_catalog.cli.completion import complete_gpu
from modelscan_catalog.cli.fit_inputs import Whole, cards
from modelscan_catalog.errors import FitInputError, PublishError
from modelscan_catalog.fit.candidates import Candidate
from modelscan_catalog.fit.plan import plan, policy_for
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.fit.published import PublishedRegistry, Row
from modelscan_catalog.registry.files import published_dir

SORTS = ("downloads", "size", "speed")
LEAST_CONTEXT = 4096
"""Where no context is asked, a model that declares more must hold at least this."""
_WIDE = 100
_NO_DECODING = ("embedding", "reranker")
"""Categories whose models answer without generating tokens one by one."""


@dataclass(frozen=True)
class FittingModel:
    """A model and the best way to serve it; GiB are per GPU of the largest rank."""

    model: str
    variant: str
    quantization: str
    verdict: str
    engine: str
    gpu_count: int
    tp: int
    pp: int
    context: int | None
    max_context: int | None
    max_concurrency: float | None
    decode_tok_s_low: float | None
    decode_tok_s_high: float | None
    headroom_gib: float | None
    parameters: int | None
    downloads: int | None


@click.command("what-fits")
@click.option(
    "--gpu",
    metavar="NAME[:COUNT]",
    shell_complete=complete_gpu,
    help="Cards, such as rtx-4090:2. Default: this machine's.",
)
@click.option("--goal", metavar="GOAL", default="standard", help="standard (default), throughput or latency.")
@click.option("--context", type=Whole(), metavar="N", help="Tokens of a request; 32k is 32768.")
@click.option("--min-context", type=Whole(), metavar="N", help="Only models that hold a request of N tokens.")
@click.option(
    "--category", "--task", metavar="NAME", help="Only models of a category, such as llm or embedding."
)
@click.option("--sort", metavar="BY", default="downloads", help="downloads (default), size or speed.")
@click.option("--limit", type=Whole(), metavar="N", default=25, help="Most lines. [default: 25]")
@click.option("--registry", type=click.Path(path_type=Path), metavar="DIR", default=published_dir,
              help="Published registry. [default: registry/published]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True)
def what_fits(
    gpu: str | None,
    goal: str,
    context: int | None,
    min_context: int | None,
    category: str | None,
    sort: str,
    limit: int,
    registry: Path,
    as_json: bool,
) -> None:
    """What of the catalogue runs on these GPUs?

    A line a model: the checkpoint that the goal prefers, on the fewest of the cards that hold it (throughput
    and latency take all). Without --context a model is planned at the longest context that fits.
    """
    if sort not in SORTS:
        raise FitInputError(f"sort: {sort!r} is unknown; use one of {', '.join(SORTS)}", field="sort")
    for name, value in (("limit", limit), ("context", context), ("min_context", min_context)):
        if value is not None and value < 1:
            raise FitInputError(f"{name}: {value} is below 1", field=name)
    policy_for(goal)
    profile, count, remark = cards(gpu)
    search = _Search(PublishedRegistry(registry), profile, count, goal, context, min_context)
    candidates = search.candidates(category)
    with _waiting(f"planning {len(candidates)} models"):
        found = _best(search, candidates, sort, limit)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return
    if not found:
        click.echo(f"Nothing in the catalogue with a known configuration fits {count} x {profile.name} so.")
        return
    _print(found, profile, count, remark, len(candidates))


def _best(search: "_Search", candidates: list["_Model"], sort: str, limit: int) -> list[FittingModel]:
    """The first `limit` by the order asked for; only the speed needs every model's plan."""
    if sort == "speed":
        return sorted(search.plans(candidates), key=lambda one: -(one.decode_tok_s_high or 0.0))[:limit]
    ordered = sorted(candidates, key=lambda one: _weight(one, sort), reverse=True)
    return list(islice(search.plans(ordered), limit))


def _waiting(text: str) -> AbstractContextManager[object]:
    """A sign of life on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(text)


@dataclass(frozen=True)
class _Model:
    row: Row
    variants: tuple[Row, ...]
    """Those that the published fit says could start."""

    @property
    def downloads(self) -> int:
        return max((row.get("downloads") or 0 for row in self.variants), default=0)

    @property
    def parameters(self) -> int:
        return (self.row.get("parameters") or {}).get("total") or max(
            (row.get("parameters") or 0 for row in self.variants), default=0
        )


def _weight(model: _Model, sort: str) -> tuple[int, str]:
    return (model.parameters if sort == "size" else model.downloads, model.row["id"])


@dataclass(frozen=True)
class _Search:
    registry: PublishedRegistry
    profile: GpuProfile
    count: int
    goal: str
    context: int | None
    min_context: int | None

    def candidates(self, category: str | None) -> list[_Model]:
        """Models of which the published fit of the GPU holds a checkpoint that could start."""
        models = {row["id"]: row for row in self.registry.table("models.jsonl")}
        known = sorted({row["category"] for row in models.values() if row.get("category")})
        if category is not None and category not in known:
            raise FitInputError(
                f"category: {category!r} is unknown; there are {', '.join(known)}", field="category"
            )
        starting = self._starting()
        by_model: dict[str, list[Row]] = {}
        for row in self.registry.table("variants.jsonl"):
            if row["id"] in starting and row["model"] in models:
                by_model.setdefault(row["model"], []).append(row)
        return [
            _Model(models[name], tuple(rows))
            for name, rows in by_model.items()
            if category is None or models[name].get("category") == category
        ]

    def _starting(self) -> set[str]:
        """Variants that on up to `count` cards hold what is asked, by the published matrix."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.registry.root / "fit" / f"{self.profile.id}.parquet"
        columns = ["variant_id", "count", "context", "verdict", "max_context"]
        try:
            cells = pq.read_table(path, columns=columns).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise PublishError(
                f"{path}: the published fit of {self.profile.id} cannot be read ({str(error)[:120]}); run "
                "`modelscan build` or name a published registry with --registry"
            ) from error
        least = max(self.context or LEAST_CONTEXT, self.min_context or 0)
        return {
            cell["variant_id"]
            for cell in cells
            if cell["count"] <= self.count
            and cell["verdict"] in ("fits", "tight", "does_not_fit", "offload_only")
            and (cell["max_context"] or 0) >= (least if self.context or self.min_context else
                                               min(least, cell["context"] or least))
        }  # fmt: skip

    def plans(self, models: list[_Model]) -> Iterator[FittingModel]:
        """The plan of each model that starts, in the given order."""
        for model in models:
            found = self._plan(model.variants, self.count)
            if found is None:
                continue
            if self.goal == "standard":
                found = self._on_fewer(model, found)
            yield _line(model, found)

    def _plan(self, rows: tuple[Row, ...], count: int, context: int | None = None) -> Candidate | None:
        """The planner's choice when it starts and holds what is asked."""
        found = plan(
            [self.registry.fit_input(row)[0] for row in rows],
            self.profile,
            count,
            goal=self.goal,
            context=context or self.context,
            with_alternatives=False,
        ).chosen
        if found is None or not found.starts or (found.context or 0) < (self.min_context or 0):
            return None
        return found

    def _on_fewer(self, model: _Model, found: Candidate) -> Candidate:
        """The same checkpoint at the same context on the fewest cards that hold it without being tight."""
        own = tuple(row for row in model.variants if row["id"] == found.variant.variant_id)
        fewer = 1
        while fewer < self.count:
            smaller = self._plan(own, fewer, found.context)
            if smaller is not None and smaller.verdict == "fits":
                return smaller
            fewer *= 2
        return found


def _line(model: _Model, found: Candidate) -> FittingModel:
    row: Mapping[str, Any] = next(one for one in model.variants if one["id"] == found.variant.variant_id)
    label = (row.get("quantization") or {}).get("scheme") or found.scheme
    speed = found.decode_tok_s if model.row.get("category") not in _NO_DECODING else None
    return FittingModel(
        model=model.row["id"],
        variant=found.variant.variant_id,
        quantization="16-bit" if label == "none" else label,
        verdict=found.verdict,
        engine=found.engine,
        gpu_count=found.tp * found.pp,
        tp=found.tp,
        pp=found.pp,
        context=found.context,
        max_context=found.max_context,
        max_concurrency=None if found.max_concurrency is None else round(found.max_concurrency, 2),
        decode_tok_s_low=None if speed is None else round(speed.low, 1),
        decode_tok_s_high=None if speed is None else round(speed.high, 1),
        headroom_gib=None if found.headroom_gib is None else round(found.headroom_gib, 3),
        parameters=model.parameters or None,
        downloads=model.downloads or None,
    )


def _print(found: list[FittingModel], profile: GpuProfile, count: int, remark: str, of: int) -> None:
    from rich import box
    from rich.table import Table

    from modelscan_catalog.cli.console import table_console

    console = table_console()
    wide = console.width >= _WIDE
    where = f"{count} x {profile.name}{f' ({remark})' if remark else ''}"
    table = Table(
        title=f"On up to {where}: {len(found)} of {of} models",
        caption=_CAPTION,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        padding=(0, 1 if wide else 0, 0, 0),
    )
    rows = [_cells(one, wide) for one in found]
    heads = ("stored", *(("engine",) if wide else ()), "cards", "context", "at once", "tok/s", "free")
    taken = sum(
        max(len(head), *(len(row[at]) for row in rows)) + (2 if wide else 1) for at, head in enumerate(heads)
    )
    names = console.width - taken - (6 if wide else 2)  # the box has a blank at each side and between columns
    if wide:
        table.add_column("model", no_wrap=True, max_width=names * 2 // 5)
    table.add_column("checkpoint", no_wrap=True, max_width=names - names * 2 // 5 if wide else names)
    for head in heads:
        table.add_column(head, justify="left" if head in ("stored", "engine") else "right", no_wrap=True)
    for one, cells in zip(found, rows, strict=True):
        table.add_row(*((one.model,) if wide else ()), one.variant, *cells)
    console.print(table)


_CAPTION = (
    "context: the length planned for; at once: requests of that length; tok/s: of one request, estimated; "
    "free: GiB a GPU, ~ tight"
)


def _cells(one: FittingModel, wide: bool) -> list[str]:
    free = "-" if one.headroom_gib is None else f"{one.headroom_gib:.1f}"
    return [
        one.quantization,
        *((one.engine,) if wide else ()),
        str(one.gpu_count),
        _tokens(one.context),
        "-" if one.max_concurrency is None else f"{one.max_concurrency:,.1f}",
        _speed(one),
        f"~{free}" if one.verdict == "tight" else free,
    ]


def _tokens(context: int | None) -> str:
    if context is None:
        return "-"
    return f"{context // 1024:,}k" if context >= 10_000 else f"{context:,}"


def _speed(one: FittingModel) -> str:
    if one.decode_tok_s_low is None or one.decode_tok_s_high is None:
        return "-"
    return f"{one.decode_tok_s_low:,.0f}-{one.decode_tok_s_high:,.0f}"
