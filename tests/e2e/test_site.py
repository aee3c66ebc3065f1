"""The explorer in a real browser: fast with the whole catalogue, closed to the outside, usable by everyone.

``MODELSCAN_PUBLISHED`` names a registry with a ``site/`` to look at; else one is built.
"""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest

from modelscan_catalog.publish.registry import read_index, verify_published
from modelscan_catalog.site.model_data import part_of

from .chromium import CHROMIUM, Page, chromium

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="NO CHROMIUM HERE: the explorer's pages were not looked at; install chromium"
)
MODEL = "alibaba/qwen3-8b"
ADDRESSES = (
    "index.html",
    "index.html?gpu=h100-80gb&count=8&show=all",
    "index.html?gpu=any",
    f"model.html?id={MODEL}",
    "model.html?id=openai/gpt-4o",
    f"compare.html?a={MODEL}&b=openai/gpt-oss-120b",
    "gpu.html",
    "gpu.html?id=rtx-4090",
    "changes.html",
)
MOST_MS = 1000
CONTRAST = Path(__file__).with_name("contrast.js")


class Quiet(SimpleHTTPRequestHandler):
    """A plain file host."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that a test may damage it."""
    given = os.environ.get("MODELSCAN_PUBLISHED")
    source = Path(given) if given else request.getfixturevalue("built").published
    assert (source / "site" / "index.html").exists(), f"{source}: has no explorer; run `make build` first"
    copy = tmp_path_factory.mktemp("site") / "registry"
    shutil.copytree(source, copy)
    return copy


