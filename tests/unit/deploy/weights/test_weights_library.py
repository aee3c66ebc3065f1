"""What is installed is what has a whole index."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from modelscan_catalog.deploy.weights.addresses import described, inference_model_path, storage_uri
from modelscan_catalog.deploy.weights.library import (
    delete_install,
    delete_partial,
    directory_of,
    find_install,
    find_local,
    held,
    list_installs,
    partials,
    usage,
    write_index,
)
from modelscan_catalog.deploy.weights.records import Install, InstalledFile
from modelscan_catalog.errors import AmbiguousIdError, UnknownIdError, WeightsError
from modelscan_catalog.settings import load_settings

ONE, TWO = "aa" * 20, "bb" * 20


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def install(
    root: Path, revision: str = ONE, hub: str = "huggingface", when: str = "2026-01-01", **files: bytes
) -> Install:
    contents = {name.replace("__", "."): body for name, body in files.items()} or {
        "model.safetensors": b"weights"
    }
    made = Install.model_validate(
        {
            "hub": hub, "repo": "Qwen/Qwen3-8B", "revision": revision, "asked": ("main",), "wanted": ((),),
            "source": "https://hub.test", "installed_at": f"{when}T00:00:00+00:00",
            "files": tuple(
                InstalledFile(path=path, bytes=len(body), sha256=sha256(body), checked="sha256")
                for path, body in contents.items()
            ),
        }
    )  # fmt: skip
    for path, body in contents.items():
        place = directory_of(root, made) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
    write_index(root, made)
    return made


def test_a_folder_without_an_index_is_no_install(tmp_path: Path) -> None:
    made = install(tmp_path)
    (tmp_path / "huggingface" / "Qwen" / "Qwen3-8B" / TWO).mkdir()
    (tmp_path / "huggingface" / "Qwen" / "Qwen3-8B" / TWO / "model.safetensors").write_bytes(b"half")
    assert list_installs(tmp_path) == ([made], [])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"hub": "huggingface"}'])
def test_a_damaged_index_is_reported_and_does_not_hide_the_others(tmp_path: Path, text: str) -> None:
    made, other = install(tmp_path), install(tmp_path, TWO)
    (directory_of(tmp_path, other) / ".modelscan.json").write_text(text)
    found, problems = list_installs(tmp_path)
    assert found == [made]
    assert len(problems) == 1
    assert TWO in problems[0]


def test_an_index_that_names_a_file_outside_is_damaged(tmp_path: Path) -> None:
    index = directory_of(tmp_path, install(tmp_path)) / ".modelscan.json"
    index.write_text(index.read_text().replace("model.safetensors", "../../../x"))
    assert list_installs(tmp_path)[0] == []


def test_an_index_of_another_place_is_damaged(tmp_path: Path) -> None:
    made = install(tmp_path)
    directory_of(tmp_path, made).rename(tmp_path / "huggingface" / "Qwen" / "Qwen3-8B" / TWO)
    found, problems = list_installs(tmp_path)
    assert found == []
    assert "move the folder" in problems[0]


def test_a_name_may_be_short_while_it_means_one_install(tmp_path: Path) -> None:
    one = install(tmp_path)
    for name in (
        "Qwen/Qwen3-8B",
        "qwen/qwen3-8b",
        "huggingface/Qwen/Qwen3-8B",
        f"Qwen/Qwen3-8B/{ONE[:7]}",
        one.name,
    ):
        assert find_install(tmp_path, name) == one
    two = install(tmp_path, TWO)
    with pytest.raises(AmbiguousIdError) as caught:
        find_install(tmp_path, "Qwen/Qwen3-8B")
    assert caught.value.candidates == (one.name, two.name)
    assert find_install(tmp_path, f"Qwen/Qwen3-8B/{TWO[:4]}") == two
    with pytest.raises(UnknownIdError, match="not installed; there is Qwen/Qwen3-8B"):
        find_install(tmp_path, "Qwen/Qwen3-80B")


def test_local_weights_are_found_by_commit_by_branch_and_the_newest_without(tmp_path: Path) -> None:
    one, two = install(tmp_path), install(tmp_path, TWO, "modelscope", "2026-02-01")
    assert find_local("Qwen/Qwen3-8B", ONE, tmp_path) == directory_of(tmp_path, one)
    assert find_local("Qwen/Qwen3-8B", "main", tmp_path) == directory_of(tmp_path, two)
    assert find_local("Qwen/Qwen3-8B", None, tmp_path) == directory_of(tmp_path, two)
    assert find_local("Qwen/Qwen3-8B", "cc" * 20, tmp_path) is None
    assert find_local("Qwen/Qwen3-4B", None, tmp_path) is None


def test_weights_with_a_file_gone_are_not_local(tmp_path: Path) -> None:
    made = install(tmp_path)
    (directory_of(tmp_path, made) / "model.safetensors").unlink()
    assert find_local(made.repo, ONE, tmp_path) is None


def test_deleting_takes_the_folders_that_are_empty_then_and_nothing_else(tmp_path: Path) -> None:
    one, two = install(tmp_path), install(tmp_path, TWO, "modelscope")
    outside = tmp_path / "keep"
    outside.write_text("mine")
    (directory_of(tmp_path, one) / "link").symlink_to(outside)
    delete_install(tmp_path, one)
    assert list_installs(tmp_path) == ([two], [])
    assert not (tmp_path / "huggingface").exists()
    assert outside.read_text() == "mine"


def test_a_revision_behind_a_link_is_not_deleted(tmp_path: Path) -> None:
    made = install(tmp_path / "elsewhere")
    real = directory_of(tmp_path / "elsewhere", made)
    place = tmp_path / "root" / "huggingface" / "Qwen" / "Qwen3-8B" / ONE
    place.parent.mkdir(parents=True)
    place.symlink_to(real)
    with pytest.raises(WeightsError, match="symbolic link"):
        delete_install(tmp_path / "root", made)
    assert (real / "model.safetensors").exists()


def test_one_process_at_a_time_has_a_revision(tmp_path: Path) -> None:
    made = install(tmp_path)
    with (
        held(tmp_path, made.hub, made.repo, made.revision),
        pytest.raises(WeightsError, match="another process"),
    ):
        delete_install(tmp_path, made)
    assert list_installs(tmp_path)[0] == [made]


def test_usage_counts_files_that_revisions_share_once(tmp_path: Path) -> None:
    one, two = install(tmp_path), install(tmp_path, TWO)
    shared = directory_of(tmp_path, two) / "model.safetensors"
    before = usage(tmp_path, 0.85).installed_bytes
    shared.unlink()
    os.link(directory_of(tmp_path, one) / "model.safetensors", shared)
    found = usage(tmp_path, 0.85)
    assert (found.installs, before - found.installed_bytes) == (2, len(b"weights"))
    assert found.disk_bytes > found.disk_free_bytes > 0
    assert found.alert == (found.used_share >= 0.85)
    assert usage(tmp_path, 1e-9).alert


def test_usage_of_a_directory_that_is_not_there_yet_is_that_of_its_disk(tmp_path: Path) -> None:
    found = usage(tmp_path / "not" / "yet", 0.85)
    assert (found.installs, found.installed_bytes, found.partial_bytes) == (0, 0, 0)
    assert found.disk_bytes > 0


def test_what_an_interrupted_install_left_is_shown_and_can_be_removed(tmp_path: Path) -> None:
    name = f"huggingface/Qwen/Qwen3-8B/{ONE}"
    place = tmp_path / ".partial" / name
    place.mkdir(parents=True)
    (place / "model.safetensors.part").write_bytes(b"half")
    assert partials(tmp_path) == [(name, 4)]
    assert usage(tmp_path, 0.85).partial_bytes == 4
    ready, done = threading.Event(), threading.Event()

    def fetch() -> None:
        with held(tmp_path, "huggingface", "Qwen/Qwen3-8B", ONE):
            ready.set()
            done.wait(10)

    thread = threading.Thread(target=fetch)
    thread.start()
    ready.wait(10)
    with pytest.raises(WeightsError, match="another process"):
        delete_partial(tmp_path, name)
    done.set()
    thread.join()
    delete_partial(tmp_path, name)
    assert partials(tmp_path) == []


def test_addresses_name_the_claim_and_the_path_in_the_container(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, weights_pvc="models", inference_model_root="/mnt/models")
    made = install(tmp_path)
    assert storage_uri(settings, made.name) == f"pvc://models/huggingface/Qwen/Qwen3-8B/{ONE}"
    assert (
        inference_model_path(settings, made.name, [file.path for file in made.files])
        == f"/mnt/models/huggingface/Qwen/Qwen3-8B/{ONE}"
    )
    unclaimed = settings.model_copy(update={"weights_pvc": ""})
    assert described(unclaimed, made)["storageUri"] is None


@pytest.mark.parametrize(
    ("files", "tail"),
    [
        ({"a__gguf": b"x", "config__json": b"{}"}, "/a.gguf"),
        ({"a-00001-of-00002__gguf": b"x", "a-00002-of-00002__gguf": b"y"}, "/a-00001-of-00002.gguf"),
        ({"a__gguf": b"x", "b__gguf": b"y"}, ""),
        ({"a__gguf": b"x", "model__safetensors": b"y"}, ""),
    ],
)
def test_an_engine_is_given_the_file_of_a_gguf_model(
    tmp_path: Path, files: dict[str, bytes], tail: str
) -> None:
    made = install(tmp_path, **files)
    settings = load_settings(inference_model_root="/m")
    assert (
        inference_model_path(settings, made.name, [file.path for file in made.files])
        == f"/m/{made.name}{tail}"
    )
