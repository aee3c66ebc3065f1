"""Exceptions of the generated clients; none repeats a key."""

from modelscan_catalog.errors import ModelScanError


class ClientError(ModelScanError):
    """A provider could not be asked, or did not give a whole, well-formed answer.

    ├── MissingKeyError        no key, or an account variable of the address is not set
    ├── WithheldKeyError       the interface is inferred and not confirmed, or the address is plain http
    ├── ConnectionFailedError  nobody answered
    │   └── DeadlineError      not in time
    ├── AnswerError            an answer came, and is not what the format says
    │   └── BrokenStreamError  a stream ended before its end
    └── StatusError            the provider refused
        ├── AuthenticationError   401, 403
        ├── RequestError          400, 404, 405, 413, 422 …
        ├── RateLimitError        429
        └── ServerError           5xx
    """


class MissingKeyError(ClientError):
    """No key is set; the message names the variables that are read."""


class WithheldKeyError(ClientError):
    """A key is not sent to where it would go."""


class ConnectionFailedError(ClientError):
    """No answer: name, route, TLS, or a connection that ended before an answer."""


class DeadlineError(ConnectionFailedError):
    """No answer in time."""


class AnswerError(ClientError):
    """An answer that is not in the provider's format."""


class BrokenStreamError(AnswerError):
    """A stream that ended without its last event."""


class StatusError(ClientError):
    """An HTTP status of 300 or above; ``code`` and ``detail`` are the provider's own words, without keys."""

    def __init__(
        self, message: str, status: int, code: str = "", detail: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s


class AuthenticationError(StatusError):
    """The key is wrong, missing or not allowed to do this."""


class RequestError(StatusError):
    """The request is wrong; the same one will be refused again."""


class RateLimitError(StatusError):
    """Too many requests; ``retry_after_s`` when the provider said how long to wait."""


class ServerError(StatusError):
    """The provider failed."""


def status_error(status: int) -> type[StatusError]:
    """The exception for an HTTP status."""
    if status in (401, 403):
        return AuthenticationError
    if status == 429:
        return RateLimitError
    return ServerError if status >= 500 else RequestError
