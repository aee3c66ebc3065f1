"""What other packages add to the synthesis: readers of pages, and synthesizers beside the language models.

A package registers them as entry points; this one need not be changed:

    [project.entry-points."modelscan.text_sources"]
    crawler = "my_package:texts"            # (provider, model) -> iterable of SourceText
    [project.entry-points."modelscan.synthesizers"]
    parser = "my_package:read"              # (Question) -> InferredInterface

What they return is judged like what a language model says: texts are data, and a fact counts only with a
quote that stands in a text, an address on the provider's own domain, and the gate behind it.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from modelscan_catalog.onboarding.combine import open_fields
from modelscan_catalog.onboarding.inference import Synthesizer
from modelscan_catalog.onboarding.quoted import InferredInterface, SourceText
from modelscan_catalog.sdk.interface import ProviderInterface

TEXT_SOURCES = "modelscan.text_sources"
SYNTHESIZERS = "modelscan.synthesizers"
_MOST_TEXTS = 20
_TEXTS = TypeAdapter(list[SourceText])


class Question(BaseModel):
    """What a synthesizer is asked: the fields that are open, what is known, and the texts."""

    model_config = ConfigDict(frozen=True)

    provider: str
    fields_wanted: tuple[str, ...]
    api_type: str | None
    base_url: str | None
    texts: tuple[SourceText, ...]


def plugin_names() -> list[str]:
    """Group and name of all that are installed: a step's result depends on them."""
    return sorted(f"{group}:{one.name}" for group in (TEXT_SOURCES, SYNTHESIZERS) for one in _points(group))


def plugin_texts(provider: str, model: str | None) -> tuple[list[SourceText], list[str]]:
    """Texts of all readers, and what went wrong: a reader that fails costs its own texts only."""
    texts: list[SourceText] = []
    problems: list[str] = []
    for point in _points(TEXT_SOURCES):
        try:
            read: Callable[[str, str | None], Iterable[Any]] = point.load()
            texts += _TEXTS.validate_python(list(read(provider, model))[:_MOST_TEXTS])
        except Exception as error:  # noqa: BLE001 - whatever another package does
            problems.append(f"{point.name}: {type(error).__name__}: {error}"[:300])
    return texts, problems


def synthesizers() -> list[tuple[str, Synthesizer]]:
    """Name and function of each; it is loaded, and its answer brought into shape, when it is called."""

    def asking(point: EntryPoint) -> Synthesizer:
        def ask(interface: ProviderInterface, texts: Sequence[SourceText]) -> InferredInterface:
            question = Question(
                provider=interface.provider,
                fields_wanted=open_fields(interface),
                api_type=interface.api_type,
                base_url=interface.base_url,
                texts=tuple(texts),
            )
            said = point.load()(question)
            values = said.model_dump() if isinstance(said, BaseModel) else said
            return InferredInterface.model_validate(values)

        return ask

    return [(point.name, asking(point)) for point in _points(SYNTHESIZERS)]


def _points(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda point: point.name)
