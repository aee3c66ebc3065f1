"""Measures a running deployment: time to first token, time between tokens and throughput at several loads.

An asynchronous closed loop over aiohttp, because no load generator fits as a dependency (looked at
on 2026-11-21, with `uv pip compile`): guidellm brings 47 packages that are not here yet, torch and CUDA among
them; aiperf 57 and genai-perf 24, with transformers and their own daemons; locust 16, and knows no streams of
tokens; perftok is light and downloads a tokenizer when it is imported. Tokens are counted by the server's
``usage``, not by a tokenizer here.
"""

import asyncio
import json
import math
import secrets
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp

from modelscan_catalog.errors import DeployError

MOST_LOAD = 512
LEAST_REQUESTS = 3
"""Fewer answers say nothing."""
LEAST_TOKENS = 8
"""Fewer in an answer, and their distance is that of pieces on the way."""
LUMP_S = 1e-4
"""Pieces that come closer than this came together."""
LEAST_APART = 0.5
"""Of a request's pieces, the share that must not have come together for its time between tokens to count."""
SLICES = 5
"""Throughput's band is the least and the most of so many equal parts of a load's time."""
_WORDS = ("river", "stone", "light", "house", "green", "cloud", "paper", "seven", "north", "music")
_PIECES = ("content", "reasoning_content", "reasoning", "tool_calls")
_CONNECT_S, _SILENT_S = 10.0, 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """So many requests at once, each sent when the one before it has ended."""

    concurrency: int
    seconds: float
    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Tenth, fiftieth and ninetieth percentile."""

    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What one load gave; null where nothing or too little was measured."""

    load: Load
    requests: int
    failed: int
    seconds: float
    prompt_tokens: int | None
    """The middle of the requests, by the server's count."""
    output_tokens: int | None
    ttft_s: Spread | None
    """From sending to the first token."""
    itl_s: Spread | None
    """Between tokens of one request: from its first to its last, over their number less one.

    Of requests whose tokens came one by one."""
    throughput_tok_s: float | None
    """Output tokens of all requests together."""
    throughput_low_tok_s: float | None
    throughput_high_tok_s: float | None
    first_failure: str | None = None


@dataclass(slots=True)
class _Seen:
    """One request as it was received; times of the clock."""

    sent: float
    texts: list[float] = field(default_factory=list)
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    failure: str | None = None


