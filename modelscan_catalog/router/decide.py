"""Which model and targets a request goes to, and why."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from multidict import istr

from modelscan_catalog.errors import SettingsError, UnknownIdError
from modelscan_catalog.router.answers import RouterError
from modelscan_catalog.router.classify import Classification, asked_modalities, asked_text, lexicon
from modelscan_catalog.router.config import CLASSES, QueryClass, RouterModel
from modelscan_catalog.router.table import Needs, RequestRefusedError, Route, RouteTable, estimated_cost_usd
from modelscan_catalog.router.usage_schema import CANARY, PRIMARY

AUTO = "auto"
"""Asked for as a model: the router chooses by class. ``auto:technical`` names the class."""
REFINER = "auto:refine"
"""Asked for as a model: one of the refiners, within the refinement budget."""
EXACT_HEADER = istr("X-ModelScan-Exact")
"""Sent by who evaluates a model: an answer of its successor or fallback would be scored as its own."""
_AUTO_CLASS = f"{AUTO}:"
_MAX_COST_HEADER, _SESSION_HEADER = istr("X-ModelScan-Max-Cost"), istr("X-Session-Id")
"""Names that are looked up without being put in lower case each time."""
_DEFAULT_OUTPUT_TOKENS = 512
"""Output that a cost is estimated for when the request sets no bound."""


class Decision(NamedTuple):
    """Where a request goes, in order, and what spoke for it."""

    routes: Sequence[Route]
    query_class: QueryClass
    reasons: tuple[str, ...]
    deadline_s: float | None
    is_refinement: bool = False
    split: str = ""
    """The model whose split the request falls under; empty without one."""
    canary: tuple[Route, ...] = ()
    """Of ``routes`` those of the split's canary: the first ones."""
    shadow: Route | None = None
    """Where a copy of the request goes."""


def needs_of(document: Mapping[str, Any], size: int, headers: Mapping[str, str], *, chat: bool) -> Needs:
    """What a request asks of a model; raises ``RouterError`` for a bound that is no number."""
    messages = document.get("messages")
    modalities = asked_modalities(messages) if isinstance(messages, list) else frozenset()
    limit = document.get("max_completion_tokens") or document.get("max_tokens")
    max_cost = headers.get(_MAX_COST_HEADER)
    return Needs(
        modalities,
        _text_bytes(messages) if modalities and isinstance(messages, list) else size,
        limit if isinstance(limit, int) and limit > 0 else _DEFAULT_OUTPUT_TOKENS,
        None if max_cost is None else _max_cost(max_cost),
        headers.get(_SESSION_HEADER),
        openai_only=not chat,
        exact=EXACT_HEADER in headers,
    )


def classify(document: Mapping[str, Any], modalities: frozenset[str] = frozenset()) -> Classification:
    """The class of a request from its last user message, its prompt or its input."""
    messages = document.get("messages")
    if isinstance(messages, list):
        return lexicon().classify(asked_text(messages), modalities)
    text = document.get("query") or document.get("prompt") or document.get("input")
    return lexicon().classify(text if isinstance(text, str) else "", modalities)


def decide(table: RouteTable, name: str, needs: Needs, found: Classification) -> Decision:
    """The targets for a request that asks for ``name``.

    Raises ``RouterError`` for an unknown name (404), a request that no target can take (400) and a model
    without a callable provider (503).
    """
    policy = table.config.policy
    try:
        if name == REFINER:
            chain = _refiners(table, needs)
            routes = table.chain_attempts(chain, needs, name)
            budget_s = policy.refinement.budget_s
            return Decision(routes, found.query_class, ("a refiner",), budget_s, is_refinement=True)
        if name == AUTO or name.startswith(_AUTO_CLASS):
            return _by_class(table, name, needs, found)
        routes = table.attempts(name, needs, fallbacks=not needs.exact)
        reasons = found.reasons
        if name in table.successors:
            reasons = (*reasons, f"{name} is gone: {table.successors[name]} had taken over")
        return Decision(routes, found.query_class, reasons, None)
    except UnknownIdError as error:
        raise RouterError(404, "model_not_found", str(error)) from error
    except RequestRefusedError as error:
        raise RouterError(400, error.code, str(error)) from error
    except SettingsError as error:
        raise RouterError(503, "no_usable_target", str(error), "server_error") from error


