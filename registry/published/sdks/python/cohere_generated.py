"""Client of cohere; generated from interface 6145d5d85026."""

from collections.abc import Mapping
from typing import Final

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="cohere",
    base_url="https://api.cohere.com",
    key_env=("COHERE_API_KEY",),
    paths={
        "chat": "/v2/chat",
        "stream_chat": "/v2/chat",
        "embed": "/v2/embed",
        "rerank": "/v2/rerank",
        "models": "/v1/models",
    },
)


class CohereClient(base.RestClient):
    """Blocking; bodies and answers are the provider's own JSON."""

    access = ACCESS

    def chat(self, body: base.JsonObject, query: Mapping[str, str] | None = None) -> base.JsonObject:
        """POST /v2/chat."""
        return self._call("chat", body, "", query or {})

    def stream_chat(
        self, body: base.JsonObject, query: Mapping[str, str] | None = None
    ) -> base.Stream[base.JsonObject]:
        """POST /v2/chat."""
        return self._stream("stream_chat", {"stream": True, **body}, "", query or {})

    def embed(self, body: base.JsonObject, query: Mapping[str, str] | None = None) -> base.JsonObject:
        """POST /v2/embed."""
        return self._call("embed", body, "", query or {})

    def rerank(self, body: base.JsonObject, query: Mapping[str, str] | None = None) -> base.JsonObject:
        """POST /v2/rerank."""
        return self._call("rerank", body, "", query or {})

    def models(self, query: Mapping[str, str] | None = None) -> base.JsonObject:
        """GET /v1/models."""
        return self._call("models", None, "", query or {})


class AsyncCohereClient(base.AsyncRestClient):
    """For an event loop."""

    access = ACCESS

    async def chat(self, body: base.JsonObject, query: Mapping[str, str] | None = None) -> base.JsonObject:
        """POST /v2/chat."""
        return await self._call("chat", body, "", query or {})

    async def stream_chat(
        self, body: base.JsonObject, query: Mapping[str, str] | None = None
    ) -> base.AsyncStream[base.JsonObject]:
        """POST /v2/chat."""
        return await self._stream("stream_chat", {"stream": True, **body}, "", query or {})

    async def embed(self, body: base.JsonObject, query: Mapping[str, str] | None = None) -> base.JsonObject:
        """POST /v2/embed."""
        return await self._call("embed", body, "", query or {})

    async def rerank(self, body: base.JsonObject, query: Mapping[str, str] | None = None) -> base.JsonObject:
        """POST /v2/rerank."""
        return await self._call("rerank", body, "", query or {})

    async def models(self, query: Mapping[str, str] | None = None) -> base.JsonObject:
        """GET /v1/models."""
        return await self._call("models", None, "", query or {})
