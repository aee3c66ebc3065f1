"""Which hosts a key may be sent to: those that a person confirmed for it, whatever a source says of a seller.

Sources name both a seller's address and the variable of its key. Believed together they could have any
variable of this machine sent to any address; so what an address gets was confirmed beforehand, in the
reviewed table ``registry/onboarding/key_hosts.json`` or on this machine (``modelscan keys allow``).
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from modelscan_catalog.errors import OverrideError, SettingsError
from modelscan_catalog.secret_refs import check_reference
from modelscan_catalog.settings import REPOSITORY_ROOT, Settings
from modelscan_catalog.state import open_state, write_event
from modelscan_catalog.state.database import now, transaction

TABLE = "registry/onboarding/key_hosts.json"
_HOST = re.compile(r"^(\$\{[a-z_][a-z0-9_]*\})?[a-z0-9.-]*(\$\{[a-z_][a-z0-9_]*\})?[a-z0-9.-]*(:\d{1,5})?$")
"""Of a netloc in lower case; account variables stand in it as ``${name}``."""
_REFERENCE = re.compile(r"^(env:[A-Za-z0-9_]{1,100}|file:.+)\Z")
"""Names of variables as sources give them; some begin with a digit."""
_LOOPBACK = re.compile(r"^(localhost|127\.0\.0\.1)(:\d{1,5})?$")


@dataclass(frozen=True)
class KeyHosts:
    """Confirmed hosts by reference: ``reviewed`` in the repository, ``own`` on this machine."""

    reviewed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    own: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, reference: str) -> frozenset[str]:
        """Hosts that ``reference`` may be sent to."""
        return self.reviewed.get(reference, frozenset()) | self.own.get(reference, frozenset())

    def knows(self, url: str) -> bool:
        """Whether the host of ``url`` is confirmed for some key."""
        host = host_of(url)
        return any(host in hosts for table in (self.reviewed, self.own) for hosts in table.values())

    def refusal(self, reference: str, url: str, *, named: bool = False) -> str | None:
        """Why the secret at ``reference`` is not sent to ``url``; None when it may be.

        ``named``: a person gave this very key for this seller. A reference of their own naming then only
        needs a host that is confirmed for somebody; one that belongs to another seller is refused all the
        same.
        """
        host = host_of(url)
        if not _REFERENCE.match(reference):  # it would stand in a command that a person copies
            return f"{reference[:60]!r} is not the name of a variable"
        if host is None:
            return f"{_shown(reference)} is not sent to {url[:100]!r}: not a plain https address"
        confirmed = self.of(reference)
        if host in confirmed or (named and not confirmed and self.knows(url)):
            return None
        belongs = f"it is confirmed for {', '.join(sorted(confirmed))} only" if confirmed else "nobody has"
        if not confirmed:
            belongs += " confirmed that"
        return (
            f"{_shown(reference)} is not sent to {host}: {belongs}; if {host} is its seller's too: "
            f"modelscan keys allow {_shown(reference)} '{host}' --apply"
        )


def host_of(url: str) -> str | None:
    """Host, and port unless it is the usual one, in lower case; None for what no key is sent to.

    That is anything but https, or http to this machine; credentials; odd characters. Account variables
    stay as they are written: ``${account}.example.com``. Where a variable is the whole beginning of an
    address, it stands for the host.
    """
    if not url.isprintable() or " " in url:
        return None  # parsers drop line breaks
    whole = re.match(r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}(?=/|$)", url)
    if whole:
        return whole[0].lower()
    try:
        parts = urlsplit(url)
        host = parts.netloc.lower()
    except ValueError:
        return None
    if parts.scheme == "https":
        host = host.removesuffix(":443")
    elif parts.scheme != "http" or not _LOOPBACK.match(host):
        return None
    return host if host and _HOST.match(host) else None


@cache
def reviewed_key_hosts(registry: Path | None = None) -> KeyHosts:
    """The reviewed table below ``registry`` (the repository's own without it).

    Raises ``OverrideError`` naming the file and the entry.
    """
    path = (registry or REPOSITORY_ROOT / "registry").parent / TABLE
    try:
        hosts = json.loads(path.read_text("utf-8"))["hosts"]
        return KeyHosts({f"env:{name}": _checked(path, name, listed) for name, listed in hosts.items()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise OverrideError(f"{path}: {error}") from error


def key_hosts(settings: Settings) -> KeyHosts:
    """The reviewed table, and what was confirmed on this machine."""
    reviewed = reviewed_key_hosts(settings.registry_dir).reviewed
    if not settings.state_file.is_file():
        return KeyHosts(reviewed)
    with open_state(settings.state_file) as connection:
        return KeyHosts(reviewed, confirmed_here(connection))


def confirmed_here(connection: sqlite3.Connection) -> dict[str, frozenset[str]]:
    """Hosts by reference."""
    found: dict[str, set[str]] = {}
    for row in connection.execute("SELECT reference, host FROM key_hosts"):
        found.setdefault(row["reference"], set()).add(row["host"])
    return {reference: frozenset(hosts) for reference, hosts in found.items()}


def confirm(connection: sqlite3.Connection, reference: str, host: str) -> bool:
    """Keep a person's word that ``reference`` may be sent to ``host``; false when it was known.

    Raises ``SettingsError`` for what is no reference or no host.
    """
    reference, host = as_reference(reference), as_host(host)
    with transaction(connection):
        known = connection.execute(
            "INSERT OR IGNORE INTO key_hosts VALUES (?, ?, ?)", (reference, host, now())
        )
        if known.rowcount:
            write_event(connection, "key.host_confirmed", reference, {"host": host})
    return bool(known.rowcount)


def withdraw(connection: sqlite3.Connection, reference: str, host: str) -> bool:
    """Take such a word back; false when nobody had given it here."""
    reference, host = as_reference(reference), as_host(host)
    with transaction(connection):
        gone = connection.execute("DELETE FROM key_hosts WHERE reference = ? AND host = ?", (reference, host))
        if gone.rowcount:
            write_event(connection, "key.host_withdrawn", reference, {"host": host})
    return bool(gone.rowcount)


def as_reference(text: str) -> str:
    """``env:NAME`` for a bare name, else the reference itself; raises ``SettingsError`` unrepeated."""
    try:
        return check_reference(text if ":" in text else f"env:{text}")
    except ValueError as error:
        raise SettingsError(f"key: {error}") from None


def as_host(text: str) -> str:
    """The host that ``text`` names, bare or in an address; raises ``SettingsError``."""
    bare = text.strip().lower()
    scheme = "http" if _LOOPBACK.match(bare) else "https"
    host = host_of(bare if "://" in bare else f"{scheme}://{bare}")
    if host is None:
        raise SettingsError(f"host: {text[:100]!r} is no host that keys are sent to: give api.example.com")
    return host


def _checked(path: Path, name: str, listed: Iterable[str]) -> frozenset[str]:
    for host in listed:
        if as_host(host) != host:
            raise OverrideError(f"{path}: hosts.{name}: {host!r}: write it as {as_host(host)!r}")
    return frozenset(listed)


def _shown(reference: str) -> str:
    return reference.removeprefix("env:")
