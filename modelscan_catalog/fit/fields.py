"""Reading numbers out of a model's config.json: every complaint names the field and what it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelscan_catalog.errors import FitInputError

LARGEST = 1 << 40
"""No dimension, count or context of a real model comes near; larger ones are typing errors."""
DEEPEST = 40
LARGEST_LIST = 20_000


class Fields:
    """A mapping of a config with its path, so that an error can say `text_config.hidden_size`."""

    __slots__ = ("path", "values")

    def __init__(self, values: Mapping[str, Any], path: str = "config") -> None:
        self.values = values
        self.path = path

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def wrong(self, name: str, expected: str) -> FitInputError:
        """The error for a field of the wrong kind."""
        shown = repr(self.values.get(name))
        return FitInputError(
            f"{self.path}.{name} is {shown[:60]}; it must be {expected}", field=f"{self.path}.{name}"
        )

    def integer(self, *names: str, default: int | None = None, least: int = 0) -> int:
        """The first of `names` that is given, as a whole number in [least, 2**40]."""
        for name in names:
            value = self.values.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
                raise self.wrong(name, "a whole number")
            if not least <= value <= LARGEST or int(value) != value:
                raise self.wrong(name, f"a whole number from {least} to 2**40")
            return int(value)
        if default is None:
            raise FitInputError(
                f"{self.path}.{names[0]} is missing; the architecture needs it",
                field=f"{self.path}.{names[0]}",
            )
        return default

    def number(self, name: str, default: float) -> float:
        """A finite number, or `default` when the field is absent."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
            raise self.wrong(name, "a number")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """A boolean (or 0/1), or `default` when the field is absent."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or value in (0, 1):
            return bool(value)
        raise self.wrong(name, "true or false")

    def text(self, name: str, default: str = "") -> str:
        """A string, or `default` when the field is absent."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.wrong(name, "a string")
        return value

    def sequence(self, name: str) -> Sequence[Any]:
        """A list (empty when absent)."""
        value = self.values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            raise self.wrong(name, "a list")
        if len(value) > LARGEST_LIST:
            raise FitInputError(
                f"{self.path}.{name} has {len(value)} entries; no model has that many",
                field=f"{self.path}.{name}",
            )
        return value

    def integers(self, name: str) -> Sequence[int]:
        """A list of whole numbers from 0 on (empty when absent)."""
        values = self.sequence(name)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LARGEST:
                raise self.wrong(name, "a list of whole numbers")
        return values

    def mapping(self, name: str) -> Fields | None:
        """A nested object, or None when absent."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.wrong(name, "an object")
        return Fields(value, f"{self.path}.{name}")


def check_depth(value: Any, path: str = "config") -> None:
    """Refuse a document nested deeper than any real config, naming where it went too deep.

    Raises FitInputError. Works with a stack of its own, so that no input can exhaust Python's.
    """
    stack: list[tuple[Any, str, int]] = [(value, path, 0)]
    while stack:
        node, where, depth = stack.pop()
        if depth > DEEPEST:
            raise FitInputError(
                f"{where[:80]} is nested more than {DEEPEST} deep; this is not a model's config",
                field=where[:80],
            )
        if isinstance(node, Mapping):
            stack.extend((child, f"{where}.{key}", depth + 1) for key, child in node.items())
        elif isinstance(node, list | tuple):
            stack.extend(
                (child, where, depth + 1) for child in node if isinstance(child, Mapping | list | tuple)
            )
