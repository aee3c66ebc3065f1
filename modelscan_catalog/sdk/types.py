"""Requests and answers of the two common formats; answers keep fields that are not named here.

Formats: https://platform.openai.com/docs/api-reference/chat and https://docs.anthropic.com/en/api/messages.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

from pydantic import BaseModel, ConfigDict, Field


class Message(TypedDict):
    """One message of an OpenAI-compatible conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: NotRequired[str | Sequence[Mapping[str, Any]] | None]
    name: NotRequired[str]
    tool_calls: NotRequired[Sequence[Mapping[str, Any]]]
    tool_call_id: NotRequired[str]


class Turn(TypedDict):
    """One message of an Anthropic-compatible conversation."""

    role: Literal["user", "assistant"]
    content: str | Sequence[Mapping[str, Any]]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Function(_Answer):
    """What a model asks to have called; ``arguments`` is JSON text, in pieces while streaming."""

    name: str | None = None
    arguments: str = ""


class ToolCall(_Answer):
    """A tool call, or a piece of the one with the same ``index``."""

    index: int = 0
    id: str | None = None
    function: Function = Function()


class ChatMessage(_Answer):
    """A whole message, or what a chunk adds to it."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None


class Usage(_Answer):
    """Tokens; null where the provider does not count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class Choice(_Answer):
    """One of the answers."""

    index: int = 0
    message: ChatMessage
    finish_reason: str | None = None


class ChatCompletion(_Answer):
    """A whole answer."""

    id: str | None = None
    model: str | None = None
    choices: tuple[Choice, ...]
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """Text of the first choice; empty when it only calls tools."""
        return (self.choices[0].message.content or "") if self.choices else ""


class ChunkChoice(_Answer):
    """What one chunk adds to one of the answers."""

    index: int = 0
    delta: ChatMessage = ChatMessage()
    finish_reason: str | None = None


class ChatChunk(_Answer):
    """A piece of a streamed answer."""

    id: str | None = None
    model: str | None = None
    choices: tuple[ChunkChoice, ...]
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """Text that this piece adds to the first choice."""
        return (self.choices[0].delta.content or "") if self.choices else ""


class Embedding(_Answer):
    """A vector of one input."""

    index: int = 0
    embedding: tuple[float, ...]


class Embeddings(_Answer):
    """Vectors in the order of the inputs."""

    data: tuple[Embedding, ...]
    model: str | None = None
    usage: Usage | None = None


class ListedModel(_Answer):
    """A model that the provider says it serves."""

    id: str


class ListedModels(_Answer):
    """All models that the provider says it serves."""

    data: tuple[ListedModel, ...]


class Block(_Answer):
    """One block of an Anthropic-compatible answer."""

    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None


class MessageUsage(_Answer):
    """Tokens of an Anthropic-compatible answer."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class MessageAnswer(_Answer):
    """A whole Anthropic-compatible answer."""

    id: str | None = None
    model: str | None = None
    content: tuple[Block, ...]
    stop_reason: str | None = None
    usage: MessageUsage | None = None

    @property
    def text(self) -> str:
        """All text blocks together."""
        return "".join(block.text or "" for block in self.content if block.type == "text")


class Delta(_Answer):
    """What an event adds; fields by its own ``type``."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class MessageEvent(_Answer):
    """One event of an Anthropic-compatible stream."""

    type: str
    index: int | None = None
    message: dict[str, Any] | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: MessageUsage | None = Field(default=None)

    @property
    def text(self) -> str:
        """Text that this event adds."""
        return (self.delta.text or "") if self.delta and self.delta.type == "text_delta" else ""


JsonObject = dict[str, Any]
"""Body of a custom interface."""
