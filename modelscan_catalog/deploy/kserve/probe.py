"""Asks a served model as a client would: bounded in time and bytes, and not just any host on request."""

import ipaddress
import json
import socket
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from modelscan_catalog.deploy.deployer import Health
from modelscan_catalog.errors import FitInputError

_MOST_BYTES = 256 * 1024
_CLUSTER_SUFFIXES = (".svc", ".svc.cluster.local")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def ping(url: str, *, hosts: Sequence[str] = (), timeout_s: float = 5.0) -> Health:
    """GET ``url`` once, without following redirects; any 2xx is a good answer, the body is not told.

    Only loopback, services of the cluster (``name.namespace.svc``) and ``hosts`` may be asked, at an address
    that suits the name and that was looked up once. Raises ``FitInputError`` for any other.
    """
    target = _target(url)
    status, body, seconds = _ask("GET", target, _pinned(target, hosts), None, timeout_s)
    if status is None or not 200 <= status < 300:
        return _unanswered(url, status, body, seconds)
    return Health(True, f"{url}: answered {status}", seconds)


def try_model(base_url: str, model: str | None, *, timeout_s: float = 30.0) -> Health:
    """Ask ``base_url`` (``/v1`` included) for its models and ``model`` for one token.

    The address is the one that the cluster's own API gave, so any host is asked.
    """
    listed = _target(f"{base_url}/models")
    status, body, seconds = _ask("GET", listed, None, None, timeout_s)
    if status is None or not 200 <= status < 300:
        return _unanswered(f"{base_url}/models", status, body, seconds)
    names = [row.get("id") for row in body.get("data") or [] if isinstance(row, dict)] if body else []
    if model not in names:
        told = ", ".join(map(str, names[:5])) or "nothing"
        return Health(False, f"{base_url}/models lists {told}, not {model}", seconds)
    request = {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    status, body, seconds = _ask("POST", _target(f"{base_url}/chat/completions"), None, request, timeout_s)
    if status is not None and 200 <= status < 300 and body and body.get("choices"):
        return Health(True, f"{model} gave one token", seconds)
    return _unanswered(f"{base_url}/chat/completions", status, body, seconds)


def _unanswered(url: str, status: int | None, body: dict[str, Any] | None, seconds: float) -> Health:
    why = f"answered {status}" if status is not None else str((body or {}).get("error"))
    return Health(False, f"{url}: {why}", seconds)


def _target(url: str) -> SplitResult:
    try:
        target = urlsplit(url)
        _ = target.port
    except ValueError as error:
        raise FitInputError(f"readiness_url: {url[:120]!r} is no URL: {error}", "readiness_url") from error
    if target.scheme not in ("http", "https") or not target.hostname or target.username is not None:
        raise FitInputError(
            f"readiness_url: {url[:120]!r} must be http or https with a host and no user", "readiness_url"
        )
    return target


def _pinned(target: SplitResult, hosts: Sequence[str]) -> str:
    """One address of the target's host that may be asked."""
    host = str(target.hostname).rstrip(".").lower()
    listed = host in hosts
    literal = _address(host)
    loopback = host == "localhost" or (literal is not None and literal.is_loopback)
    inside = host.endswith(_CLUSTER_SUFFIXES)
    if not (listed or loopback or inside):
        raise FitInputError(
            f"readiness_url: {host} is neither loopback nor a service of the cluster; list it in "
            "MODELSCAN_READINESS_HOSTS to allow it",
            "readiness_url",
        )
    try:
        found = socket.getaddrinfo(host, target.port or 0, type=socket.SOCK_STREAM)
    except OSError as error:
        raise FitInputError(f"readiness_url: {host} has no address: {error}", "readiness_url") from error
    for *_, place in found:
        address = _address(str(place[0]))
        if address is None or address.is_multicast or address.is_unspecified:
            continue
        if loopback and address.is_loopback:
            return str(address)
        if inside and address.is_private and not (address.is_loopback or address.is_link_local):
            return str(address)
        if listed and (literal is not None or not address.is_link_local):
            return str(address)
    raise FitInputError(
        f"readiness_url: {host} resolves to an address that no such host has; it is not asked",
        "readiness_url",
    )


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _ask(
    method: str, target: SplitResult, address: str | None, body: dict[str, Any] | None, timeout_s: float
) -> tuple[int | None, dict[str, Any] | None, float]:
    """Status, JSON object (None when the answer is none) and seconds; no status with an ``error`` instead."""
    import httpx

    url, extensions = httpx.URL(target.geturl()), {}
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    if address is not None:
        headers["host"] = url.netloc.decode()
        extensions["sni_hostname"] = url.host
        url = url.copy_with(host=address)
    begun = time.monotonic()
    try:
        with (
            httpx.Client(timeout=timeout_s, trust_env=False, follow_redirects=False) as client,
            client.stream(method, url, headers=headers, json=body, extensions=extensions) as answer,
        ):
            text = b""
            for piece in answer.iter_raw():
                text += piece
                if len(text) > _MOST_BYTES or time.monotonic() - begun > timeout_s:
                    break
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return None, {"error": str(error) or type(error).__name__}, time.monotonic() - begun
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return status, found if isinstance(found, dict) else None, time.monotonic() - begun
