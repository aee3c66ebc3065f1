"""A model in one sentence, made of its own facts: nothing is said that no field holds."""

from modelscan_catalog.records import Model

_NOUNS = {
    "llm": "language model",
    "vlm": "vision language model",
    "embedding": "embedding model",
    "reranker": "reranker",
    "image": "image generation model",
    "video": "video generation model",
    "speech_to_text": "speech recognition model",
    "text_to_speech": "speech synthesis model",
}
_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


def summary_of(model: Model, lab_name: str | None = None) -> str:
    """One sentence of the model's facts.

    Such as ``Qwen3 8B: open-weights language model of Alibaba, 8.19B parameters, reasoning; apache-2.0.``
    """
    openness = {True: "open-weights ", False: "closed ", None: ""}[model.open_weights]
    noun = _NOUNS[model.category] if model.category else "model"
    parts = [f"{model.name}: {openness}{noun} of {lab_name or model.lab}"]
    if model.parameters.total:
        active = model.parameters.active
        suffix = f" ({parameter_text(active)} active)" if active else ""
        parts.append(f"{parameter_text(model.parameters.total)} parameters{suffix}")
    if model.limits.context:
        parts.append(f"context {model.limits.context:,} tokens")
    parts += [
        word
        for word, flag in (
            ("reasoning", model.capabilities.reasoning),
            ("tools", model.capabilities.tool_call),
            ("structured output", model.capabilities.structured_output),
        )
        if flag
    ]
    ending = "; ".join([*model.licenses, *(["deprecated"] if model.status == "deprecated" else [])])
    return ", ".join(parts) + (f"; {ending}." if ending else ".")


def parameter_text(count: int) -> str:
    """A parameter count as people write it: ``8.2B``, ``137M``, ``1.6T``."""
    for size, unit in _UNITS:
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)
