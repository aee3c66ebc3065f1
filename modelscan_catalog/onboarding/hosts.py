"""Whether an address belongs to a provider, and whether it may be asked at all."""

import ipaddress
import json
import re
import socket
from collections.abc import Iterable
from functools import cache
from urllib.parse import urlsplit

import httpx

from modelscan_catalog.onboarding.tables import ONBOARDING_DATA


@cache
def _shared() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    table = json.loads((ONBOARDING_DATA / "shared_hosts.json").read_text("utf-8"))
    return frozenset(table["hosts"]), frozenset(table["suffixes"]), frozenset(table["labels"])


def own_domains(urls: Iterable[str | None]) -> frozenset[str]:
    """The domains that a provider is known to own by its documented addresses.

    A host under which many owners publish says nothing; no public suffix is ever the answer.
    """
    hosts, suffixes, labels = _shared()
    found = set()
    for url in urls:
        host = (urlsplit(url or "").hostname or "").rstrip(".").lower()
        parts = host.split(".")
        while len(parts) > 2 and parts[0] in labels and ".".join(parts[1:]) not in hosts | suffixes:
            parts = parts[1:]
        domain = ".".join(parts)
        is_shared = any(domain == shared or domain.endswith(f".{shared}") for shared in hosts)
        if len(parts) >= 2 and not is_shared and domain not in suffixes and not _is_address(domain):
            found.add(domain)
    return frozenset(found)


def belongs(url: str, domains: Iterable[str]) -> bool:
    """Whether ``url`` is https at one of ``domains`` or below it, with no credentials and no odd port."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").lower()
    try:
        odd = parts.port not in (None, 443) or parts.username is not None or parts.password is not None
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and re.fullmatch(r"[a-z0-9.-]+", host) is not None
        and not odd
        and any(host == domain or host.endswith(f".{domain}") for domain in domains)
    )


def public_addresses(host: str) -> tuple[str, ...] | None:
    """The addresses of ``host``; none unless every one is public, None when its name is not resolved."""
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return None
    return tuple(found) if all(ipaddress.ip_address(one).is_global for one in found) else ()


class PublicTransport(httpx.HTTPTransport):
    """Connects to public hosts only, at the very address that was found to be public.

    A name that resolves to another address when asked again leads nowhere else. ``allow_loopback`` is for
    servers that a test started itself. Variables that name a proxy are not followed: it would resolve.
    """

    def __init__(self, *, allow_loopback: bool = False) -> None:
        super().__init__()
        self._allow_loopback = allow_loopback

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request``; raises ``NotPublicError`` before anything is sent."""
        host = request.url.host
        if self._allow_loopback and host in ("127.0.0.1", "localhost"):
            return super().handle_request(request)
        found = public_addresses(host)
        if not found:
            raise NotPublicError(host, resolved=found is not None)
        request.url = request.url.copy_with(host=found[0])
        request.extensions = {**request.extensions, "sni_hostname": host}  # the certificate is the name's
        return super().handle_request(request)


class NotPublicError(httpx.TransportError):
    """``resolved`` is false when the host's name leads nowhere at all."""

    def __init__(self, host: str, *, resolved: bool) -> None:
        super().__init__(f"{host} has no public address" if resolved else f"{host} is not resolved")
        self.resolved = resolved


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
