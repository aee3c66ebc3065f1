"""What the documents name exists: pages, headings, files, commands with their options, settings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from modelscan_catalog.cli.main import cli
from modelscan_catalog.settings import REPOSITORY_ROOT, Settings
from modelscan_catalog.settings.names import environment_warnings

DOCS = REPOSITORY_ROOT / "docs"
PAGES = [
    *sorted(DOCS.glob("*.md")),
    REPOSITORY_ROOT / "CONTRIBUTING.md",
    REPOSITORY_ROOT / "README.md",
]
TOP_FOLDERS = "assets|benchmarks|deploy|docs|modelscan_catalog|notebooks|pipelines|registry|schemas|tests"
NOT_SETTINGS = {"MODELSCAN_LISTEN", "MODELSCAN_CUTOFFS_URL"}
"""One of the compose files, and one that an example adds."""
MADE_BY_READERS = {
    "deploy/sellers.env",
    "modelscan_catalog/sources/cutoffs.py",
    "modelscan_catalog/state/migrations/NNNN_topic.sql",
    "registry/fit/measured_speeds.jsonl",
    "registry/onboarding/confirmations",
    "registry/onboarding/confirmations/PROVIDER.json",
}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def code_of(page: Path) -> Iterator[str]:
    """Lines of blocks of code, and code within sentences."""
    fenced = False
    for line in page.read_text("utf-8").replace("\\\n", " ").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


def commands_of(page: Path) -> Iterator[list[str]]:
    """Arguments of every ``modelscan`` that a page has one type."""
    for code in code_of(page):
        if code.startswith("kubectl"):  # `modelscan` is a namespace there
            continue
        for call in re.findall(r"\bmodelscan (?=[a-z])(.*)", code):
            words = shlex.shlex(re.sub(r"[][]", "", call), posix=True, punctuation_chars=True)
            words.whitespace_split = True
            arguments = []
            for word in words:
                if re.fullmatch(r"[|&;()<>]+", word):
                    break
                arguments.append(word)
            yield [word for word in arguments if "…" not in word]


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors_of(found), target


@every_page
def test_every_command_has_the_named_options(page: Path) -> None:
    for arguments in commands_of(page):
        command: click.Command = cli
        context = click.Context(cli, info_name="modelscan")
        rest = arguments
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            found = command.get_command(context, rest[0])
            assert found is not None, f"modelscan {shlex.join(arguments)}: no {rest[0]}"
            command, rest = found, rest[1:]
            context = click.Context(command, parent=context)
        try:
            _, left, _ = command.make_parser(context).parse_args(rest)
        except click.UsageError as error:
            pytest.fail(f"modelscan {shlex.join(arguments)}: {error.message}")
        assert left == [], f"modelscan {shlex.join(arguments)}"


@every_page
def test_every_file_and_make_target_that_is_named_is_there(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY_ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for code in code_of(page):
        if re.fullmatch(rf"(?:{TOP_FOLDERS})/[\w./-]*", code) and code not in MADE_BY_READERS:
            assert (REPOSITORY_ROOT / code).exists(), code
        for target in re.findall(r"^make ([a-z-]+)", code):
            assert target in targets, code


@every_page
def test_every_setting_that_is_named_is_read(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = set(re.findall(r"\bMODELSCAN_[A-Z0-9_]+\b", page.read_text("utf-8"))) - NOT_SETTINGS
    for name in names:
        monkeypatch.setenv(name, "1")
    assert [
        line for line in environment_warnings(Settings.model_fields) if line.startswith(tuple(names))
    ] == []


def test_the_index_lists_every_page() -> None:
    index = (DOCS / "README.md").read_text("utf-8")
    assert [page.name for page in DOCS.glob("*.md") if f"({page.name}" not in index] == ["README.md"]


def test_the_contract_names_everything_that_is_published() -> None:
    contract = (DOCS / "registry-contract.md").read_text("utf-8")
    published = (REPOSITORY_ROOT / "registry" / "published").iterdir()
    assert [entry.name for entry in published if f"`{entry.name}" not in contract] == []