def described(table: RouteTable, decision: Decision, needs: Needs, decided_s: float) -> dict[str, Any]:
    """A decision for people and programs; null where nobody has measured or priced."""
    first = decision.routes[0]
    cost = estimated_cost_usd(first, needs)
    seen = first.health.first_byte_s
    budget_s = decision.deadline_s
    unmet = decision.is_refinement and seen is not None and budget_s is not None and seen > budget_s
    return {
        "model": first.model.id,
        "target": first.name,
        "fallbacks": [route.name for route in decision.routes[1:]],
        "class": decision.query_class,
        "classifier_version": lexicon().version,
        "reasons": list(decision.reasons),
        "estimated_cost_usd": None if cost is None else round(cost, 9),
        "estimated_first_byte_ms": None if seen is None else round(seen * 1e3, 1),
        "deadline_s": budget_s,
        "split": decision.split or None,
        "arm": CANARY if decision.canary else PRIMARY,
        "decided_in_ms": round(decided_s * 1e3, 3),
        **(
            {"bypass": unmet, "max_tokens": table.config.policy.refinement.max_tokens}
            if decision.is_refinement
            else {}
        ),
    }


def refinement(table: RouteTable, needs: Needs, kind: str, found: Classification) -> Decision:
    """Refiners for ``kind``: ``fast`` by seen latency, ``quality`` by quality, ``lmm`` reading images."""
    if kind == "lmm":
        needs = Needs(needs.modalities | {"image"}, needs.text_bytes, needs.max_output_tokens)
    decision = decide(table, REFINER, needs, found)
    routes = list(decision.routes)
    if kind == "fast":
        routes.sort(key=lambda route: (route.health.first_byte_s is None, route.health.first_byte_s or 0.0))
    elif kind == "quality":
        routes.sort(key=lambda route: -(route.model.quality or 0.0))
    return Decision(
        routes, decision.query_class, (f"{kind} refinement",), decision.deadline_s, is_refinement=True
    )


def _by_class(table: RouteTable, name: str, needs: Needs, found: Classification) -> Decision:
    query_class, reasons = found.query_class, found.reasons
    if name != AUTO:
        asked = name.removeprefix(_AUTO_CLASS)
        if asked not in CLASSES:
            raise UnknownIdError(f"no class is called {asked!r}; there are: {', '.join(CLASSES)}")
        query_class, reasons = asked, ("the request names the class",)
    chain = _able(table.class_chain(query_class), needs)
    if not chain:
        raise RequestRefusedError(
            "no_model_for_class", f"no configured model can take a {query_class} request"
        )
    usable = chain[: table.config.policy.max_attempts]
    routes = table.chain_attempts(usable, needs, name)
    return Decision(routes, query_class, reasons, table.config.policy.classes[query_class].deadline_s)


def _refiners(table: RouteTable, needs: Needs) -> tuple[RouterModel, ...]:
    chain = _able(table.refiner_chain(), needs)
    if not chain:
        raise RequestRefusedError("no_refiner", "no configured refiner can take this request: pass it over")
    return chain


def _able(models: Sequence[RouterModel], needs: Needs) -> tuple[RouterModel, ...]:
    return tuple(m for m in models if not m.input or needs.modalities <= {*m.input})


def _text_bytes(messages: Sequence[Any]) -> int:
    """Length of the text in messages with attachments, whose own length says nothing of their tokens."""
    return sum(
        len(asked_text([message | {"role": "user"}])) for message in messages if isinstance(message, dict)
    )


def _max_cost(given: str) -> float:
    try:
        cost = float(given)
    except ValueError:
        cost = -1.0
    if not 0 <= cost < float("inf"):
        raise RouterError(400, "invalid_request", "X-ModelScan-Max-Cost must be a number of USD")
    return cost
