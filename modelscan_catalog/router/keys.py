"""A provider's keys: which one to use next, within its limits; a refused key rests and comes back.

A key is known by the first characters of its SHA-256 and by its own first characters; the secret itself is
held in memory only.
"""

import hashlib
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from modelscan_catalog.router.config import KeyLimits

_MINUTE_S = 60.0
_DAY_S = 86_400.0
_PREFIX_CHARS = 8
_SETTLE_S = 10.0
"""After a limit was lowered, refusals of what had been sent before it say nothing new."""
_FORGET_UNKNOWN_S = 1800.0
"""A 429 that no other followed for this long was an exception."""


def key_id(secret: str) -> str:
    """SHA-256 of a key, in hexadecimal: tells keys apart without giving them away."""
    return hashlib.sha256(secret.encode()).hexdigest()


def key_prefix(secret: str) -> str:
    """The first characters of a key, at most a third of it, for people to recognise it by."""
    return secret[: min(_PREFIX_CHARS, len(secret) // 3)]


@dataclass
class KeyState:
    """What is known of one key; outlives the configurations that name it. Times are monotonic seconds."""

    id: str
    prefix: str
    provider: str
    requests: int = 0
    tokens: int = 0
    failures: int = 0
    resting_until: float = 0.0
    rest_reason: str | None = None
    limited_until: dict[str, float] = field(default_factory=dict)
    """Models that the key was refused for with a rate limit, or that it has no right to; until when."""
    learned: dict[str, "LearnedLimit"] = field(default_factory=dict, repr=False)
    """Models that a provider limited the key for: what it seems to bear."""
    last_used: int = 0
    forgotten_requests: int = 0
    forgotten_tokens: int = 0
    """What no longer counts in ``usage_score``: else a new key would get everything until it caught up."""
    changed: bool = False
    minute: "Window" = field(default_factory=lambda: Window(_MINUTE_S), repr=False)
    day: "Window" = field(default_factory=lambda: Window(_DAY_S, steps=1440), repr=False)

    @property
    def usage_score(self) -> float:
        """Requests plus a thousandth of the tokens: the smaller, the sooner the key is used."""
        return self.requests - self.forgotten_requests + (self.tokens - self.forgotten_tokens) / 1000

    def start_over(self) -> None:
        """Count ``usage_score`` from here on."""
        self.forgotten_requests, self.forgotten_tokens = self.requests, self.tokens


class Window:
    """Requests and tokens of the last ``span_s`` seconds, to one part in ``steps``."""

    def __init__(self, span_s: float, steps: int = 60) -> None:
        self._span_s = span_s
        self._step_s = span_s / steps
        self._parts: deque[list[float]] = deque()
        self._newest: list[float] = [-math.inf, 0, 0]
        self.requests = 0
        self.tokens = 0

    def add(self, now: float, requests: int, tokens: int) -> None:
        """Count what happened at ``now``."""
        newest = self._newest
        if now - newest[0] >= self._step_s:
            self.forget(now)
            self._newest = newest = [now, 0, 0]
            self._parts.append(newest)
        newest[1] += requests
        newest[2] += tokens
        self.requests += requests
        self.tokens += tokens

    def forget(self, now: float) -> None:
        """Drop what has left the window."""
        while self._parts and self._parts[0][0] <= now - self._span_s:
            _, requests, tokens = self._parts.popleft()
            self.requests -= int(requests)
            self.tokens -= int(tokens)

    def frees_at(self) -> float:
        """When the oldest part leaves the window; 0 when it is empty."""
        return self._parts[0][0] + self._span_s if self._parts else 0.0


class LearnedLimit:
    """Requests a minute that a key seems to bear for one model, found out from 429s.

    Additive increase, multiplicative decrease (Chiu and Jain, 1989): a 429 halves the rate it was met at;
    each minute without one gives a twentieth of that rate back, until twice the rate is allowed: then
    nothing is known any more. The first 429 only starts the counting, as nobody counts before it.
    """

    def __init__(self, now: float) -> None:
        self.window = Window(_MINUTE_S)
        self._refused_at = math.inf
        self._allowed = math.inf
        self._since = now

    def refused(self, now: float) -> None:
        """The provider answered 429."""
        self.window.forget(now)
        counted_s = now - self._since
        if self.window.requests and counted_s >= (_MINUTE_S if self._allowed == math.inf else _SETTLE_S):
            self._refused_at = min(float(self.window.requests), self.allowed(now))
            self._allowed = max(1.0, self._refused_at / 2)
            self._since = now

    def allowed(self, now: float) -> float:
        """Requests a minute; infinite while nothing is known."""
        gained = self._refused_at / 20 * (now - self._since) / _MINUTE_S
        return self._allowed + gained if self._allowed < math.inf else math.inf

    def is_over(self, now: float) -> bool:
        """Whether nothing is limited any more."""
        if self._allowed == math.inf:
            return now - self._since > _FORGET_UNKNOWN_S
        return self.allowed(now) >= 2 * self._refused_at

    def free_at(self, now: float) -> float:
        """When a request fits in; 0 when it does now."""
        if self.window.requests < self.allowed(now):
            return 0.0
        self.window.forget(now)
        return self.window.frees_at() if self.window.requests >= self.allowed(now) else 0.0


@dataclass(frozen=True)
class Key:
    """One key ready for use."""

    secret: str = field(repr=False)
    state: KeyState


class KeyRing:
    """The keys of one provider under one configuration."""

    def __init__(
        self,
        keys: Sequence[Key],
        selection: str,
        limits: KeyLimits,
        clock: Callable[[], float],
    ) -> None:
        self._keys = tuple(keys)
        self._round_robin = selection == "round_robin"
        self._requests_per_minute = limits.requests_per_minute or math.inf
        self._tokens_per_minute = limits.tokens_per_minute or math.inf
        self._requests_per_day = limits.requests_per_day or math.inf
        self._limited = limits != KeyLimits()
        self._clock = clock
        self._turn = 0

    def __len__(self) -> int:
        return len(self._keys)

    def select(self, model: str, without: Sequence[Key] = ()) -> Key | None:
        """The key to use for ``model`` now, or null while every one rests or is at its limit.

        ``least_used`` takes the lowest ``usage_score``, among equals the one used longest ago;
        ``round_robin`` takes them in turn.
        """
        keys = self._keys
        if len(keys) == 1 and not self._limited:
            only = keys[0]
            state = only.state
            if only in without:
                return None
            known = state.resting_until or state.limited_until or state.learned
            if known and self._free_at(state, model, self._clock()):
                return None
            return self._taken(only, model, 0.0)
        now = self._clock()
        free = [key for key in keys if not self._free_at(key.state, model, now)]
        if without:
            free = [key for key in free if key not in without]
        if not free:
            return None
        if self._round_robin:
            return self._taken(free[self._turn % len(free)], model, now)
        chosen, least = free[0], free[0].state.usage_score
        for key in free[1:]:
            score = key.state.usage_score
            if score < least or (score == least and key.state.last_used < chosen.state.last_used):
                chosen, least = key, score
        return self._taken(chosen, model, now)

    def free_in_s(self, model: str) -> float:
        """Seconds until a key may be used for ``model``; 0 when one may be now."""
        now = self._clock()
        times = [self._free_at(key.state, model, now) for key in self._keys]
        return max(0.0, min(times, default=now) - now)

    def refused_all(self) -> str | None:
        """Why all keys rest, where the provider refuses each of them; null while one only waits its turn."""
        now = self._clock()
        if any(key.state.resting_until <= now for key in self._keys):
            return None
        reasons = sorted({key.state.rest_reason or "it was refused" for key in self._keys})
        return f"all its keys rest: {'; '.join(reasons)}"

    def count_tokens(self, state: KeyState, tokens: int) -> None:
        """Add what an answer cost to its key."""
        state.tokens += tokens
        state.changed = True
        if self._limited:
            state.minute.add(self._clock(), 0, tokens)

    def rest(self, state: KeyState, seconds: float, reason: str) -> None:
        """Leave a key out for ``seconds``; it comes back by itself."""
        state.failures += 1
        state.resting_until = self._clock() + seconds
        state.rest_reason = reason
        state.changed = True

    def limit(self, state: KeyState, model: str, seconds: float) -> None:
        """Leave a key out for one model for ``seconds``: providers limit keys model by model."""
        state.limited_until[model] = self._clock() + seconds

    def refused(self, state: KeyState, model: str, seconds: float) -> None:
        """The provider limits the key for ``model``: leave it out, and send less afterwards."""
        state.failures += 1
        self.limit(state, model, seconds)
        now = self._clock()
        learned = state.learned.get(model)
        if learned is None:
            learned = state.learned[model] = LearnedLimit(now)
        learned.refused(now)

    def _taken(self, key: Key, model: str, now: float) -> Key:
        self._turn += 1
        state = key.state
        state.requests += 1
        state.last_used = self._turn
        state.changed = True
        if self._limited:
            state.minute.add(now, 1, 0)
            state.day.add(now, 1, 0)
        if state.learned and model in state.learned:
            state.learned[model].window.add(now or self._clock(), 1, 0)
        return key

    def _free_at(self, state: KeyState, model: str, now: float) -> float:
        """When the key may be used for ``model``; 0 when it may be now."""
        if state.resting_until > now:
            return state.resting_until
        if state.resting_until:
            state.resting_until, state.rest_reason, state.changed = 0.0, None, True
        at = 0.0
        if state.limited_until:
            state.limited_until = {name: until for name, until in state.limited_until.items() if until > now}
            at = state.limited_until.get(model, 0.0)
        if state.learned and (learned := state.learned.get(model)) is not None:
            if learned.is_over(now):
                del state.learned[model]
            else:
                at = max(at, learned.free_at(now))
        if not self._limited:
            return at
        # A window that was not looked at for a while counts too much, never too little.
        minute, day = state.minute, state.day
        if self._is_full(minute):
            minute.forget(now)
            if self._is_full(minute):
                at = max(at, minute.frees_at())
        if day.requests >= self._requests_per_day:
            day.forget(now)
            if day.requests >= self._requests_per_day:
                at = max(at, day.frees_at())
        return at

    def _is_full(self, minute: Window) -> bool:
        return minute.requests >= self._requests_per_minute or minute.tokens >= self._tokens_per_minute