class Endpoint:
    """An OpenAI-compatible server: ``base_url`` ends in ``/v1``; the key is sent as a bearer token."""

    def __init__(self, base_url: str, model: str, key: str | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._ignores_eos = True

    def session(self) -> aiohttp.ClientSession:
        """A session without a bound on connections: the load bounds them."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
        connector = aiohttp.TCPConnector(limit=0)
        return aiohttp.ClientSession(headers=self._headers, timeout=timeout, connector=connector)

    async def ask(self, session: aiohttp.ClientSession, load: Load) -> _Seen:
        """One streamed request; what goes wrong is in its ``failure``."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt(load.prompt_tokens)}],
            "max_tokens": load.output_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._ignores_eos:
            # vLLM and SGLang then always write all of max_tokens; others may refuse the field.
            body["ignore_eos"] = True
        seen = _Seen(time.perf_counter())
        try:
            url = f"{self.base_url}/chat/completions"
            async with session.post(url, json=body, allow_redirects=False) as response:
                if response.status == 400 and self._ignores_eos:
                    self._ignores_eos = False
                    return await self.ask(session, load)
                if response.status != 200:
                    seen.failure = f"{response.status}: {(await response.text())[:200]}"
                    return seen
                async for event in _events(response.content):
                    _hear(seen, event)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            seen.failure = f"{type(error).__name__}: {error}"
        return seen


def _hear(seen: _Seen, event: dict[str, Any]) -> None:
    usage = event.get("usage")
    if isinstance(usage, dict):
        seen.prompt_tokens = usage.get("prompt_tokens")
        seen.output_tokens = usage.get("completion_tokens")
    for choice in event.get("choices") or ():
        delta = choice.get("delta") or {}
        # A token may carry no text yet (half a character); the opening piece with the role carries no token.
        opening = "role" in delta and not any(delta.get(name) for name in _PIECES)
        if not opening and any(name in delta for name in _PIECES):
            seen.texts.append(time.perf_counter())
    if event.get("error"):
        seen.failure = str(event["error"])[:200]


async def _events(stream: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    async for raw in stream:
        line = raw.strip()
        if line.startswith(b"data:") and not line.endswith(b"[DONE]"):
            event = json.loads(line[5:])
            if isinstance(event, dict):
                yield event


def prompt(tokens: int) -> str:
    """So many plain words, with another beginning each time: a cached prefix is not measured.

    A word is about a token; figures carry the server's count.
    """
    words = (_WORDS[(place * 7 + place // 10) % len(_WORDS)] for place in range(tokens))
    return f"{secrets.token_hex(8)}: repeat and go on. {' '.join(words)}"


async def measure(endpoint: Endpoint, load: Load) -> Figures:
    """One load after one unmeasured request. Raises ``DeployError`` when not one request succeeds."""
    async with endpoint.session() as session:
        warm = await endpoint.ask(session, load)
        if warm.failure:
            raise DeployError(f"{endpoint.base_url}: {endpoint.model} does not answer: {warm.failure}")
        began = time.perf_counter()
        ends = began + load.seconds
        seen: list[_Seen] = []

        async def worker() -> None:
            while time.perf_counter() < ends:
                one = await endpoint.ask(session, load)
                seen.append(one)
                if one.failure:
                    await asyncio.sleep(0.2)  # a server that refuses is not hammered

        await asyncio.gather(*(worker() for _ in range(load.concurrency)))
        return figures(load, seen, began, time.perf_counter())


def run(
    endpoint: Endpoint, loads: Sequence[Load], tell: Callable[[Figures], None] = lambda figures: None
) -> list[Figures]:
    """Every load in turn, lightest first; ``tell`` hears of each as it ends."""

    async def all_loads() -> list[Figures]:
        found = []
        for load in sorted(loads, key=lambda load: load.concurrency):
            found.append(await measure(endpoint, load))
            tell(found[-1])
        return found

    return asyncio.run(all_loads())


def figures(load: Load, seen: Sequence[_Seen], began: float, ended: float) -> Figures:
    """The figures of requests that were sent and ended between two times."""
    good = [one for one in seen if not one.failure and one.texts]
    failed = [one for one in seen if one.failure]
    gaps = [
        (one.texts[-1] - one.texts[0]) / (one.output_tokens - 1)
        for one in good
        if one.output_tokens and one.output_tokens >= LEAST_TOKENS and _streamed(one.texts)
    ]
    counted = [one for one in good if one.output_tokens]
    rates = _rates(counted, began, ended) if len(counted) >= LEAST_REQUESTS else []
    tokens = sum(one.output_tokens or 0 for one in counted)
    seconds = ended - began
    return Figures(
        load=load,
        requests=len(seen),
        failed=len(failed),
        seconds=seconds,
        prompt_tokens=_middle([one.prompt_tokens for one in good]),
        output_tokens=_middle([one.output_tokens for one in good]),
        ttft_s=spread([one.texts[0] - one.sent for one in good]),
        itl_s=spread([gap for gap in gaps if gap > 0]),
        throughput_tok_s=tokens / seconds if rates else None,
        throughput_low_tok_s=min(rates) if rates else None,
        throughput_high_tok_s=max(rates) if rates else None,
        first_failure=failed[0].failure if failed else None,
    )


def _streamed(moments: Sequence[float]) -> bool:
    """Whether most pieces came one by one: a busy server sends many at once, which times no token."""
    apart = sum(later - earlier > LUMP_S for earlier, later in pairwise(moments))
    return len(moments) > 1 and apart >= (len(moments) - 1) * LEAST_APART


def _rates(seen: Sequence[_Seen], began: float, ended: float) -> list[float]:
    """Tokens a second in equal parts of the time; a request's tokens fall evenly on its texts."""
    width = (ended - began) / SLICES
    tokens = [0.0] * SLICES
    for one in seen:
        for moment in one.texts:
            place = min(int((moment - began) / width), SLICES - 1)
            tokens[place] += (one.output_tokens or 0) / len(one.texts)
    return [count / width for count in tokens]


def spread(values: Sequence[float]) -> Spread | None:
    """Percentiles by nearest rank; null of fewer than three values."""
    if len(values) < LEAST_REQUESTS:
        return None
    ordered = sorted(values)

    def rank(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Spread(rank(0.1), rank(0.5), rank(0.9))


def _middle(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known)) if known else None
