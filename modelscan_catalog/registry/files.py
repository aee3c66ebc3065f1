"""Where the published registry lies and its files as JSON; a missing or damaged one is named with the fix."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import PublishError

_REPOSITORY = Path(__file__).resolve().parents[2]
VIEW = "models_registry.json"
Row = dict[str, Any]


class RegistryNotFoundError(PublishError, FileNotFoundError):
    """There is no published registry at that place."""


def published_dir() -> Path:
    """Directory of the published registry: ``MODELSCAN_OUT_DIR``, else ``published`` below the registry."""
    if out := os.environ.get("MODELSCAN_OUT_DIR"):
        return Path(out)
    return Path(os.environ.get("MODELSCAN_REGISTRY_DIR") or _REPOSITORY / "registry") / "published"


@dataclass
class RegistryFiles:
    """The files below ``root``, each parsed at most once.

    Raises ``RegistryNotFoundError`` when there is no registry, ``PublishError`` naming the file and line of
    one that is missing or damaged.
    """

    root: Path
    _parsed: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of_rows(cls, documents: Mapping[str, Any]) -> RegistryFiles:
        """Files that are not published yet, by name; ``offers`` holds those of all sellers."""
        return cls(Path("(not published)"), dict(documents))

    def document(self, name: str) -> Row:
        """One JSON object."""
        if name not in self._parsed:
            content = self._read(name)
            try:
                value = json.loads(content)
                if not isinstance(value, dict):
                    raise ValueError("it is no JSON object")
            except ValueError as error:
                raise self._damaged(name, error) from error
            self._parsed[name] = value
        found: Row = self._parsed[name]
        return found

    def rows(self, name: str) -> list[Row]:
        """The rows of a JSON Lines file."""
        if name not in self._parsed:
            self._parsed[name] = list(self._lines(name))
        found: list[Row] = self._parsed[name]
        return found

    def offers(self) -> list[Row]:
        """The offers of all sellers."""
        if "offers" not in self._parsed:
            folder = self.root / "offers"
            if not folder.is_dir():
                raise self._missing("offers", "is no directory")
            names = sorted(path.name for path in folder.glob("*.jsonl"))
            self._parsed["offers"] = [row for name in names for row in self._lines(f"offers/{name}")]
        found: list[Row] = self._parsed["offers"]
        return found

    def _lines(self, name: str) -> Iterator[Row]:
        for number, line in enumerate(self._read(name).splitlines(), 1):
            if not line:
                continue
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("it is no JSON object")
            except ValueError as error:
                raise self._damaged(f"{name}:{number}", error) from error
            yield row

    def _read(self, name: str) -> bytes:
        path = self.root / name
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            if not (self.root / "index.json").exists():
                raise RegistryNotFoundError(
                    f"Registry not found: {path}; run `modelscan build` to publish one, or name another "
                    "place with --registry or MODELSCAN_OUT_DIR"
                ) from error
            raise self._missing(name, "is missing") from error
        except OSError as error:
            raise self._missing(name, f"cannot be read ({error.strerror})") from error

    def _missing(self, name: str, why: str) -> PublishError:
        return PublishError(f"{self.root / name}: {why}; run `modelscan build` to publish the registry anew")

    def _damaged(self, name: str, error: ValueError) -> PublishError:
        why = str(error)[:120]
        return PublishError(f"{self.root / name}: damaged ({why}); publish anew with `modelscan build`")
