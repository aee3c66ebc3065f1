"""What kind of request a query is: simple, technical, research or multimedia; deterministic and versioned.

The rules are data (``registry/router/classify_lexicon.json``): an attachment makes a request multimedia;
else the class with the most distinct lexicon words wins, phrases counting more; long text without any is
research.
``classifier_quality`` scores the rules on ``classify_labels.jsonl``, half of which they were never tuned on.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from modelscan_catalog.router.config import CLASSES, QueryClass
from modelscan_catalog.settings import REPOSITORY_ROOT

_DATA = REPOSITORY_ROOT / "registry" / "router"
_WORDS_ONLY = bytes(
    ord(chr(code).lower()) if chr(code).lower() in "abcdefghijklmnopqrstuvwxyz0123456789+#-" else 32
    for code in range(256)
)
"""To lower case, and whatever is not part of an English word into a space: a pattern takes several times as
long."""
_MAX_CHARS = 2000
_PART_MODALITIES = {
    "image_url": "image",
    "image": "image",
    "input_image": "image",
    "input_audio": "audio",
    "video_url": "video",
    "video": "video",
    "file": "pdf",
    "document": "pdf",
}


class Classification(NamedTuple):
    """The class of one query and what spoke for it."""

    query_class: QueryClass
    reasons: tuple[str, ...]


class Lexicon:
    """The classifier's rules, ready to match."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.version: str = document["version"]
        self._marks: list[tuple[bytes, QueryClass, str]] = []
        """Phrases without a word in them."""
        entries: dict[bytes, _Entry] = {}
        for name in CLASSES:
            for word in document["words"].get(name, ()):
                entries.setdefault(word.encode(), _Entry()).word = (name, f"{name}: {word}")
        for name in CLASSES:
            for phrase in document["phrases"].get(name, ()):
                words = phrase.encode().translate(_WORDS_ONLY).split()
                reason = f"{name}: {b' '.join(words).decode() or phrase}"
                if words:
                    begun = entries.setdefault(words[0], _Entry()).phrases
                    begun.append((b" %b " % b" ".join(words), name, reason))
                else:
                    self._marks.append((phrase.encode(), name, reason))
        self._entries = entries
        self._looked_for = frozenset(entries)
        self._phrase_weight: int = document["phrase_weight"]
        self._research_from_words: int = document["research_from_words"]

    def classify(self, text: str, modalities: Collection[str] = ()) -> Classification:
        """The class of ``text`` with attachments of ``modalities``; reads its first 2,000 characters."""
        if modalities:
            return Classification("multimedia", (f"{', '.join(sorted(modalities))} attached",))
        read = text[:_MAX_CHARS].encode("utf-8", "replace")
        words = read.translate(_WORDS_ONLY).split()
        score = _ZERO.copy()
        reasons: list[str] = []
        begun: list[tuple[bytes, QueryClass, str]] = []
        for word in sorted(self._looked_for.intersection(words)):
            entry = self._entries[word]
            if entry.word is not None:
                score[entry.word[0]] += 1
                reasons.append(entry.word[1])
            if entry.phrases:
                begun += entry.phrases
        for mark, name, reason in self._marks:
            if mark in read:
                score[name] += self._phrase_weight
                reasons.append(reason)
        if begun:
            whole = b" %b " % b" ".join(words)
            for phrase, name, reason in begun:
                if phrase in whole:
                    score[name] += self._phrase_weight
                    reasons.append(reason)
        if reasons:
            # Among equals the first of CLASSES.
            return Classification(max(score, key=score.__getitem__), tuple(reasons))
        if len(words) >= self._research_from_words:
            return Classification("research", (f"{len(words)} words",))
        return Classification("simple", ("no word of another class",))


_ZERO: dict[QueryClass, int] = dict.fromkeys(CLASSES, 0)


class _Entry:
    """What a word of the lexicon says by itself, and the phrases that it begins."""

    __slots__ = ("phrases", "word")

    def __init__(self) -> None:
        self.word: tuple[QueryClass, str] | None = None
        self.phrases: list[tuple[bytes, QueryClass, str]] = []


@cache
def lexicon() -> Lexicon:
    """The committed rules."""
    return Lexicon(json.loads((_DATA / "classify_lexicon.json").read_bytes()))


def asked_text(messages: Sequence[Any]) -> str:
    """The text of the last message that the user wrote."""
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role", "user") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            if isinstance(content, list):
                texts = [part.get("text") for part in content if isinstance(part, dict)]
                return "\n".join(text for text in texts if isinstance(text, str))
    return ""


def asked_modalities(messages: Sequence[Any]) -> frozenset[str]:
    """What a model must be able to read besides text to take ``messages``."""
    found: set[str] = set()
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            for part in content:
                kind = part.get("type") if isinstance(part, dict) else None
                if isinstance(kind, str) and kind in _PART_MODALITIES:
                    found.add(_PART_MODALITIES[kind])
    return frozenset(found) if found else _NOTHING


_NOTHING: frozenset[str] = frozenset()


def classifier_quality() -> dict[str, Any]:
    """Accuracy on the labelled queries: of each split, of each class, and every query it gets wrong."""
    rules = lexicon()
    lines = (_DATA / "classify_labels.jsonl").read_text("utf-8").splitlines()
    splits: dict[str, list[bool]] = {}
    classes: dict[str, list[bool]] = {}
    wrong = []
    for label in map(json.loads, lines):
        attached = [label["attachment"]] if "attachment" in label else []
        got = rules.classify(label["query"], attached).query_class
        right = got == label["class"]
        splits.setdefault(label["split"], []).append(right)
        classes.setdefault(label["class"], []).append(right)
        if not right:
            wrong.append({"query": label["query"], "class": label["class"], "answer": got})
    return {
        "version": rules.version,
        "queries": len(lines),
        "accuracy": {name: _share(outcomes) for name, outcomes in sorted(splits.items())},
        "recall": {name: _share(outcomes) for name, outcomes in sorted(classes.items())},
        "wrong": wrong,
    }


def _share(outcomes: Sequence[bool]) -> dict[str, Any]:
    return {"right": sum(outcomes), "of": len(outcomes), "share": round(sum(outcomes) / len(outcomes), 3)}
