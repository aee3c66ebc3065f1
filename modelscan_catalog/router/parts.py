"""What every record of the router's files is made of: strict, frozen, addresses without credentials."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen part of a configuration that forbids fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _http_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if scheme not in ("http", "https") or not separator or not rest or "${" in url or "@" in rest:
        raise ValueError("expected http:// or https://, a host, no ${variables} and no credentials")
    return url.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]
