"""What was found outside the catalogue: ``candidates.json``."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from modelscan_catalog.errors import RecordError
from modelscan_catalog.records.base import Record
from modelscan_catalog.store import write_json

MISSING_OF_OFFER = ("context", "modalities", "price")
MISSING_OF_WEIGHTS = ("architecture", "parameters", "license")


class Sight(Record):
    """Where and when something was seen."""

    url: str
    first_seen: str = Field(description="UTC, ISO 8601")
    last_seen: str = Field(description="UTC, ISO 8601")


class Candidate(Record):
    """Something that could enter the catalogue, with what is known of it and what is not.

    ``model`` is the catalogue's model that the id belongs to; null when no rule links it to one.
    """

    source: str = Field(description="provider:<id>, ollama or huggingface")
    id: str = Field(description="in the source's own spelling")
    kind: Literal["offer", "weights", "local"]
    model: str | None = None
    known: dict[str, Any] = Field(default_factory=dict)
    missing: tuple[str, ...] = ()
    sight: Sight


class Withdrawn(Record):
    """An offer of the catalogue that its seller no longer lists."""

    provider: str
    id: str
    sight: Sight


class Looked(Record):
    """One place that was asked, and why it gave nothing when it did not."""

    source: str
    url: str | None = None
    listed: int = Field(default=0, ge=0)
    problem: str | None = None


class Candidates(Record):
    """The whole of ``candidates.json``."""

    looked_at: str = Field(description="UTC, ISO 8601")
    looked: tuple[Looked, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()


def read_candidates(path: Path) -> Candidates | None:
    """What was found last time; None before the first time. Raises ``RecordError`` for a damaged file."""
    try:
        return Candidates.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise RecordError(
            f"{path}: not a list of candidates: {where}: {first['msg']}; remove it and look again"
        ) from error
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error


def write_candidates(path: Path, found: Candidates) -> None:
    """Replace ``candidates.json`` in one step."""
    write_json(path, found.model_dump(mode="json", exclude_none=True))
