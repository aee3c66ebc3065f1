"""What the rules left open, filled from a second account; what they know is never replaced."""

from modelscan_catalog.key_hosts import KeyHosts
from modelscan_catalog.onboarding.tables import INTERFACES_FILE, InterfaceTables
from modelscan_catalog.sdk.access import VARIABLE
from modelscan_catalog.sdk.interface import Evidence, ProviderInterface, Standing

NEEDED = ("api_type", "base_url", "auth", "endpoints")
"""What a client cannot do without."""


def open_fields(interface: ProviderInterface) -> tuple[str, ...]:
    """The needed fields without a value; none when something is missing that no text could tell."""
    if any(line.partition(":")[0] not in NEEDED for line in interface.missing):
        return ()
    return tuple(name for name in NEEDED if not getattr(interface, name))


def filled(
    interface: ProviderInterface, other: ProviderInterface, tables: InterfaceTables
) -> ProviderInterface:
    """``interface`` with its open fields from ``other``, each with the evidence that ``other`` has.

    Endpoints, parameters and the way to show a key are taken only from an account of the same format.
    What neither gives and the format does (its usual endpoints) comes from the table.
    """
    opened = set(open_fields(interface))
    kind = interface.api_type or other.api_type
    if other.api_type not in (None, kind):
        opened -= {"endpoints", "auth"}
    taken = {name: getattr(other, name) for name in opened if getattr(other, name)}
    known = {one.name for one in interface.parameters}
    more = tuple(one for one in other.parameters if one.name not in known) if other.api_type == kind else ()
    told = {*taken, *(f"parameters.{one.name}" for one in more)}
    evidence = tuple(
        one for one in other.evidence if one.field in told or one.field.partition(".")[0] in taken
    )
    joined = interface.model_copy(
        update={
            **taken,
            "key_env": interface.key_env or other.key_env,
            "headers": interface.headers or other.headers,
            "parameters": (*interface.parameters, *more),
            "evidence": (*interface.evidence, *evidence),
        }
    )
    return with_missing(_with_format(joined, tables))


def with_missing(interface: ProviderInterface) -> ProviderInterface:
    """``interface`` with ``missing`` saying what is still open, and nothing that has been filled."""
    opened = [name for name in NEEDED if not getattr(interface, name)]
    kept = [
        line
        for line in interface.missing
        if line.partition(":")[0] not in NEEDED or line.partition(":")[0] in opened
    ]
    said = {line.partition(":")[0] for line in kept}
    if not said - set(NEEDED):  # what cannot be used at all needs no list of details
        kept += [
            f"{name}: no rule and no document gives it"
            for name in opened
            if name not in said and not (name in ("auth", "endpoints") and "api_type" in opened)
        ]
    return interface.model_copy(update={"missing": tuple(kept)})


def with_key_hosts(interface: ProviderInterface, allowed: KeyHosts) -> ProviderInterface:
    """``interface`` with those of its variables only that a person confirmed for its address.

    Where none is left and nobody has confirmed the address for any key, ``missing`` says so, and no client
    is made. What is inferred gets no key before a person has confirmed the whole interface: there only
    variables that belong elsewhere are taken away.
    """
    url = interface.base_url
    if url is None:
        return interface
    refusals = {name: allowed.refusal(f"env:{name}", url) for name in interface.key_env}
    kept = tuple(
        name
        for name, refusal in refusals.items()
        if refusal is None or (interface.inferred and not allowed.of(f"env:{name}"))
    )
    held = [allowed.refusal(f"env:{name}", url) for name in VARIABLE.findall(url)]
    if refusals and not kept and not allowed.knows(url):
        held.append(refusals[interface.key_env[0]])
    evidence = tuple(one for one in interface.evidence if kept or one.field != "key_env")
    lines = dict.fromkeys(f"key_host: {line}" for line in held if line is not None)
    changes = {"key_env": kept, "evidence": evidence, "missing": (*interface.missing, *lines)}
    return interface.model_copy(update=changes)


def _with_format(interface: ProviderInterface, tables: InterfaceTables) -> ProviderInterface:
    """The usual endpoints, headers and way to show a key of the interface's format, where they are open."""
    usual = tables.formats.get(str(interface.api_type))
    if usual is None:
        return interface
    standing: Standing = "inferred" if "api_type" in interface.inferred else "derived"
    evidence = list(interface.evidence)

    def note(field: str) -> None:
        rule = f"the {interface.api_type} format has it"
        quote = next((one.quote for one in evidence if one.field == "api_type"), None)
        evidence.append(
            Evidence(
                field=field,
                standing=standing,
                source=INTERFACES_FILE,
                locator=usual.source,
                rule=rule,
                quote=quote,
            )
        )

    changes: dict[str, object] = {"headers": interface.headers or usual.headers}
    if interface.auth is None:
        changes["auth"] = usual.auth
        note("auth")
    if not interface.endpoints:
        changes["endpoints"] = usual.endpoints
        for endpoint in usual.endpoints:
            note(f"endpoints.{endpoint.operation}")
    return interface.model_copy(update={**changes, "evidence": tuple(evidence)})
