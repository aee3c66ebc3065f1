"""Names compared without their spelling: separators and case go, sizes, versions and variants stay."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from modelscan_catalog.merge.tables import MergeTables

_POINT_ZERO = re.compile(r"(?<=\d)\.0(?![\d])(?!\.\d)")
_TOKEN = re.compile(r"\d+\.\d+[bmk](?![a-z0-9])|\d+[a-z]*|[a-z]+|[^\x00-\x7f]+")
_PIECE = re.compile(r"[-_. ]+")
_SIZE = re.compile(r"^\d+(?:\.\d+)?[bm]$")


@dataclass(frozen=True)
class NameLabel:
    """A storage label found in a name."""

    text: str
    scheme: str
    method: str | None
    bits: float | None


def name_key(name: str) -> str:
    """The comparable form of a name; idempotent.

    ``Qwen-2.5_7B-Instruct`` and ``qwen2.5-7b-instruct`` have one key; another size, version, date or
    variant word gives another key. A decimal size (``1.5b``) is kept whole, so that it never meets
    version ``1`` of size ``5b``.
    """
    text = _POINT_ZERO.sub("", name.lower().replace("+", "-plus"))
    tokens: list[str] = []
    for part in _TOKEN.findall(text):
        if part == "0" and tokens and tokens[-1].isdigit():
            continue  # 4-0 is version 4.0, and so version 4
        tokens.append(part)
    return "-".join(tokens)


def sizes_of(name: str) -> frozenset[str]:
    """Parameter sizes that a name states, such as ``{"30b", "3b"}`` for ``Qwen3-30B-A3B``."""
    return frozenset(token for token in name_key(name).split("-") if _SIZE.match(token))


def bare_name(identifier: str) -> str:
    """The last segment of a hub id or seller id."""
    return identifier.rsplit("/", 1)[-1]


def owner_of(identifier: str) -> str:
    """The first segment of a hub id, or an empty text."""
    return identifier.split("/", 1)[0] if "/" in identifier else ""


def hub_key(name: str, tables: MergeTables) -> str:
    """``name_key`` without a closing word that only says which loader a hub copy is for."""
    tokens = name_key(name).split("-")
    while len(tokens) > 1 and tokens[-1] in tables.hub_suffixes:
        tokens.pop()
    return "-".join(tokens)


def split_labels(name: str, tables: MergeTables) -> tuple[str, tuple[NameLabel, ...]]:
    """The name without its closing storage labels, and the labels; the name itself when it has none.

    ``Qwen3-8B-w8a8-mtp`` gives ``Qwen3-8B`` and ``w8a8``; ``Qwen3-8B-MTP`` stays whole, for a connector
    alone is no label.
    """
    end = len(name)
    best = end
    labels: list[NameLabel] = []
    found: list[NameLabel] = []
    while True:
        start, piece = _last_piece(name[:end], tables)
        if piece is None or start == 0:
            break
        label = label_of(piece, tables)
        if label is not None:
            found.insert(0, label)
            best, labels = start, list(found)
        elif piece.lower() not in tables.quantization_connectors:
            break
        end = start
    stem = name[:best] if labels else name
    if labels:
        # connectors between the stem and the first label belong to the label
        while True:
            start, piece = _last_piece(stem, tables)
            if piece is None or start == 0 or piece.lower() not in tables.quantization_connectors - {"mtp"}:
                break
            stem = stem[:start]
    return stem, tuple(labels)


def _last_piece(text: str, tables: MergeTables) -> tuple[int, str | None]:
    separators = list(_PIECE.finditer(text))
    # a label may hold separators of its own (Q4_K_M): the longest match of up to three pieces wins
    for cut in separators[-3:]:
        piece = text[cut.end() :]
        if piece and label_of(piece, tables) is not None:
            return cut.start(), piece
    if not separators or not text[separators[-1].end() :]:
        return 0, None
    return separators[-1].start(), text[separators[-1].end() :]


def label_of(text: str, tables: MergeTables) -> NameLabel | None:
    """What a storage label means, or None when the text is no label."""
    lowered = text.lower()
    for row in tables.quantization_labels:
        match = row.pattern.fullmatch(lowered)
        if match:
            filled = {"{label}": lowered, "{1}": match.group(1) if match.re.groups else ""}
            scheme = _fill(row.scheme, filled)
            method = _fill(row.method, filled) if row.method else None
            bits = float(_fill(row.bits, filled)) if isinstance(row.bits, str) else row.bits
            return NameLabel(lowered, scheme, method, bits)
    return None


def _fill(text: str, values: dict[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(key, value or "")
    return text


def slug(text: str) -> str:
    """``text`` as the name part of a model id: lower case, no slash, only the allowed signs."""
    return re.sub(r"[^a-z0-9._~:+@-]+", "-", text.lower()).strip("-") or "unnamed"


def unique(values: Iterable[str]) -> tuple[str, ...]:
    """Sorted, each once."""
    return tuple(sorted(set(values)))
