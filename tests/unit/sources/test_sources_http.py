"""The HTTP client against a site that misbehaves."""

import asyncio
import email.utils
import gzip
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import FetchError
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.http import Answer, PoliteClient, parse_rate_limit, parse_retry_after


def get(settings: Settings, *urls: str, token: str | None = None, **options: Any) -> list[Any]:
    """Answers or errors for ``urls``, all asked for at once by one client."""

    async def run() -> list[Any]:
        async with PoliteClient(settings, token=token, token_host=urls[0]) as client:
            return await asyncio.gather(*(client.get(url, **options) for url in urls), return_exceptions=True)

    return asyncio.run(run())


def one(settings: Settings, url: str, **options: Any) -> Answer:
    (answer,) = get(settings, url, **options)
    if isinstance(answer, BaseException):
        raise answer
    assert isinstance(answer, Answer)
    return answer


def test_an_answer_comes_with_its_body_and_the_agent_names_the_project(site: Any, make_settings: Any) -> None:
    site.put_json("/a", {"x": 1})
    assert one(make_settings(), site.url + "/a").body == b'{"x": 1}'
    assert site.asked[0].headers["user-agent"].startswith("modelscan-catalog/")


def test_a_gzip_body_is_unpacked(site: Any, make_settings: Any) -> None:
    site.put_gzip("/a", b"x" * 5000)
    assert one(make_settings(), site.url + "/a").body == b"x" * 5000


def test_a_passing_503_is_retried(site: Any, make_settings: Any, make_page: Any) -> None:
    site.pages["/a"] = lambda n: make_page(b"ok") if n else make_page(b"", 503)
    assert one(make_settings(), site.url + "/a").body == b"ok"
    assert site.count("/a") == 2


def test_a_503_that_stays_is_an_error_that_names_url_status_and_tries(
    site: Any, make_settings: Any, make_page: Any
) -> None:
    site.pages["/a"] = make_page(b"", 503)
    with pytest.raises(FetchError, match=r"/a: HTTP 503 \(tried 2 times\)"):
        one(make_settings(), site.url + "/a")


def test_retry_after_in_seconds_is_waited_for(site: Any, make_settings: Any, make_page: Any) -> None:
    busy = make_page(b"", 429, {"Retry-After": "1"})
    site.pages["/a"] = lambda n: make_page(b"ok") if n else busy
    begun = time.monotonic()
    assert one(make_settings(), site.url + "/a").body == b"ok"
    assert time.monotonic() - begun >= 1


def test_a_retry_after_beyond_the_limit_ends_the_request_at_once(
    site: Any, make_settings: Any, make_page: Any
) -> None:
    site.pages["/a"] = make_page(b"", 429, {"Retry-After": "3600"})
    begun = time.monotonic()
    with pytest.raises(FetchError, match="HTTP 429"):
        one(make_settings(), site.url + "/a")
    assert time.monotonic() - begun < 60
    assert site.count("/a") == 1


def test_a_used_up_quota_is_waited_out_before_the_next_request(
    site: Any, make_settings: Any, make_page: Any
) -> None:
    site.pages["/a"] = make_page(b"ok", headers={"RateLimit": '"api";r=0;t=1'})

    async def twice() -> float:
        async with PoliteClient(make_settings()) as client:
            await client.get(site.url + "/a", quota="api")
            begun = time.monotonic()
            await client.get(site.url + "/a", quota="api")
            return time.monotonic() - begun

    assert asyncio.run(twice()) >= 1


def test_a_quota_that_resets_after_the_deadline_is_a_clear_error(
    site: Any, make_settings: Any, make_page: Any
) -> None:
    site.pages["/a"] = make_page(b"ok", headers={"RateLimit": '"api";r=0;t=900'})

    async def twice() -> None:
        async with PoliteClient(make_settings()) as client:
            await client.get(site.url + "/a", quota="api")
            await client.get(site.url + "/a", quota="api")

    with pytest.raises(FetchError, match="quota is used up for"):
        asyncio.run(twice())


def test_no_more_than_the_set_number_of_requests_are_open_at_once(
    site: Any, make_settings: Any, make_page: Any
) -> None:
    site.pages["/a"] = make_page(b"okok", pieces=2, pause_s=0.05)
    answers = get(make_settings(parallel_batch=3), *[f"{site.url}/a?{n}" for n in range(12)])
    assert all(isinstance(answer, Answer) for answer in answers)
    assert 1 < site.open_most <= 3


@pytest.mark.parametrize("claim", [None, 0], ids=["length given", "length hidden"])
def test_a_huge_body_is_not_read_to_its_end(
    site: Any, make_settings: Any, make_page: Any, claim: int | None
) -> None:
    page = make_page(b"x" * 20_000_000, pieces=200)
    if claim == 0:
        page.claim, page.headers = 40_000_000, {}
    site.pages["/a"] = page
    with pytest.raises(FetchError, match=r"at most 1000000|longer than 1000000"):
        one(make_settings(http={"max_body_bytes": 1_000_000}), site.url + "/a")
    assert site.sent_bytes < 20_000_000
    assert site.count("/a") == 1


