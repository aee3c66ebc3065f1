"""Client of google; generated from interface df67ab9c81ae."""

from collections.abc import Mapping
from typing import Final

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="google",
    base_url="https://generativelanguage.googleapis.com/v1beta",
    key_env=("GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY", "GEMINI_API_KEY"),
    auth="header",
    auth_name="x-goog-api-key",
    paths={
        "generate": "/models/{model}:generateContent",
        "stream_generate": "/models/{model}:streamGenerateContent",
        "embed": "/models/{model}:embedContent",
        "models": "/models",
    },
)


class GoogleClient(base.RestClient):
    """Blocking; bodies and answers are the provider's own JSON."""

    access = ACCESS

    def generate(
        self, body: base.JsonObject, model: str, query: Mapping[str, str] | None = None
    ) -> base.JsonObject:
        """POST /models/{model}:generateContent."""
        return self._call("generate", body, model, query or {})

    def stream_generate(
        self, body: base.JsonObject, model: str, query: Mapping[str, str] | None = None
    ) -> base.Stream[base.JsonObject]:
        """POST /models/{model}:streamGenerateContent."""
        return self._stream("stream_generate", body, model, {"alt": "sse", **(query or {})})

    def embed(
        self, body: base.JsonObject, model: str, query: Mapping[str, str] | None = None
    ) -> base.JsonObject:
        """POST /models/{model}:embedContent."""
        return self._call("embed", body, model, query or {})

    def models(self, query: Mapping[str, str] | None = None) -> base.JsonObject:
        """GET /models."""
        return self._call("models", None, "", query or {})


class AsyncGoogleClient(base.AsyncRestClient):
    """For an event loop."""

    access = ACCESS

    async def generate(
        self, body: base.JsonObject, model: str, query: Mapping[str, str] | None = None
    ) -> base.JsonObject:
        """POST /models/{model}:generateContent."""
        return await self._call("generate", body, model, query or {})

    async def stream_generate(
        self, body: base.JsonObject, model: str, query: Mapping[str, str] | None = None
    ) -> base.AsyncStream[base.JsonObject]:
        """POST /models/{model}:streamGenerateContent."""
        return await self._stream("stream_generate", body, model, {"alt": "sse", **(query or {})})

    async def embed(
        self, body: base.JsonObject, model: str, query: Mapping[str, str] | None = None
    ) -> base.JsonObject:
        """POST /models/{model}:embedContent."""
        return await self._call("embed", body, model, query or {})

    async def models(self, query: Mapping[str, str] | None = None) -> base.JsonObject:
        """GET /models."""
        return await self._call("models", None, "", query or {})
