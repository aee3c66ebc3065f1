"""The explorer's files: complete, escaped, closed to the outside, the same for the same registry."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from site_registry import AT, NASTY, write_registry

from modelscan_catalog.errors import PublishError
from modelscan_catalog.publish.checks import check_no_prose, check_no_secrets
from modelscan_catalog.site.changes import alike, change_groups
from modelscan_catalog.site.explorer import write_explorer
from modelscan_catalog.site.pages import PAGES, static_files

ATOM = {"a": "http://www.w3.org/2005/Atom"}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_explorer(write_registry(tmp_path), AT)
    return tmp_path / "site"


class References(HTMLParser):
    """Addresses, ids, labels and inline code of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.labelled: set[str] = set()
        self.fields: list[dict[str, str | None]] = []
        self.inline: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.addresses += [value for name in ("src", "href") if (value := given.get(name))]
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        if tag == "script" and "src" not in given:
            self.inline.append("script")
        if tag == "label" and (target := given.get("for")):
            self.labelled.add(target)
        if tag in ("input", "select") and given.get("type") != "checkbox":
            self.fields.append(given)


@pytest.fixture
def pages(site: Path) -> dict[str, References]:
    read = {}
    for page in PAGES:
        if page.endswith(".html"):
            read[page] = References()
            read[page].feed((site / page).read_text("utf-8"))
    return read


def test_every_address_in_a_page_is_a_file_of_the_site_or_the_registry(
    site: Path, pages: dict[str, References]
) -> None:
    for page, found in pages.items():
        for address in found.addresses:
            path = address.split("?")[0].split("#")[0]
            assert not re.match(r"[a-z]+:|//", address), (page, address)
            if path and not path.startswith("../"):  # the fixture has no index and no API
                assert (site / path).exists(), (page, address)


def test_no_page_has_code_or_styles_of_its_own_so_that_the_policy_can_forbid_them(
    site: Path, pages: dict[str, References]
) -> None:
    for page, found in pages.items():
        assert found.inline == [], page
        assert "script-src 'self'" in (site / page).read_text("utf-8")


def test_every_field_has_a_label_and_every_page_has_its_landmarks(pages: dict[str, References]) -> None:
    for page, found in pages.items():
        assert {field["id"] for field in found.fields} <= found.labelled, page
        assert {"header", "nav", "main", "footer"} <= set(found.tags), page


def test_no_script_parses_text_as_markup_or_code_and_none_names_a_host_to_load_from() -> None:
    for name, content in static_files().items():
        if name.endswith(".js"):
            script = content.decode()
            for forbidden in (
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
            ):
                assert forbidden not in script, (name, forbidden)
            assert not re.search(r"(fetch|import)\s*\(?\s*[\"'`]https?:", script), name


def test_given_a_name_with_markup_then_the_feed_and_pages_hold_it_as_text(tmp_path: Path) -> None:
    root = write_registry(tmp_path)
    row = {"record": f"offer:a/{NASTY}", "change": "changed", "field": NASTY, "before": NASTY, "after": 1}
    (root / "changes.jsonl").write_text(json.dumps(row) + "\n")
    write_explorer(root, AT)
    assert "<img" not in (root / "site" / "changes.html").read_text("utf-8")
    titles = ElementTree.parse(root / "site" / "changes.atom").getroot().findall("a:entry/a:title", ATOM)
    assert titles[0].text == f"Offer a/{NASTY} changed"


def test_the_feed_has_an_entry_a_record_with_the_elements_that_atom_requires(site: Path) -> None:
    feed = ElementTree.parse(site / "changes.atom").getroot()
    entries = feed.findall("a:entry", ATOM)
    assert feed.findtext("a:updated", namespaces=ATOM) == AT
    for node in (feed, *entries):
        assert all(node.findtext(f"a:{name}", namespaces=ATOM) for name in ("id", "title", "updated"))
    assert [entry.findtext("a:title", namespaces=ATOM) for entry in entries] == [
        "Model lab/small added",
        "Offer a/big changed",
        "Model lab/gone withdrawn: no longer listed",
    ]
    assert len({entry.findtext("a:id", namespaces=ATOM) for entry in entries}) == len(entries)


def test_a_record_that_was_told_as_removed_is_not_told_again_as_withdrawn() -> None:
    gone = {"record": "model:lab/x", "last_seen": AT, "reason": "no longer listed"}
    removed = {"record": "model:lab/x", "change": "removed", "observed_at": AT}
    assert [group.title for group in change_groups([removed], [gone], AT)] == ["Model lab/x removed"]


def test_records_to_which_the_same_happened_are_told_together_in_the_order_of_the_first() -> None:
    rows = [
        {
            "record": f"model:lab/{name}",
            "change": "changed",
            "field": "status",
            "before": None,
            "after": after,
        }
        for name, after in (("a", "beta"), ("b", "deprecated"), ("c", "beta"))
    ]
    told = [[group.name for group in groups] for groups in alike(change_groups(rows, [], AT))]
    assert told == [["lab/a", "lab/c"], ["lab/b"]]


def test_given_thousands_of_changes_the_page_and_the_feed_stay_small_and_say_what_they_leave_out(
    tmp_path: Path,
) -> None:
    root = write_registry(tmp_path)
    rows = ({"record": f"offer:a/{number}", "change": "added", "observed_at": AT} for number in range(5000))
    (root / "changes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sizes = write_explorer(root, AT)
    assert max(sizes["changes.html"], sizes["changes.atom"]) < 300_000
    assert "4,701 more records" in (root / "site" / "changes.html").read_text("utf-8")


def test_the_same_registry_gives_the_same_bytes(tmp_path: Path) -> None:
    root = write_registry(tmp_path)

    def written() -> dict[str, bytes]:
        write_explorer(root, AT)
        return {path.name: path.read_bytes() for path in (root / "site").rglob("*") if path.is_file()}

    assert written() == written()


def test_only_cards_with_a_published_fit_can_be_chosen(site: Path) -> None:
    assert 'value="unfitted"' not in (site / "index.html").read_text("utf-8")
    known = json.loads((site / "data" / "catalogue.json").read_bytes())
    assert known["gpus"] == [["rtx-4090", "NVIDIA rtx-4090", "rtx-4090, 80 GB", 80, 79.15, None]]
    assert known["gpu_groups"] == [["NVIDIA", ["rtx-4090"]]]
    assert known["fewest"] == {"rtx-4090": "4x"}


def test_its_data_passes_the_registrys_checks_of_prose_and_secrets(site: Path) -> None:
    for path in site.rglob("*.json"):
        text = path.read_text("utf-8")
        assert check_no_prose(path.name, [json.loads(text)]).passed
        assert check_no_secrets({path.name: text}).passed


def test_given_no_profiles_the_error_says_what_to_do(tmp_path: Path) -> None:
    root = write_registry(tmp_path)
    (root / "gpu_profiles.json").unlink()
    with pytest.raises(PublishError, match=r"gpu_profiles\.json: cannot be read.*modelscan build"):
        write_explorer(root, AT)
