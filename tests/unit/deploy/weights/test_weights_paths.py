"""Names that become paths."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.deploy.weights.paths import (
    checked_file,
    checked_repo,
    checked_revision,
    inside,
    install_directory,
    parsed_name,
)
from modelscan_catalog.errors import WeightsError

COMMIT = "ab" * 20
ROOT = Path("/srv/weights")


@pytest.mark.parametrize(
    "repo",
    [
        "",
        "gpt2",
        "a/b/c",
        "../b",
        "a/..",
        "a/b..c",
        "/b",
        "a/",
        "a b/c",
        "a/b\n",
        "-a/b",
        "a/.b",
        "a\\b/c",
        "é/b",
    ],
)
def test_what_is_no_repository_is_refused(repo: str) -> None:
    with pytest.raises(WeightsError, match="write it as owner/name"):
        checked_repo(repo)


@pytest.mark.parametrize("revision", ["", "..", "a/../b", "/main", "-x", "a//b", "a b", "refs\n", "x" * 201])
def test_what_is_no_revision_is_refused(revision: str) -> None:
    with pytest.raises(WeightsError, match="not the name of a branch"):
        checked_revision(revision)


@pytest.mark.parametrize("revision", ["main", "refs/pr/12", "v1.0", COMMIT])
def test_branches_tags_and_commits_are_revisions(revision: str) -> None:
    assert checked_revision(revision) == revision


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../x",
        "a//x",
        "a/./x",
        "a\\..\\x",
        "C:x",
        "a\0b",
        "a\nb",
        ".modelscan.json",
        "x" * 401,
    ],
)
def test_what_is_no_plain_file_of_a_repository_is_refused(path: str) -> None:
    with pytest.raises(WeightsError, match="not a plain path"):
        checked_file(path)


@given(st.text(alphabet=st.sampled_from("ab./\\-_ \0\n:~é"), max_size=12) | st.text(max_size=12))
def test_whatever_is_accepted_stays_below_the_root(text: str) -> None:
    for name in (lambda: checked_file(text), lambda: f"{checked_repo(text)}/x", lambda: parsed_name(text)[1]):
        try:
            accepted = name()
        except WeightsError:
            continue
        assert (ROOT / accepted).resolve().is_relative_to(ROOT)
        assert (ROOT / accepted).resolve() != ROOT


def test_an_install_lies_at_hub_owner_name_revision(tmp_path: Path) -> None:
    assert install_directory(tmp_path, "modelscope", "Qwen/Qwen3-8B", COMMIT) == (
        tmp_path / "modelscope" / "Qwen" / "Qwen3-8B" / COMMIT
    )
    with pytest.raises(WeightsError, match="cannot be a directory"):
        install_directory(tmp_path, "modelscope", "Qwen/Qwen3-8B", "refs/pr/1")


@pytest.mark.parametrize(
    "linked", ["huggingface", "huggingface/a", "huggingface/a/b", "huggingface/a/b/config.json"]
)
def test_nothing_is_reached_through_a_link(tmp_path: Path, linked: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    root = tmp_path / "root"
    (root / linked).parent.mkdir(parents=True)
    (root / linked).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WeightsError, match="symbolic link"):
        inside(root, "huggingface/a/b/config.json")


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    assert inside(tmp_path / "root", "huggingface/x") == tmp_path / "disk" / "huggingface" / "x"


@pytest.mark.parametrize("relative", ["", "/x", "../x", "a/../../x", "a\0"])
def test_nothing_outside_the_root_is_inside(tmp_path: Path, relative: str) -> None:
    with pytest.raises(WeightsError, match="not a path below"):
        inside(tmp_path, relative)


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("Qwen/Qwen3-8B", (None, "Qwen/Qwen3-8B", None)),
        ("Qwen/Qwen3-8B/abc", (None, "Qwen/Qwen3-8B", "abc")),
        ("huggingface/Qwen/Qwen3-8B", ("huggingface", "Qwen/Qwen3-8B", None)),
        (f"modelscope/Qwen/Qwen3-8B/{COMMIT}/", ("modelscope", "Qwen/Qwen3-8B", COMMIT)),
    ],
)
def test_names_may_leave_out_hub_and_revision(name: str, parsed: tuple[str | None, str, str | None]) -> None:
    assert parsed_name(name) == parsed


@pytest.mark.parametrize("name", ["", "Qwen", "../Qwen", "a/b/c/d/e", "huggingface/../x/y"])
def test_what_names_no_weights_is_refused(name: str) -> None:
    with pytest.raises(WeightsError):
        parsed_name(name)
