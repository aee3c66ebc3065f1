"""Notices to people: one POST to the webhook of the settings, which never fails its caller."""

import json
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import tenacity

from modelscan_catalog.errors import ModelScanError
from modelscan_catalog.secret_refs import resolve_secret
from modelscan_catalog.settings import Settings

LOGGER = logging.getLogger("modelscan.notify")
ATTEMPTS = 3
TIMEOUT_S = 5.0
LONGEST_WAIT_S = 10.0
"""Longest obeyed Retry-After; a notice is not worth more of its sender's time."""
_SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
_MOST_TEXT = 3000
"""Slack cuts or refuses longer blocks of text."""

_sending: ContextVar[bool] = ContextVar("notify_sending", default=False)
# httpx logs the address of every request; a webhook's address is its password.
logging.getLogger("httpx").addFilter(lambda record: not _sending.get())


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened (``kind``, such as ``weights.usage``), to what, in a sentence, with its figures."""

    kind: str
    subject: str
    text: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class _NotTakenError(Exception):
    """An answer that another attempt may turn; ``wait_s`` is what the server asked for."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


def notify(settings: Settings, notice: Notice) -> bool:
    """Send ``notice`` to ``settings.slack_webhook_url``; whether it was taken.

    Without a webhook, and when it cannot be reached or refuses, the answer is false and the log says why:
    nothing is raised. The webhook's address is in no log and in no message.
    """
    if settings.slack_webhook_url is None:
        return False
    try:
        url = resolve_secret(settings.slack_webhook_url)
        _post(url, _body(url, notice), settings.user_agent)
    except Exception as error:  # noqa: BLE001 - whoever has something to tell must not fail on telling it
        what = str(error) if isinstance(error, ModelScanError | _NotTakenError) else type(error).__name__
        LOGGER.warning("notice %s of %s was not sent: %s", notice.kind, notice.subject, what)
        return False
    return True


def _body(url: str, notice: Notice) -> bytes:
    """Slack's shape; other receivers (Mattermost, own services) also get the notice's fields."""
    text = f"*{_slack(notice.subject)}*\n{_slack(notice.text)}"[:_MOST_TEXT]
    body: dict[str, Any] = {"text": text}
    if urlsplit(url).hostname not in _SLACK_HOSTS:
        body["notice"] = asdict(notice)
    return json.dumps(body, default=str).encode()


def _slack(text: str) -> str:
    """Slack reads ``<...>`` as a link or a mention of everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait_s if isinstance(error, _NotTakenError) else None
    return min(asked, LONGEST_WAIT_S) if asked is not None else 0.5 * 2 ** (state.attempt_number - 1)


@tenacity.retry(
    retry=tenacity.retry_if_exception_type((_NotTakenError, httpx.TransportError)),
    stop=tenacity.stop_after_attempt(ATTEMPTS),
    wait=_wait,
    reraise=True,
)
def _post(url: str, body: bytes, user_agent: str) -> None:
    headers = {"content-type": "application/json", "user-agent": user_agent}
    token = _sending.set(True)
    try:
        answer = httpx.post(url, content=body, headers=headers, timeout=TIMEOUT_S)
    finally:
        _sending.reset(token)
    if answer.status_code == 429 or answer.status_code >= 500:
        asked = answer.headers.get("retry-after", "")
        raise _NotTakenError(
            f"the webhook answered {answer.status_code}", float(asked) if asked.isdecimal() else None
        )
    if not answer.is_success:
        raise ModelScanError(
            f"the webhook answered {answer.status_code}; check the address that slack_webhook_url refers to"
        )
