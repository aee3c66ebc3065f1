"""Notices, sent to a real server on loopback."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import tenacity

from modelscan_catalog import notify as module
from modelscan_catalog.notify import ATTEMPTS, Notice, notify
from modelscan_catalog.settings import load_settings

NOTICE = Notice("weights.usage", "/mnt/models", "90 % used, <!channel> & more", {"used": 0.9})


class Webhook:
    """Answers with ``statuses`` in turn, the last one for ever; keeps the bodies."""

    def __init__(self) -> None:
        self.statuses: list[int] = [200]
        self.headers: dict[str, str] = {}
        self.bodies: list[dict[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(hook.statuses.pop(0) if len(hook.statuses) > 1 else hook.statuses[0])
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/T000/password"


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    hook = Webhook()
    thread = threading.Thread(target=hook.server.serve_forever, args=(0.05,))
    thread.start()
    monkeypatch.setenv("SLACK_WEBHOOK_URL", hook.url)
    yield hook
    hook.server.shutdown()
    thread.join()
    hook.server.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that would have been waited between attempts."""
    seconds: list[float] = []
    monkeypatch.setattr(module._post.retry, "sleep", seconds.append)
    assert isinstance(module._post.retry, tenacity.BaseRetrying)
    return seconds


def test_a_notice_reaches_the_webhook_in_slacks_shape_with_its_fields(webhook: Webhook) -> None:
    assert notify(load_settings(), NOTICE) is True
    (body,) = webhook.bodies
    assert body["text"] == "*/mnt/models*\n90 % used, &lt;!channel&gt; &amp; more"
    assert body["notice"] == {
        "kind": "weights.usage",
        "subject": "/mnt/models",
        "text": "90 % used, <!channel> & more",
        "detail": {"used": 0.9},
    }


def test_slack_itself_gets_text_alone() -> None:
    body = json.loads(module._body("https://hooks.slack.com/services/T/B/x", NOTICE))
    assert set(body) == {"text"}


def test_without_a_webhook_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)
    assert notify(load_settings(), NOTICE) is False


def test_a_busy_webhook_is_tried_again_after_the_time_it_asks_for(
    webhook: Webhook, waits: list[float]
) -> None:
    webhook.statuses, webhook.headers = [429, 503, 200], {"retry-after": "4"}
    assert notify(load_settings(), NOTICE) is True
    assert (len(webhook.bodies), waits) == (3, [4.0, 4.0])


def test_a_webhook_that_stays_busy_is_given_up_and_nobody_waits_longer_than_the_bound(
    webhook: Webhook, waits: list[float]
) -> None:
    webhook.statuses, webhook.headers = [503], {"retry-after": "86400"}
    assert notify(load_settings(), NOTICE) is False
    assert (len(webhook.bodies), max(waits)) == (ATTEMPTS, module.LONGEST_WAIT_S)


@pytest.mark.parametrize("status", [400, 403, 404, 302])
def test_a_refusal_is_not_repeated_and_not_raised(
    webhook: Webhook, waits: list[float], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.statuses = [status]
    assert notify(load_settings(), NOTICE) is False
    assert (len(webhook.bodies), waits) == (1, [])
    assert f"the webhook answered {status}" in caplog.text


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/password", "password", "ftp://x.test/password", "http://[/password"]
)
def test_an_address_that_cannot_be_asked_is_not_raised_and_not_shown(
    url: str, waits: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", url)
    with caplog.at_level(logging.DEBUG):
        assert notify(load_settings(), NOTICE) is False
    assert "was not sent" in caplog.text
    assert "password" not in caplog.text


def test_no_log_shows_the_webhook_even_where_requests_are_logged(
    webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert notify(load_settings(), NOTICE) is True
    assert "password" not in caplog.text


def test_a_reference_that_leads_nowhere_is_said_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "file:/nowhere/webhook")
    assert notify(load_settings(), NOTICE) is False
    assert "file:/nowhere/webhook: the file cannot be read" in caplog.text
