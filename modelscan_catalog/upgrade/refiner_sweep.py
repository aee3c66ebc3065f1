"""Which models are fit to refine a prompt: asked one by one, streamed, held against the refiner's budget."""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.decide import EXACT_HEADER
from modelscan_catalog.upgrade.evaluation_sets import (
    REQUEST_TIMEOUT_S,
    EvaluationItem,
    EvaluationSet,
    is_right,
)

MOST_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class RefinerResult:
    """One model: seconds to the first token over all items, and the share answered rightly.

    ``error`` is what stopped it; such a model has no figures.
    """

    model: str
    items: int
    score: float | None
    first_token_p50_s: float | None
    first_token_p95_s: float | None
    within_budget: bool
    error: str | None = None


def sweep_refiners(
    evaluation_set: EvaluationSet,
    base_url: str,
    models: Sequence[str],
    *,
    budget_s: float,
    max_tokens: int,
    key: str | None = None,
) -> list[RefinerResult]:
    """Every model in turn, so that none slows another; the fittest first.

    Items with a long text are left out: a refiner gets a question, and long ones would decide the time.
    A model is within the budget when 95 of 100 first tokens come within ``budget_s`` seconds. Those within
    it come first, by score, then by time; those that failed come last.
    """
    short = tuple(item for item in evaluation_set.items if item.prompt_characters <= MOST_CHARACTERS)
    if not short:
        raise SettingsError(f"evaluation set {evaluation_set.name}: no item of {MOST_CHARACTERS} characters")
    results = asyncio.run(_sweep(short, base_url, models, budget_s, max_tokens, key))
    return sorted(
        results,
        key=lambda one: (
            one.error is not None,
            not one.within_budget,
            -(one.score or 0.0),
            one.first_token_p95_s or 0.0,
            one.model,
        ),
    )


async def _sweep(
    items: Sequence[EvaluationItem],
    base_url: str,
    models: Sequence[str],
    budget_s: float,
    max_tokens: int,
    key: str | None,
) -> list[RefinerResult]:
    headers = {EXACT_HEADER: "true"} | ({"Authorization": f"Bearer {key}"} if key else {})
    results = []
    async with httpx.AsyncClient(
        base_url=base_url.rstrip("/"), headers=headers, timeout=REQUEST_TIMEOUT_S
    ) as client:
        for model in models:
            try:
                answers = [await _ask(client, model, item, max_tokens) for item in items]
            except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
                what = f"{type(error).__name__}: {error}"
                results.append(RefinerResult(model, 0, None, None, None, False, what[:300]))
                continue
            times = [first_s for _, first_s in answers]
            right = sum(is_right(item.check, text) for item, (text, _) in zip(items, answers, strict=True))
            p95_s = statistics.quantiles(times, n=20, method="inclusive")[-1] if len(times) > 1 else times[0]
            results.append(
                RefinerResult(
                    model,
                    len(times),
                    right / len(times),
                    statistics.median(times),
                    p95_s,
                    p95_s <= budget_s,
                )
            )
    return results


async def _ask(
    client: httpx.AsyncClient, model: str, item: EvaluationItem, max_tokens: int
) -> tuple[str, float]:
    """The whole answer and the seconds to its first piece of text."""
    body = {
        "model": model,
        "messages": list(item.messages),
        "max_tokens": min(item.max_tokens, max_tokens),
        "temperature": 0,
        "stream": True,
    }
    started = time.perf_counter()
    first_s: float | None = None
    pieces = []
    async with client.stream("POST", "/chat/completions", json=body) as response:
        if response.is_error:
            await response.aread()
            response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data:") or line.strip() == "data: [DONE]":
                continue
            event = json.loads(line[5:])
            if "error" in event:
                raise ValueError(f"the answer broke off: {event['error']}")
            for choice in event.get("choices", []):
                text = choice.get("delta", {}).get("content")
                if text:
                    first_s = first_s if first_s is not None else time.perf_counter() - started
                    pieces.append(text)
    if first_s is None:
        raise ValueError("the answer held no text")
    return "".join(pieces), first_s
