"""Claims about installing weights, with the hubs' real clients against a server on loopback."""

import json
from pathlib import Path
from typing import Any

import pytest
from weights_claims import (
    CONTENT,
    FILES,
    HELD,
    NEEDED,
    REPO,
    WEIGHTS,
    assert_whole,
    both_hubs,
    listed,
    request,
    silent,
)
from weights_hub_server import COMMIT, OTHER_COMMIT, FakeHub

from modelscan_catalog.deploy.weights import (
    InstallRequest,
    find_install,
    find_local,
    install_weights,
)
from modelscan_catalog.deploy.weights.library import (
    delete_install,
    directory_of,
    drop_damaged,
    partials,
    verify_install,
)
from modelscan_catalog.errors import WeightsError
from modelscan_catalog.settings import Settings


@both_hubs
def test_an_install_has_what_an_engine_needs_at_the_commit_and_no_duplicate(
    hub: FakeHub, settings: Settings, name: str
) -> None:
    install = install_weights(settings, request(name), silent)
    assert_whole(settings, install)
    assert install.name == f"{name}/{REPO}/{COMMIT}"
    assert {path for _, path, _ in hub.asked} == NEEDED
    checks = {file.path: file.checked for file in install.files}
    assert checks[WEIGHTS] == "sha256"
    assert checks["config.json"] == ("git_sha1" if name == "huggingface" else "sha256")
    assert install.files == find_install(settings.weights_dir, REPO).files


@both_hubs
def test_nothing_is_written_to_the_home_directory_and_nothing_else_is_asked(
    hub: FakeHub, settings: Settings, name: str, tmp_path: Path
) -> None:
    install_weights(settings, request(name), silent)
    assert not (tmp_path / "home").exists()
    known = ("/api/models/", "/api/v1/models/", f"/{REPO}/resolve/", "/cdn/", "/api/v1/repos/internalAccel")
    assert [path for path in hub.paths if not path.startswith(known)] == []


def test_a_second_install_fetches_nothing(hub: FakeHub, settings: Settings) -> None:
    first = install_weights(settings, request("huggingface"), silent)
    hub.asked.clear()
    assert install_weights(settings, request("huggingface"), silent).files == first.files
    assert hub.asked == []


def test_a_commit_that_is_here_needs_no_hub(hub: FakeHub, settings: Settings) -> None:
    first = install_weights(settings, request("modelscope", revision=COMMIT), silent)
    hub.silent = True
    assert install_weights(settings, request("modelscope", revision=COMMIT), silent) == first


def test_files_of_another_revision_with_the_same_sha_are_not_fetched_again(
    hub: FakeHub, settings: Settings
) -> None:
    before = install_weights(settings, request("huggingface"), silent)
    hub.add(REPO, {**FILES, "config.json": b'{"fixed": true}'}, commit=OTHER_COMMIT)
    hub.asked.clear()
    after = install_weights(settings, request("huggingface"), silent)
    assert (after.revision, hub.times(WEIGHTS)) == (OTHER_COMMIT, 0)
    here, there = (directory_of(settings.weights_dir, install) / WEIGHTS for install in (before, after))
    assert here.samefile(there)
    delete_install(settings.weights_dir, before)
    assert there.read_bytes() == CONTENT
    assert find_local(REPO, None, settings.weights_dir) == there.parent


@both_hubs
def test_a_cut_connection_is_resumed_where_it_broke(hub: FakeHub, settings: Settings, name: str) -> None:
    hub.cuts[WEIGHTS] = [12_000_000, 5_000_000]
    assert_whole(settings, install_weights(settings, request(name), silent))
    ranges = [wanted for _, path, wanted in hub.asked if path == WEIGHTS]
    assert ranges[0] is None
    starts = [int(str(wanted).removeprefix("bytes=").rstrip("-")) for wanted in ranges[1:]]
    assert starts == sorted(starts)
    assert starts[0] >= 10_000_000


@both_hubs
def test_a_hub_that_ignores_ranges_gives_the_right_file_too(
    hub: FakeHub, settings: Settings, name: str
) -> None:
    hub.cuts[WEIGHTS], hub.ignores_ranges = [12_000_000], True
    assert_whole(settings, install_weights(settings, request(name), silent))


@both_hubs
def test_a_stopped_install_goes_on_where_it_stopped(hub: FakeHub, settings: Settings, name: str) -> None:
    hub.holds[WEIGHTS] = HELD

    def stop(**progress: Any) -> None:
        if (progress.get("done") or 0) > 10_000_000:
            raise WeightsError("pulled the plug")

    with pytest.raises(WeightsError, match="pulled the plug"):
        install_weights(settings, request(name), stop)
    assert listed(settings) == []
    ((left, kept),) = partials(settings.weights_dir)
    assert left == f"{name}/{REPO}/{COMMIT}"
    assert kept > 10_000_000
    hub.release()
    hub.asked.clear()
    assert_whole(settings, install_weights(settings, request(name), silent))
    assert all(wanted is not None for _, path, wanted in hub.asked if path == WEIGHTS)


def test_a_hub_that_fails_is_asked_again_by_its_client(hub: FakeHub, settings: Settings) -> None:
    hub.statuses[WEIGHTS] = [429]
    assert_whole(settings, install_weights(settings, request("huggingface"), silent))


def test_one_gguf_file_is_fetched_when_it_is_asked_for(hub: FakeHub, settings: Settings) -> None:
    hub.add("acme/gguf", {"tiny-Q4_K_M.gguf": b"four", "tiny-Q8_0.gguf": b"eight", "config.json": b"{}"})
    both = InstallRequest.model_validate({"hub": "huggingface", "repo": "acme/gguf"})
    with pytest.raises(WeightsError, match=r"several GGUF models, choose one with --file: tiny-Q4_K_M\.gguf"):
        install_weights(settings, both, silent)
    one = both.model_copy(update={"files": ("*Q4_K_M*",)})
    assert {file.path for file in install_weights(settings, one, silent).files} == {
        "tiny-Q4_K_M.gguf",
        "config.json",
    }
    other = both.model_copy(update={"files": ("tiny-Q8_0.gguf",)})
    hub.asked.clear()
    install = install_weights(settings, other, silent)
    assert {path for _, path, _ in hub.asked} == {"tiny-Q8_0.gguf"}
    assert len(install.files) == 3
    assert listed(settings) == [install]


def test_damage_is_found_dropped_and_mended_by_fetching_only_that(hub: FakeHub, settings: Settings) -> None:
    install = install_weights(settings, request("huggingface"), silent)
    folder = directory_of(settings.weights_dir, install)
    assert verify_install(settings.weights_dir, install, lambda count: None) == []
    (folder / "tokenizer.json").write_bytes(FILES["tokenizer.json"][::-1])
    (folder / "config.json").unlink()
    damages = verify_install(settings.weights_dir, install, lambda count: None)
    assert {damage.path: damage.what for damage in damages} == {
        "config.json": "is gone",
        "tokenizer.json": "has other content than when it was installed",
    }
    drop_damaged(settings.weights_dir, install, damages)
    assert listed(settings) == []
    hub.asked.clear()
    assert_whole(settings, install_weights(settings, request("huggingface"), silent))
    assert hub.times(WEIGHTS) == 0


def test_the_index_is_json_that_other_programs_can_read(settings: Settings) -> None:
    install = install_weights(settings, request("huggingface"), silent)
    index = json.loads((directory_of(settings.weights_dir, install) / ".modelscan.json").read_text())
    assert index["source"] == settings.huggingface_url
    assert {"path", "bytes", "sha256", "checked"} == set(index["files"][0])
