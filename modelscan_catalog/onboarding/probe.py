"""One harmless request without a key: does an inferred address answer as the interface says?"""

import httpx

from modelscan_catalog.onboarding.hosts import NotPublicError, PublicTransport
from modelscan_catalog.records import Record
from modelscan_catalog.sdk.access import VARIABLE
from modelscan_catalog.sdk.interface import ProviderInterface

_TIMEOUT_S = 5.0
_ANSWERS_OF_AN_ENDPOINT = frozenset({400, 401, 402, 403, 415, 422, 429})
"""What an endpoint says to an empty request without a key; 404 and 405 say that it is elsewhere."""


class Probe(Record):
    """Whether the endpoint is there; null while nobody could ask."""

    answers: bool | None
    detail: str


def probe(interface: ProviderInterface, *, live: bool, allow_loopback: bool = False) -> Probe:
    """Post an empty object to the first endpoint, without a key. Only public hosts are asked.

    ``allow_loopback`` is for servers that a test started itself.
    """
    base_url = interface.base_url or ""
    if not live:
        return Probe(answers=None, detail="not asked: offline")
    if VARIABLE.search(base_url):
        return Probe(answers=None, detail="not asked: the address depends on account variables")
    endpoint = next((one for one in interface.endpoints if one.method == "POST"), None)
    if endpoint is None:
        return Probe(answers=None, detail="not asked: no endpoint takes a request")
    url = base_url.rstrip("/") + endpoint.path.replace("{model}", "probe")
    try:
        transport = PublicTransport(allow_loopback=allow_loopback)
        with httpx.Client(transport=transport, timeout=_TIMEOUT_S, follow_redirects=False) as client:
            answer = client.post(url, json={})
    except NotPublicError as error:
        return Probe(answers=False if error.resolved else None, detail=f"not asked: {error}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Probe(answers=None, detail=f"no answer: {type(error).__name__}")
    known = answer.status_code in _ANSWERS_OF_AN_ENDPOINT
    return Probe(answers=known, detail=f"POST {endpoint.path} without a key: HTTP {answer.status_code}")
