"""``modelscan fit --batch``: a line of questions in, a line of answers out; no line is ever lost."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import click

from modelscan_catalog.errors import FitInputError, PublishError
from modelscan_catalog.fit.evaluate import EMPTY, evaluate_line
from modelscan_catalog.fit.known import known_config
from modelscan_catalog.fit.published import PublishedRegistry

_REPORT_EVERY_S = 5.0


def run_batch(source: str, out: str, registry: PublishedRegistry) -> None:
    """Answer every line of ``source`` (``-``: standard input) into ``out`` (``-``: standard output).

    The file ``out`` appears whole or not at all. A line that is no usable request is answered with the
    verdict ``unknown`` and a reason that names the field. Progress and a summary go to standard error.

    Raises ``FitInputError`` (field ``batch`` or ``out``) when a file cannot be opened.
    """
    enrich = Enrichment(registry)
    verdicts: Counter[str] = Counter()
    started = reported = time.monotonic()
    with _reading(source) as lines, _writing(out) as written:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            answer = _answer(line, number, enrich)
            written.write(json.dumps(answer, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            verdicts[answer["verdict"]] += 1
            if time.monotonic() - reported > _REPORT_EVERY_S:
                reported = time.monotonic()
                click.echo(f"{verdicts.total():,} answered", err=True)
    if enrich.trouble:
        click.echo(f"models were not looked up: {enrich.trouble}", err=True)
    spent = time.monotonic() - started
    by_verdict = ", ".join(f"{count:,} {verdict}" for verdict, count in verdicts.most_common())
    click.echo(f"{verdicts.total():,} requests in {spent:.1f} s: {by_verdict or 'none'}", err=True)


def _answer(line: bytes, number: int, enrich: "Enrichment") -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        return _unknown("", f"line {number} is not JSON: {str(error)[:120]}")
    identity = str(request.get("id", "")) if isinstance(request, dict) else ""
    try:
        answer = evaluate_line(enrich(request))
        json.dumps(answer, allow_nan=False)
    except Exception as error:  # noqa: BLE001 - one odd request must not take the others with it
        return _unknown(identity, f"request: not answerable ({type(error).__name__}: {str(error)[:120]})")
    return answer


def _unknown(identity: str, reason: str) -> dict[str, Any]:
    return {**EMPTY, "bands": {}, "id": identity, "reason": reason}


class Enrichment:
    """Adds the published configuration and sizes to a request that only names a checkpoint of the registry.

    Models that the fit knows by heart keep its facts; so does a request with a ``config`` of its own.
    Calling it never raises; ``trouble`` says why the registry could not be read.
    """

    def __init__(self, registry: PublishedRegistry) -> None:
        self._registry = registry
        self._facts = lru_cache(maxsize=4096)(self._look_up)
        self.trouble = ""

    def __call__(self, request: Any) -> Any:
        """``request`` with ``config``, ``quant_config``, ``quantization``, ``exact_params`` and
        ``checkpoint_bytes`` where it lacks them."""
        name = request.get("model") if isinstance(request, dict) else None
        if not isinstance(name, str) or not name or request.get("config") is not None or self.trouble:
            return request
        facts = self._facts(name)
        if not facts:
            return request
        given = {key: value for key, value in request.items() if value is not None and value != ""}
        if given.get("quantization") not in (None, facts.get("quantization")):
            # stored in another format than the request's: sizes of the file do not hold
            facts = {
                key: value for key, value in facts.items() if key not in ("checkpoint_bytes", "quantization")
            }
        return {**facts, **given}

    def _look_up(self, name: str) -> Mapping[str, Any]:
        known = known_config(name)
        if known is not None and known.exact:
            return {}
        try:
            row = self._registry.variant(name)
            stored = self._registry.config(row["id"]) if row is not None else None
        except PublishError as error:
            self.trouble = str(error)
            return {}
        if row is None or stored is None:
            return {}
        facts = {
            "config": stored["config"],
            "quant_config": stored.get("quant_config"),
            "quantization": (row.get("quantization") or {}).get("scheme"),
            "exact_params": row.get("parameters"),
            "checkpoint_bytes": row.get("weights_bytes"),
        }
        return {key: value for key, value in facts.items() if value is not None}


@contextmanager
def _reading(source: str) -> Iterator[IO[bytes]]:
    if source == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(source).open("rb")  # noqa: SIM115 - closed below; only opening it may be the caller's fault
    except OSError as error:
        raise FitInputError(f"batch: {source} cannot be read ({error.strerror})", field="batch") from error
    with stream:
        yield stream


@contextmanager
def _writing(out: str) -> Iterator[IO[bytes]]:
    if out == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    from modelscan_catalog.store import replaced_file  # pays for Arrow

    path = Path(out)
    if path.is_dir() or not path.parent.is_dir():
        why = "is a directory" if path.is_dir() else "lies in no directory that exists"
        raise FitInputError(f"out: {out} {why}; name a file", field="out")
    with replaced_file(path) as temporary, temporary.open("wb") as stream:
        yield stream
