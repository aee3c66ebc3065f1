"""Client of amazon-bedrock; generated from interface bf123a151d1c."""

from collections.abc import Mapping
from typing import Final

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="amazon-bedrock",
    base_url="https://bedrock-runtime.${AWS_REGION}.amazonaws.com",
    key_env=("AWS_BEARER_TOKEN_BEDROCK",),
    paths={"converse": "/model/{model}/converse"},
)


class AmazonBedrockClient(base.RestClient):
    """Blocking; bodies and answers are the provider's own JSON."""

    access = ACCESS

    def converse(
        self, body: base.JsonObject, model: str, query: Mapping[str, str] | None = None
    ) -> base.JsonObject:
        """POST /model/{model}/converse."""
        return self._call("converse", body, model, query or {})


class AsyncAmazonBedrockClient(base.AsyncRestClient):
    """For an event loop."""

    access = ACCESS

    async def converse(
        self, body: base.JsonObject, model: str, query: Mapping[str, str] | None = None
    ) -> base.JsonObject:
        """POST /model/{model}/converse."""
        return await self._call("converse", body, model, query or {})
