"""Hand-kept data of the feeds, and exact arithmetic on prices."""

import json
from decimal import Decimal
from functools import cache
from typing import Any

from modelscan_catalog.settings import REPOSITORY_ROOT

_MILLION = Decimal(1_000_000)


@cache
def feed_table(name: str) -> Any:
    """The JSON document ``registry/feeds/<name>``."""
    return json.loads((REPOSITORY_ROOT / "registry" / "feeds" / name).read_text("utf-8"))


def per_token(usd_per_mtok: float) -> Decimal:
    """A price per token, exact: 0.15 USD per million is 1.5E-7."""
    return Decimal(repr(usd_per_mtok)) / _MILLION


def plain(price: Decimal) -> str:
    """A decimal without an exponent and without trailing zeros."""
    text = f"{price:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
