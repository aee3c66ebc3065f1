"""Splits: which share of a model's requests another model answers (canary) or only sees (shadow).

Whoever tries a successor out writes ``splits.json`` with ``write_splits``; a running router reads it again
by itself. What came of it is in ``arms.arm_figures``.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.overlay_files import locked, read_overlay, told, write_overlay
from modelscan_catalog.router.parts import Part

SPLITS_FILE = "splits.json"
MAX_SHADOW_SHARE = 0.05
"""Mirrored requests are paid for and answer nobody: a few in a hundred tell enough."""


class Canary(Part):
    """The model that answers ``share`` of the sessions instead; falls back to the primary when it fails."""

    model: str = Field(min_length=1, description="model id, or provider/model for one seller of it")
    share: float = Field(gt=0, le=1, description="of sessions; a larger share keeps those of a smaller one")


class Shadow(Part):
    """The model that is sent a copy of ``share`` of the requests; nobody waits for its answers."""

    model: str = Field(min_length=1, description="model id, or provider/model for one seller of it")
    share: float = Field(gt=0, le=MAX_SHADOW_SHARE, description="of requests")


class Split(Part):
    """What happens to requests that lead to one model; both null: nothing, whatever router.json says."""

    canary: Canary | None = None
    shadow: Shadow | None = None


class SplitsFile(Part):
    """The whole of ``splits.json``: splits by the id of the model that is split."""

    schema_version: str = Field(default="1.0.0", pattern=r"^1\.\d+\.\d+$")
    splits: dict[str, Split] = Field(default_factory=dict)


def write_splits(path: Path, splits: Mapping[str, Split]) -> None:
    """Replace the splits in ``path`` in one step; routers that watch its folder take them up within 1 s.

    ``path`` is ``splits.json`` in the folder that routers watch, or that folder. A model that ``splits``
    leaves out has the split of ``router.json``, if any. Raises ``SettingsError`` when it cannot be written.
    """
    file = splits_path(path)
    with locked(file):
        write_overlay(file, SplitsFile(splits=dict(splits)))


def set_splits(path: Path, changes: Mapping[str, Split | None]) -> None:
    """Change the splits of the models named, null to forget one; those of others stay as they are.

    Raises ``SettingsError`` when the file is damaged or cannot be written.
    """
    file = splits_path(path)
    with locked(file):
        kept = {name: one for name, one in read_splits(file).items() if name not in changes}
        given = {name: one for name, one in changes.items() if one is not None}
        write_overlay(file, SplitsFile(splits=kept | given))


def read_splits(path: Path) -> dict[str, Split]:
    """The splits in ``path``, none while there is no file; raises ``SettingsError`` for a damaged one."""
    return dict(read_overlay(splits_path(path), SplitsFile).splits)


def split_of(canary: tuple[str, float] | None = None, shadow: tuple[str, float] | None = None) -> Split:
    """A split from (model, share) pairs; raises ``SettingsError`` with the field that cannot be used."""
    try:
        return Split(
            canary=None if canary is None else Canary(model=canary[0], share=canary[1]),
            shadow=None if shadow is None else Shadow(model=shadow[0], share=shadow[1]),
        )
    except ValidationError as error:
        raise SettingsError(f"split: {told(error)}") from None


def splits_path(path: Path) -> Path:
    """``splits.json`` in the folder ``path``, or ``path`` itself when it is no folder."""
    return path / SPLITS_FILE if path.is_dir() else path
