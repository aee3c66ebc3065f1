"""The answer of ``modelscan catalog info`` for a person."""

from collections.abc import Mapping, Sized
from typing import Any

from modelscan_catalog.cli.catalog import WIDE, figure, plain_table, size, tokens
from modelscan_catalog.cli.console import table_console
from modelscan_catalog.registry.details import blended_usd_per_mtok

_MOST_ROWS = 8


def print_details(found: Mapping[str, Any]) -> None:
    """Facts, checkpoints and sellers of ``registry.details.model_details``."""
    console = table_console()
    model = found["model"]
    console.print(f"[bold]{model['name']}[/]  {model['id']}", highlight=False)
    facts = {
        "lab": model["lab"],
        "kind": model.get("category"),
        "status": model.get("status"),
        "open weights": {True: "yes", False: "no"}.get(model.get("open_weights", "unknown")),
        "parameters": _parameters(model.get("parameters", {})),
        "context": tokens(model.get("limits", {}).get("context")),
        "released": model.get("release_date"),
        "licences": ", ".join(model.get("licenses", ())),
        "capabilities": ", ".join(model.get("tags", ())),
        "also known as": _names(model, console.width),
    }
    for name, value in facts.items():
        if value and value != "-":
            console.print(f"  {name:<14} {value}", highlight=False, soft_wrap=False)
    if found["variants"]:
        console.print(_checkpoints(found, console.width))
    if found["offers"]:
        console.print(_offers(found["offers"], console.width))
    counted = [
        f"{len(found[name])} {name.rstrip('s') if len(found[name]) == 1 else name}"
        for name in ("deployments", "plans", "conflicts")
        if found.get(name)
    ]
    if counted:
        console.print(f"also: {', '.join(counted)} (--json shows them)", highlight=False)


def _parameters(parameters: Mapping[str, int]) -> str:
    active = parameters.get("active")
    return size(parameters.get("total")) + (f", {size(active)} active" if active else "")


def _names(model: Mapping[str, Any], width: int) -> str:
    names = list(dict.fromkeys(alias["id"] for alias in model.get("aliases", ())))
    text, shown = "", 0
    for name in names:
        if len(text) + len(name) > width - 28:
            break
        text, shown = f"{text}, {name}" if text else name, shown + 1
    return text + (f" and {len(names) - shown} more" if shown < len(names) else "")


def _checkpoints(found: Mapping[str, Any], width: int) -> Any:
    entries = {entry["id"]: entry for entry in found["checkpoints"]}
    wide = width >= WIDE
    right = ("context", "weights GB", "from GiB", *(("downloads",) if wide else ()))
    rows = []
    for row in sorted(found["variants"], key=lambda row: -(row.get("downloads") or 0))[:_MOST_ROWS]:
        weights = row.get("weights_bytes")
        rows.append(
            (
                row["id"],
                row.get("quantization", {}).get("scheme", "-"),
                tokens(row.get("context")),
                figure(weights / 1e9 if weights else None),
                figure(entries.get(row["id"], {}).get("requirements", {}).get("min_vram_gb")),
                *((f"{row['downloads']:,}" if row.get("downloads") else "-",) if wide else ()),
            )
        )
    title = f"Checkpoints ({_shown(rows, found['variants'])})"
    return plain_table(title, ("checkpoint", "stored", *right), rows, width, right, "checkpoint")


def _offers(offers: list[dict[str, Any]], width: int) -> Any:
    wide = width >= WIDE
    right = ("$ in", "$ out", "context")
    columns = ("seller", *(("its id",) if wide else ()), *right, *(("since",) if wide else ()))
    paid = [offer for offer in offers if blended_usd_per_mtok(offer)]
    free = [offer for offer in offers if blended_usd_per_mtok(offer) == 0]
    rows = [
        (
            offer["provider"],
            *((offer["provider_model"],) if wide else ()),
            figure(offer["price"]["input"]),
            figure(offer["price"]["output"]),
            tokens(offer.get("limits", {}).get("context")),
            *((offer["observed_at"][:10],) if wide else ()),
        )
        for offer in [*paid, *free][:_MOST_ROWS]
    ]
    title = f"Sellers ({_shown(rows, offers)}), USD per Mtok"
    return plain_table(title, columns, rows, width, right, "its id" if wide else "seller")


def _shown(rows: Sized, all_of_them: Sized) -> str:
    return str(len(rows)) if len(rows) == len(all_of_them) else f"{len(rows)} of {len(all_of_them)}"