@pytest.fixture(scope="module")
def host(published: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(published)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/site/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Page:
    """The one tab, wide and light, with nothing heard yet."""
    browser.size(1280)
    browser.theme("light")
    browser.call("Network.setCacheDisabled", cacheDisabled=True)
    browser.run("location.protocol === 'http:' && localStorage.clear()")
    browser.requests.clear()
    browser.complaints.clear()
    return browser


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_is_shown_whole_without_a_complaint_or_a_request_elsewhere(
    address: str, page: Page, host: str
) -> None:
    page.open(host + address)
    root = host.removesuffix("site/")
    assert [url for url in page.requests if not url.startswith(root)] == []
    assert page.complaints == []
    assert page.run("document.querySelectorAll('h1').length") == 1
    assert page.run("document.querySelectorAll('[role=alert]').length") == 0


@pytest.mark.parametrize("address", ["index.html", "index.html?gpu=any", f"model.html?id={MODEL}"])
def test_the_whole_catalogue_is_usable_within_a_second(address: str, page: Page, host: str) -> None:
    taken = []
    for _ in range(3):
        page.open(host + address)
        taken.append(page.run("performance.getEntriesByName('usable')[0].startTime"))
    print(f"{address}: usable after {', '.join(f'{one:.0f}' for one in taken)} ms")
    assert sorted(taken)[1] < MOST_MS


def test_another_card_gives_another_answer_and_the_address_brings_it_back(page: Page, host: str) -> None:
    page.open(host + "index.html")
    before = page.run("document.getElementById('answer').textContent")
    page.run("gpu.value = 'h200-141gb'; gpu.dispatchEvent(new Event('change', {bubbles: true}))")
    page.until(f"document.getElementById('answer').textContent !== {before!r}")
    after = page.run("document.getElementById('answer').textContent")
    page.open(page.run("location.href"))
    assert page.run("document.getElementById('answer').textContent") == after
    assert page.run("document.getElementById('answer').ariaLive") == "polite"


def test_the_answer_is_what_the_published_fit_says(page: Page, host: str, published: Path) -> None:
    for gpu, count in (("rtx-4090", 1), ("h100-80gb", 8)):
        page.open(f"{host}index.html?gpu={gpu}&count={count}")
        row = duckdb.execute(
            """SELECT count(DISTINCT v.model) FROM read_parquet(?) f
               JOIN read_parquet(?) v ON v.id = f.variant_id WHERE f.count = ? AND f.verdict = 'fits'""",
            [
                str(published / "fit" / f"{gpu}.parquet"),
                str(published / "tables" / "variants.parquet"),
                count,
            ],
        ).fetchone()
        assert row
        assert page.run("document.querySelector('#answer strong').textContent").startswith(f"{row[0]} of ")


def published_row(published: Path, gpu: str, count: int, variant: str) -> dict[str, Any]:
    """A verdict as ``fit/<gpu>.parquet`` has it."""
    found = duckdb.execute(
        "SELECT * FROM read_parquet(?) WHERE count = ? AND variant_id = ?",
        [str(published / "fit" / f"{gpu}.parquet"), count, variant],
    )
    names = [column[0] for column in found.description]
    row = found.fetchone()
    assert row
    return dict(zip(names, row, strict=True))


@pytest.mark.parametrize(("gpu", "count"), [("h100-80gb", 1), ("rtx-3060-12gb", 1), ("rtx-3060-12gb", 2)])
def test_a_model_on_a_card_shows_the_published_sum_of_its_memory(
    gpu: str, count: int, page: Page, host: str, published: Path
) -> None:
    page.open(f"{host}model.html?id={MODEL}&gpu={gpu}&count={count}")
    variant = page.run("document.querySelector('.verdict code').textContent")
    row = published_row(published, gpu, count, variant)
    lines = page.run(
        "Object.fromEntries([...document.querySelectorAll('.sum tr')]"
        ".map((line) => [line.className, parseFloat(line.lastChild.textContent)]))"
    )
    assert lines["weights"] == pytest.approx(row["weights_gib"], rel=0.01, abs=0.06)
    assert lines["rest"] + lines["weights"] + lines["kv"] == pytest.approx(lines["total"], abs=0.2)
    assert lines["card"] - lines["rest"] - lines["weights"] == pytest.approx(row["kv_pool_gib"], abs=0.2)
    if row["verdict"] == "does_not_fit":
        assert lines["short"] == pytest.approx(row["missing_gib"], abs=0.2)
    else:
        assert lines["spare"] == pytest.approx(lines["card"] - lines["total"], abs=0.2)
    command = page.run("document.querySelector('.command code').textContent")
    assert command == f"modelscan fit {MODEL} --gpu {gpu}:{count} --variant {variant}"


def test_a_card_chosen_on_one_page_is_the_card_of_the_next(page: Page, host: str) -> None:
    page.open(host + "index.html?gpu=a10&count=2")
    page.run("gpu.value = 'l40s'; gpu.dispatchEvent(new Event('change', {bubbles: true}))")
    page.until("document.querySelector('caption').textContent.includes('L40S')")
    target = page.run("document.querySelector('tbody th a').href")
    assert target.endswith("&gpu=l40s&count=2")
    page.open(target)
    assert "2 × NVIDIA L40S" in page.run("document.querySelector('.verdict').textContent")
    page.open(host + "index.html")
    assert page.run("gpu.value + count.value") == "l40s2"


def test_slices_that_cannot_work_as_one_are_told_so_on_both_pages(page: Page, host: str) -> None:
    asked = "gpu=a100-40gb-mig-1g.5gb&count=2"
    page.open(f"{host}index.html?{asked}")
    assert "Choose 1 ×" in page.run("document.querySelector('[role=alert]').textContent")
    page.open(f"{host}model.html?id={MODEL}&{asked}")
    assert "cannot work as one" in page.run("document.getElementById('oncard').textContent")


def test_asking_for_a_context_shows_what_holds_it_and_nothing_else(page: Page, host: str) -> None:
    counted = {}
    for least in (8000, 32000, 128000):
        page.open(f"{host}index.html?gpu=rtx-4090&show={least}")
        counted[least] = int(page.run("document.querySelector('#answer strong').textContent").split()[0])
        shown = page.run("document.querySelector('caption').textContent")
        assert shown.startswith(f"{counted[least]} models on ")
        contexts = page.run(
            "[...document.querySelectorAll('td[data-label=Context]')].map((c) => c.textContent)"
        )
        assert contexts
        assert all(text.endswith("M") or int(text.removesuffix("K")) >= least // 1000 for text in contexts)
    assert counted[8000] > counted[32000] > counted[128000]


def test_an_empty_answer_says_why_and_a_button_shows_what_there_is(page: Page, host: str) -> None:
    page.open(host + "index.html?gpu=rtx-2060-6gb&q=kimi")
    assert "none runs" in page.run("document.querySelector('#results .note').textContent")
    page.run("document.querySelector('#results button').click()")
    page.until("document.querySelectorAll('tbody tr').length > 1")
    assert page.run("document.getElementById('show').value") == "all"


def test_the_registrys_index_vouches_for_every_file_of_the_explorer(published: Path) -> None:
    index = read_index(published)
    assert index
    named = {entry.path for entry in index.files}
    there = {
        path.relative_to(published).as_posix() for path in (published / "site").rglob("*") if path.is_file()
    }
    assert there | {"types.d.ts"} <= named
    assert verify_published(published) == []


def test_searching_narrows_and_finds_by_the_name_of_a_checkpoint(
    page: Page, host: str, published: Path
) -> None:
    fitted = json.loads((published / "fit" / "rtx-4090.json").read_bytes())["rows"]
    checkpoint = max((row[0].partition("/")[2] for row in fitted if row[1] == "fits"), key=len)
    lines = map(json.loads, (published / "variants.jsonl").read_text("utf-8").splitlines())
    model = next(row["model"] for row in lines if row["id"].endswith(f"/{checkpoint}"))
    page.open(host + f"index.html?gpu=any&q={checkpoint}")
    rows = page.run("[...document.querySelectorAll('tbody th a')].map((a) => a.href)")
    assert rows
    assert len(rows) < 5
    assert any(model.partition("/")[2] in row for row in rows)
    page.open(host + "index.html?gpu=any&q=no+such+thing")
    assert page.run("document.querySelectorAll('tbody tr').length") == 0


def test_a_column_sorts_both_ways_by_keyboard_and_says_so(page: Page, host: str) -> None:
    page.open(host + "index.html?gpu=any")
    buttons = "[...document.querySelectorAll('thead button')]"
    page.run(f"{buttons}.find((button) => button.textContent.startsWith('Offers')).focus()")
    orders = []
    for _ in range(2):
        page.press("Enter", 13)
        page.call("Input.dispatchKeyEvent", type="char", text="\r")
        page.until("document.activeElement.textContent.startsWith('Offers')")
        orders.append(page.run("document.activeElement.closest('th').ariaSort"))
    assert set(orders) == {"ascending", "descending"}


def test_the_first_tab_stop_leads_past_the_header(page: Page, host: str) -> None:
    page.open(host + "index.html")
    page.press("Tab", 9)
    assert page.run("document.activeElement.getAttribute('href')") == "#main"
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_a_models_page_has_documents_to_copy_and_who_said_what(page: Page, host: str) -> None:
    page.open(f"{host}model.html?id={MODEL}")
    page.until("document.querySelector('pre code').textContent.startsWith('vllm serve')")
    assert f"modelscan manifest {MODEL} --gpu " in page.run("document.getElementById('launch').innerText")
    page.run("[...document.querySelectorAll('.tabs button')].find((b) => b.textContent === 'KServe').click()")
    page.until("document.querySelector('pre code').textContent.includes('InferenceService')")
    page.run("document.querySelector('.copy').click()")
    page.until("/^(Copied|Selected)/.test(document.getElementById('status').textContent)")
    assert page.run("document.querySelectorAll('#sources .disputed').length") >= 1
    sources = page.run(
        "[...document.querySelectorAll('#sources td[data-label=Source]')].map((cell) => cell.textContent)"
    )
    assert all(sources)
    assert page.run("document.querySelectorAll('.tile').length") > 100


def test_markup_in_a_name_stays_text_and_a_changed_price_is_drawn_over_time(
    page: Page, host: str, published: Path
) -> None:
    path = published / "site" / "data" / "models" / f"{part_of(MODEL)}.json"
    whole = path.read_bytes()
    part = json.loads(whole)
    name = "<img src=x onerror=alert(1)>"
    part["models"][MODEL]["model"]["name"] = name
    terms = ["seller", "its-model", 1.0, 2.0, None, 1000, None, "2026-09-30", [["2026-08-01", 2.0]]]
    part["models"][MODEL]["offers"].append(terms)
    path.write_text(json.dumps(part))
    try:
        page.open(f"{host}model.html?id={MODEL}")
        assert page.run("document.querySelector('h1').textContent") == name
        assert page.run("document.querySelectorAll('main img').length") == 0
        told = page.run("document.querySelector('.chart svg').getAttribute('aria-label')")
        assert "seller: $2.00 from 2026-08-01, $1.00 from 2026-09-30" in told
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("address", ["model.html?id=nobody/nothing", "gpu.html?id=abacus", "model.html"])
def test_a_wrong_id_is_told_and_leads_on(address: str, page: Page, host: str) -> None:
    page.open(host + address)
    assert page.run("document.querySelector('[role=alert]').textContent")
    assert page.run("document.querySelector('main a').href").startswith(host)


@pytest.mark.parametrize("page_of", ["index.html?", f"model.html?id={MODEL}&"])
def test_a_card_that_is_wrong_is_told_and_the_page_still_answers(page_of: str, page: Page, host: str) -> None:
    page.open(f"{host}{page_of}gpu=abacus")
    assert "no card abacus" in page.run("document.querySelector('[role=alert]').textContent")
    assert page.run("document.querySelectorAll('table').length") >= 1


def test_given_a_network_that_comes_back_the_same_choice_is_answered(page: Page, host: str) -> None:
    page.open(host + "index.html?gpu=rtx-4090")
    choose = "gpu.value = 'l4'; gpu.dispatchEvent(new Event('change', {bubbles: true}))"
    limits = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.call("Network.emulateNetworkConditions", offline=True, **limits)
    try:
        page.run(choose)
        page.until("document.querySelector('[role=alert]')")
        assert "data/fit/l4.json" in page.run("document.querySelector('[role=alert]').textContent")
    finally:
        page.call("Network.emulateNetworkConditions", offline=False, **limits)
    page.run(choose)
    page.until("document.querySelector('caption')?.textContent.includes('L4')")


def test_a_lab_that_is_wrong_is_answered_with_the_model_that_was_meant(page: Page, host: str) -> None:
    page.open(host + f"model.html?id=nobody/{MODEL.partition('/')[2]}")
    assert page.run("document.querySelector('main li a').textContent") == MODEL
    page.open(host + f"compare.html?a={MODEL.partition('/')[2]}&b=openai/gpt-oss-120b")
    page.until("document.querySelectorAll('table').length === 2")
    assert page.run("document.getElementById('a').value") == MODEL


@pytest.mark.parametrize("damage", [None, b'{"half'])
def test_given_a_missing_or_half_written_file_the_page_names_it_and_serves_nothing_half(
    damage: bytes | None, page: Page, host: str, published: Path
) -> None:
    path = published / "site" / "data" / "fit" / "a10.json"
    whole = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage)
    try:
        page.open(host + "index.html?gpu=a10")
        told = page.run("document.querySelector('[role=alert]').textContent")
        assert "data/fit/a10.json" in told
        assert page.run("document.querySelectorAll('table').length") == 0
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("address", [ADDRESSES[1], *ADDRESSES[3:]])
def test_a_phone_shows_every_page_without_scrolling_sideways(address: str, page: Page, host: str) -> None:
    page.size(390)
    page.open(host + address)
    assert page.run("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "address", [ADDRESSES[1], f"{ADDRESSES[3]}&gpu=rtx-3060-12gb&count=1", ADDRESSES[5], ADDRESSES[7]]
)
def test_all_text_stands_out_from_its_ground(address: str, scheme: str, page: Page, host: str) -> None:
    page.theme(scheme)
    page.open(host + address)
    assert page.run(CONTRAST.read_text("utf-8")) == []


def test_the_toggle_overrides_the_system_and_is_remembered(page: Page, host: str) -> None:
    page.open(host + "changes.html")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.run(ground)
    page.run("document.getElementById('theme').click()")
    page.until(f"{ground} !== '{light}'")
    page.open(host + "gpu.html?id=rtx-4090")
    assert page.run(ground) != light
