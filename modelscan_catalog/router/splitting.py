"""Which arm of a split a request goes to: sticky by session, and never to one that could not take it."""

import hashlib

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.decide import Decision
from modelscan_catalog.router.table import BYTES_PER_TOKEN, Needs, RequestRefusedError, Route, RouteTable


def split_decision(table: RouteTable, name: str, decision: Decision, needs: Needs) -> Decision:
    """``decision`` under the split of the model it leads to first.

    A request that names its seller (``provider/model``) is left alone. The canary's targets come before
    those of the primary, which stand by; the shadow gets copies of what the primary answers. A model that
    another one answers for altogether leads to the split of that one: its successor is tried on all who ask.
    """
    if needs.exact or table.is_seller(name):
        return decision
    decision = _followed(table, decision, needs)
    model = decision.routes[0].model.id
    split = table.splits.get(model)
    if split is None:
        return decision
    if split.canary is not None and _share_of(table, model, needs.session) < split.canary.share:
        canary = _able(table, split.canary.model, needs)[: max(1, table.config.policy.max_attempts // 2)]
        if canary:
            routes = [*canary, *(route for route in decision.routes if route not in canary)]
            reasons = (*decision.reasons, f"canary of {model}")
            return decision._replace(routes=routes, reasons=reasons, split=model, canary=tuple(canary))
    shadow = None
    if split.shadow is not None and table.drawn() < split.shadow.share:
        shadow = next(iter(_able(table, split.shadow.model, needs)), None)
    return decision._replace(split=model, shadow=shadow)


def _followed(table: RouteTable, decision: Decision, needs: Needs) -> Decision:
    """``decision`` as if it had been for the model that answers everything, where that is split itself."""
    model = decision.routes[0].model.id
    seen = {model}
    while (split := table.splits.get(model)) and split.canary and split.canary.share == 1:
        model = table.model_id(split.canary.model)
        if model in seen or model not in table.splits:
            break
        seen.add(model)
        routes = _able(table, model, needs)
        if not routes:
            break
        others = [route for route in decision.routes if route not in routes]
        reasons = (*decision.reasons, f"{model} has taken over")
        decision = decision._replace(routes=[*routes, *others], reasons=reasons)
    return decision


def _share_of(table: RouteTable, model: str, session: str | None) -> float:
    """Between 0 and 1: the same for a session each time, so that a growing share keeps its sessions."""
    if session is None:
        return table.drawn()
    digest = hashlib.blake2b(f"{model}\0{session}".encode("utf-8", "replace"), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def _able(table: RouteTable, name: str, needs: Needs) -> list[Route]:
    """Targets of ``name`` itself that can take the request now."""
    try:
        routes = table.attempts(name, needs, fallbacks=False)
    except (SettingsError, RequestRefusedError):
        return []
    tokens = needs.text_bytes // BYTES_PER_TOKEN
    now = table.state.clock()
    return [
        route
        for route in routes
        if route.health.resting_until <= now and (route.context is None or route.context >= tokens)
    ]
