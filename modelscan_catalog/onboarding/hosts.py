"""Whether an address belongs to a provider, and whether it may be asked at all."""

import ipaddress
import json
import re
import socket
from collections.abc import Iterable
from functools import cache
from urllib.parse import urlsplit

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


def is_public(host: str) -> bool | None:
    """Whether every address of ``host`` is one of the public internet; None when its name is not resolved."""
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return None
    return bool(found) and all(ipaddress.ip_address(str(entry[4][0])).is_global for entry in found)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
