"""Named evaluation sets: prompts with a check that a program can make, asked of a model through a router."""

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

import httpx
import jsonschema
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelscan_catalog.errors import FetchError, SettingsError
from modelscan_catalog.router.decide import EXACT_HEADER
from modelscan_catalog.upgrade.chance import share_interval

_FENCE = re.compile(r"^```[a-z]*\n(.*)\n```$", re.DOTALL)
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
REQUEST_TIMEOUT_S = 120.0
ATTEMPTS = 4
LONGEST_WAIT_S = 30.0
"""Longest obeyed Retry-After between two attempts."""
MAX_ANSWER_CHARACTERS = 20_000
"""A longer answer is a wrong one; the checks are for short answers."""


class Check(BaseModel):
    """What a right answer looks like.

    ``matches``: every regular expression is found. ``contains_none``: none of the texts occurs.
    ``json``: the answer is JSON, in a code fence or bare, that fits every JSON Schema.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["matches", "contains_none", "json"]
    values: tuple[Any, ...] = Field(min_length=1)


class EvaluationItem(BaseModel):
    """One question; ``right`` and ``wrong`` are answers that the check must take and must not take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    task: str = Field(default="general", min_length=1)
    messages: tuple[dict[str, str], ...] = Field(min_length=1)
    max_tokens: int = Field(gt=0)
    check: Check
    right: str | None = None
    wrong: str | None = None

    @property
    def prompt_characters(self) -> int:
        """The length of all messages together."""
        return sum(len(message.get("content", "")) for message in self.messages)


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Items under a name; ``sha256`` is of the file, so that scores of another text do not mix."""

    name: str
    sha256: str
    items: tuple[EvaluationItem, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """The share of items answered rightly, and the ids of those that were not."""

    score: float
    items: int
    failed: tuple[str, ...]

    @property
    def interval(self) -> tuple[float, float]:
        """Between which shares the true one lies, with 95 % confidence."""
        return share_interval(self.items - len(self.failed), self.items)


def read_evaluation_set(folder: Path, name: str) -> EvaluationSet:
    """The set ``<name>.jsonl`` of ``folder``; raises ``SettingsError`` with the line to mend."""
    path = folder / f"{name}.jsonl"
    try:
        content = path.read_bytes()
        lines = content.decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the evaluation set cannot be read: {error}") from error
    items = []
    for number, line in enumerate(lines, start=1):
        try:
            item = EvaluationItem.model_validate_json(line)
            for value in item.check.values:
                _check_value(item.check.kind, value)
            _check_answers(item)
        except (ValidationError, ValueError, TypeError, re.error, jsonschema.SchemaError) as error:
            raise SettingsError(f"{path}:{number}: {error}") from error
        items.append(item)
    if not items or len({item.id for item in items}) != len(items):
        raise SettingsError(f"{path}: an evaluation set needs items with ids of their own")
    return EvaluationSet(name, hashlib.sha256(content).hexdigest(), tuple(items))


def is_right(check: Check, answer: str) -> bool:
    """Whether ``answer`` passes ``check``; never raises, whatever the answer is."""
    if not answer or len(answer) > MAX_ANSWER_CHARACTERS:
        return False
    if check.kind == "matches":
        return all(re.search(pattern, answer) for pattern in check.values)
    if check.kind == "contains_none":
        lowered = answer.lower()
        return all(text.lower() not in lowered for text in check.values)
    fenced = _FENCE.match(answer.strip())
    try:
        document = json.loads(fenced.group(1) if fenced else answer)
        return all(jsonschema.Draft202012Validator(schema).is_valid(document) for schema in check.values)
    except (ValueError, RecursionError):
        return False


def evaluate(
    evaluation_set: EvaluationSet,
    base_url: str,
    model: str,
    *,
    key: str | None = None,
    concurrency: int = 4,
) -> Scored:
    """Ask every item of ``model`` at the OpenAI-compatible ``base_url`` (with its ``/v1``) and score it.

    A request that fails is no wrong answer: the whole evaluation raises ``FetchError`` then, and leaves no
    score.
    """
    answers = asyncio.run(_ask_all(evaluation_set.items, base_url, model, key, concurrency))
    failed = tuple(
        item.id
        for item, answer in zip(evaluation_set.items, answers, strict=True)
        if not is_right(item.check, answer)
    )
    total = len(evaluation_set.items)
    return Scored((total - len(failed)) / total, total, failed)


async def _ask_all(
    items: Sequence[EvaluationItem], base_url: str, model: str, key: str | None, concurrency: int
) -> list[str]:
    gate = asyncio.Semaphore(concurrency)
    headers = {EXACT_HEADER: "true"} | ({"Authorization": f"Bearer {key}"} if key else {})
    async with httpx.AsyncClient(
        base_url=base_url.rstrip("/"), headers=headers, timeout=REQUEST_TIMEOUT_S
    ) as client:

        async def ask(item: EvaluationItem) -> str:
            async with gate:
                try:
                    response = await _asked(client, model, item)
                    content = response.json()["choices"][0]["message"]["content"]
                except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
                    raise FetchError(
                        f"evaluation item {item.id} of {model}: {type(error).__name__}: {error}"
                    ) from error
            return content if isinstance(content, str) else ""

        return await asyncio.gather(*(ask(item) for item in items))


async def _asked(client: httpx.AsyncClient, model: str, item: EvaluationItem) -> httpx.Response:
    """The answer to one item; a moment's refusal is asked again, raises ``httpx.HTTPError`` otherwise.

    Models that reason refuse a temperature, and want the bound of the answer under its newer name.
    """
    plain = {"model": model, "messages": list(item.messages)}
    bodies = [plain | {"max_tokens": item.max_tokens, "temperature": 0}]
    for attempt in range(ATTEMPTS):
        response = await client.post("/chat/completions", json=bodies[-1])
        if response.status_code == HTTPStatus.BAD_REQUEST and len(bodies) == 1:
            bodies.append(plain | {"max_completion_tokens": item.max_tokens})
            response = await client.post("/chat/completions", json=bodies[-1])
        if response.status_code not in _BUSY or attempt == ATTEMPTS - 1:
            break
        asked = response.headers.get("retry-after", "")
        await asyncio.sleep(min(float(asked), LONGEST_WAIT_S) if asked.isdecimal() else 0.5 * 2**attempt)
    return response.raise_for_status()


def _check_answers(item: EvaluationItem) -> None:
    if item.right is not None and not is_right(item.check, item.right):
        raise ValueError(f"{item.id}: its check refuses the answer that is said to be right")
    if item.wrong is not None and is_right(item.check, item.wrong):
        raise ValueError(f"{item.id}: its check takes the answer that is said to be wrong")


def _check_value(kind: str, value: Any) -> None:
    if kind == "json":
        jsonschema.Draft202012Validator.check_schema(value)
    elif not isinstance(value, str):
        raise TypeError(f"{kind}: expected a text, got {value!r}")
    elif kind == "matches":
        re.compile(value)