@pytest.mark.parametrize("layers", [1, 2])
def test_a_gzip_bomb_is_stopped_at_the_unpacked_limit(site: Any, make_settings: Any, layers: int) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    for _ in range(layers - 1):
        bomb = gzip.compress(bomb)
    site.put_gzip("/a", b"")
    site.pages["/a"].body = bomb
    if layers == 2:
        site.pages["/a"].headers = {"Content-Encoding": "gzip, gzip"}
    with pytest.raises(FetchError, match=r"longer than 1000000|coding, which was not asked for"):
        one(make_settings(http={"max_body_bytes": 1_000_000}), site.url + "/a")


def test_a_dripping_body_ends_at_the_total_deadline(site: Any, make_settings: Any, make_page: Any) -> None:
    site.pages["/a"] = make_page(b"x" * 600, pieces=600, pause_s=0.1)
    begun = time.monotonic()
    with pytest.raises(FetchError, match=r"not complete after 0\.5 s"):
        one(make_settings(http={"total_timeout_s": 0.5}), site.url + "/a")
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("fault", ["truncated", "truncated gzip", "reset"])
def test_a_broken_body_is_never_an_answer(site: Any, make_settings: Any, make_page: Any, fault: str) -> None:
    packed = gzip.compress(b"x" * 5000)
    site.pages["/a"] = {
        "truncated": make_page(b"{", claim=1000),
        "truncated gzip": make_page(packed[:-9], headers={"Content-Encoding": "gzip"}),
        "reset": make_page(reset=True),
    }[fault]
    with pytest.raises(FetchError, match=r"connection broke|ended early"):
        one(make_settings(), site.url + "/a")
    assert site.count("/a") == 2


def test_a_refused_connection_is_a_clear_error(make_settings: Any) -> None:
    with pytest.raises(FetchError, match="no connection"):
        one(make_settings(), "http://127.0.0.1:9/a")


def test_a_relative_redirect_is_followed_on_the_same_host(
    site: Any, make_settings: Any, make_page: Any
) -> None:
    site.pages["/old"] = make_page(b"", 307, {"Location": "/new?x=1"})
    site.pages["/new"] = make_page(b"here")
    assert one(make_settings(), site.url + "/old", token="secret").body == b"here"
    assert [asked.headers.get("authorization") for asked in site.asked] == ["Bearer secret"] * 2


def test_a_token_is_never_sent_to_another_host(
    new_site: Callable[[], Any], make_settings: Any, make_page: Any
) -> None:
    hub, store = new_site(), new_site()
    store.pages["/blob"] = make_page(b"here")
    hub.pages["/a"] = make_page(b"", 302, {"Location": store.url + "/blob"})
    assert one(make_settings(), hub.url + "/a", token="secret").body == b"here"
    assert hub.asked[0].headers["authorization"] == "Bearer secret"
    assert "authorization" not in store.asked[0].headers


def test_a_redirect_loop_ends(site: Any, make_settings: Any, make_page: Any) -> None:
    site.pages["/a"] = make_page(b"", 307, {"Location": "/a"})
    with pytest.raises(FetchError, match="redirects"):
        one(make_settings(), site.url + "/a")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/x", "javascript:1"])
def test_a_redirect_off_the_web_is_not_followed(
    site: Any, make_settings: Any, make_page: Any, target: str
) -> None:
    site.pages["/a"] = make_page(b"", 302, {"Location": target})
    with pytest.raises(FetchError, match=r"not followed|cannot be asked for"):
        one(make_settings(), site.url + "/a")


def test_a_matching_etag_costs_no_body(site: Any, make_settings: Any, make_page: Any) -> None:
    site.pages["/a"] = make_page(b"body", headers={"ETag": '"1"'})
    assert one(make_settings(), site.url + "/a", etag='"1"').status == 304


def test_a_host_that_keeps_failing_is_left_alone(site: Any, make_settings: Any, make_page: Any) -> None:
    site.pages["/a"] = make_page(b"", 503)
    settings = make_settings(parallel_batch=1, http={"max_attempts": 1})

    async def run() -> list[str]:
        errors = []
        async with PoliteClient(settings) as client:
            for _ in range(6):
                try:
                    await client.get(site.url + "/a")
                except FetchError as error:
                    errors.append(str(error))
        return errors

    errors = asyncio.run(run())
    assert site.count("/a") == 3
    assert "not asked after many failures in a row" in errors[-1]
    assert "HTTP 503" in errors[-1]


def test_retry_after_as_a_date_gives_the_seconds_until_then() -> None:
    now = 1_700_000_000.0
    assert parse_retry_after(email.utils.formatdate(now + 90, usegmt=True), now) == 90
    assert parse_retry_after(email.utils.formatdate(now - 90, usegmt=True), now) == 0


def test_the_hub_rate_limit_header_gives_what_is_left_and_until_when() -> None:
    assert parse_rate_limit('"api";r=498;t=71') == (498, 71.0)
    assert parse_rate_limit('"fixed window";"api";q=500;w=300') is None


@given(st.text(max_size=60))
def test_any_header_text_is_read_or_ignored(text: str) -> None:
    seconds = parse_retry_after(text, 0.0)
    assert seconds is None or seconds >= 0
    parse_rate_limit(text)
