"""Claims about installing weights, with the hubs' real clients against a server on loopback."""

import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from weights_hub_server import COMMIT, OTHER_COMMIT, FakeHub, sha256

from modelscan_catalog.deploy.weights import (
    Install,
    InstallRequest,
    find_install,
    find_local,
    install_weights,
    list_installs,
)
from modelscan_catalog.deploy.weights import install as install_module
from modelscan_catalog.deploy.weights.library import (
    delete_install,
    directory_of,
    drop_damaged,
    partials,
    verify_install,
)
from modelscan_catalog.deploy.weights.operations import new_install_job, run_install_job
from modelscan_catalog.errors import FetchError, ModelScanError, UnknownIdError, WeightsError
from modelscan_catalog.settings import Settings, load_settings
from modelscan_catalog.state import job as read_job
from modelscan_catalog.state import open_state
from modelscan_catalog.state.jobs import Job, cancel_job

REPO = "acme/tiny"
WEIGHTS = "model.safetensors"
CONTENT = random.Random(3).randbytes(16 * 1024 * 1024)
FILES = {
    WEIGHTS: CONTENT,
    "config.json": b'{"architectures": ["Qwen3ForCausalLM"]}',
    "tokenizer.json": b'{"version": "1.0"}',
    "tokenizer_config.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "README.md": b"# tiny",
    "pytorch_model.bin": b"pickle",
    "original/consolidated.00.pth": b"pickle",
    "onnx/model.onnx": b"graph",
}
NEEDED = {WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
HELD = 12 * 1024 * 1024
"""Where answers pause: HuggingFace's client writes in steps of 10 MiB."""
both_hubs = pytest.mark.parametrize("name", ["huggingface", "modelscope"])


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    found = FakeHub()
    found.add(REPO, FILES)
    yield found
    found.close()


@pytest.fixture
def settings(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for variable in ("HF_TOKEN", "HUGGINGFACE_API_TOKEN", "SLACK_WEBHOOK_URL", "WEIGHTS_STORAGE_PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return load_settings(data_dir=tmp_path / "data", huggingface_url=hub.url, modelscope_url=hub.url)


def request(name: str, **more: Any) -> InstallRequest:
    return InstallRequest.model_validate({"hub": name, "repo": REPO, **more})


def silent(**_: object) -> None:
    """A report that nobody reads."""


def listed(settings: Settings) -> list[Install]:
    installs, problems = list_installs(settings.weights_dir)
    assert problems == []
    return installs


def assert_whole(settings: Settings, install: Install) -> None:
    assert listed(settings) == [install]
    assert {file.path: file.sha256 for file in install.files} == {
        path: sha256(FILES[path]) for path in NEEDED
    }
    folder = directory_of(settings.weights_dir, install)
    assert {path: (folder / path).read_bytes() for path in NEEDED} == {path: FILES[path] for path in NEEDED}
    assert partials(settings.weights_dir) == []


def assert_fails_then_converges(
    settings: Settings, wanted: InstallRequest, mend: Any, kind: type[ModelScanError], says: str
) -> None:
    """The install fails with ``says`` and lists nothing; once mended, the same request installs."""
    with pytest.raises(kind, match=says):
        install_weights(settings, wanted, silent)
    assert listed(settings) == []
    mend()
    assert_whole(settings, install_weights(settings, wanted, silent))


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


@both_hubs
def test_wrong_bytes_are_refused_by_their_sha256(
    hub: FakeHub, settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_DOWNLOAD_HASH_RETRIES", "1")
    hub.corrupt.add(WEIGHTS)
    says = rf"{WEIGHTS}.*(sha256|Hash mismatch).*thrown away"
    assert_fails_then_converges(settings, request(name), hub.corrupt.clear, WeightsError, says)


def test_a_wrong_file_outside_lfs_is_refused_by_its_git_id(hub: FakeHub, settings: Settings) -> None:
    hub.corrupt.add("config.json")
    says = r"config\.json: has the git id .* the hub lists .* thrown away"
    assert_fails_then_converges(settings, request("huggingface"), hub.corrupt.clear, WeightsError, says)


def test_a_disk_without_room_is_refused_with_the_figures_before_anything_is_fetched(
    hub: FakeHub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install_module, "free_bytes", lambda root: 10_000_000)
    with pytest.raises(
        WeightsError, match=r"16\.00 MiB are missing, .* has 9\.54 MiB free.*WEIGHTS_STORAGE_PATH"
    ):
        install_weights(settings, request("modelscope"), silent)
    assert (hub.asked, listed(settings)) == ([], [])


def test_a_disk_that_fills_on_the_way_says_so_and_keeps_what_came(
    hub: FakeHub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fetching process may write files of at most 8 MiB: the write fails as on a full disk.
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * 1024 * 1024, hard))
    try:
        with pytest.raises(WeightsError, match=rf"{WEIGHTS}: cannot be written: File too large"):
            install_weights(settings, request("huggingface"), silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert listed(settings) == []
    assert_whole(settings, install_weights(settings, request("huggingface"), silent))


def started(settings: Settings, wanted: InstallRequest) -> tuple[Job, threading.Thread]:
    job = new_install_job(settings, wanted)
    thread = threading.Thread(target=run_install_job, args=(settings, job, "test"))
    thread.start()
    return job, thread


def now(settings: Settings, job: Job) -> Job:
    with open_state(settings.state_file) as connection:
        return read_job(connection, job.id)


@both_hubs
def test_a_job_is_cancelled_in_the_middle_of_a_file_and_taken_up_by_the_next(
    hub: FakeHub, settings: Settings, name: str
) -> None:
    hub.holds[WEIGHTS] = HELD
    job, thread = started(settings, request(name))
    deadline = time.monotonic() + 20
    while (now(settings, job).done or 0) < 10_000_000 and time.monotonic() < deadline:
        time.sleep(0.05)
    with open_state(settings.state_file) as connection:
        cancel_job(connection, job.id)
    asked_at = time.monotonic()
    thread.join(20)
    assert time.monotonic() - asked_at < 3
    ended = now(settings, job)
    assert (ended.state, ended.unit) == ("cancelled", "bytes")
    assert 0 < (ended.done or 0) < (ended.total or 0)
    assert listed(settings) == []
    hub.release()
    hub.asked.clear()
    again = run_install_job(settings, new_install_job(settings, request(name)), "test")
    assert again.state == "succeeded"
    assert [wanted for _, path, wanted in hub.asked if path == WEIGHTS] != [None]
    assert_whole(settings, listed(settings)[0])


@both_hubs
def test_a_job_that_takes_too_long_fails_with_what_to_do(hub: FakeHub, settings: Settings, name: str) -> None:
    hub.holds[WEIGHTS] = HELD
    hasty = settings.model_copy(update={"weights_install_timeout_s": 4.0})
    ended = run_install_job(hasty, new_install_job(hasty, request(name)), "test")
    assert ended.state == "failed"
    assert "not done within 4 s (WEIGHTS_INSTALL_TIMEOUT); what is there is kept" in str(ended.error)
    assert listed(settings) == []
    hub.release()
    assert run_install_job(settings, new_install_job(settings, request(name)), "test").state == "succeeded"
    assert_whole(settings, listed(settings)[0])


def test_a_hub_that_takes_requests_and_never_answers_is_left_at_the_time_out(
    hub: FakeHub, settings: Settings
) -> None:
    hub.silent = True
    hasty = settings.model_copy(update={"weights_install_timeout_s": 1.0})
    began = time.monotonic()
    ended = run_install_job(hasty, new_install_job(hasty, request("huggingface")), "test")
    assert (ended.state, ended.step) == ("failed", "asking the hub")
    assert time.monotonic() - began < 5


def test_two_installs_of_the_same_weights_do_not_get_in_each_others_way(
    hub: FakeHub, settings: Settings
) -> None:
    hub.holds[WEIGHTS] = HELD
    _, thread = started(settings, request("huggingface"))
    while not partials(settings.weights_dir):
        time.sleep(0.05)
    with pytest.raises(WeightsError, match="another process installs or removes it right now"):
        install_weights(settings, request("huggingface"), silent)
    hub.release()
    thread.join(30)
    assert_whole(settings, listed(settings)[0])


def test_a_gated_repository_says_where_its_terms_are(
    hub: FakeHub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos[REPO].gated = True
    with pytest.raises(
        WeightsError, match=rf"is gated; accept its terms on {hub.url}/{REPO} and set HUGGINGFACE"
    ):
        install_weights(settings, request("huggingface"), silent)
    monkeypatch.setenv("OF_SOMEBODY_ELSE", "no")
    other = settings.model_copy(update={"huggingface_token": "env:OF_SOMEBODY_ELSE"})
    with pytest.raises(WeightsError, match="is gated; accept its terms"):
        install_weights(other, request("huggingface"), silent)
    assert listed(settings) == []
    monkeypatch.setenv("MINE", "let-me-in")
    mine = settings.model_copy(update={"huggingface_token": "env:MINE"})
    assert_whole(settings, install_weights(mine, request("huggingface"), silent))
    # The token goes to the hub and not to the host that it redirects to.
    to_cdn = [headers for headers in hub.headers if headers["host"].startswith("localhost")]
    assert to_cdn
    assert all("authorization" not in headers for headers in to_cdn)


def test_a_closed_modelscope_repository_says_what_to_set(
    hub: FakeHub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos[REPO].gated = True
    with pytest.raises(
        WeightsError, match=rf"ModelScope refuses it; .*{hub.url}/models/{REPO} and set modelscope_token"
    ):
        install_weights(settings, request("modelscope"), silent)
    monkeypatch.setenv("MINE", "let-me-in")
    mine = settings.model_copy(update={"modelscope_token": "env:MINE"})
    assert_whole(settings, install_weights(mine, request("modelscope"), silent))


@both_hubs
@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"repo": "acme/nothing"}, "acme/nothing"),
        ({"revision": "v9"}, "'v9'"),
        ({"revision": "ab" * 20}, "abab"),
    ],
)
def test_what_the_hub_does_not_have_is_unknown(
    settings: Settings, name: str, more: dict[str, str], says: str
) -> None:
    with pytest.raises(UnknownIdError, match=says):
        install_weights(settings, request(name, **more), silent)
    assert not settings.weights_dir.exists() or listed(settings) == []


@both_hubs
def test_a_hub_that_cannot_be_reached_is_named_with_what_to_do(
    settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_DOWNLOAD_MAX_RETRIES", "0")
    away = settings.model_copy(
        update={"huggingface_url": "http://127.0.0.1:9", "modelscope_url": "http://127.0.0.1:9"}
    )
    with pytest.raises(FetchError, match=r"http://127\.0\.0\.1:9 .*run the install again"):
        install_weights(away, request(name), silent)


def test_a_hub_that_fails_is_asked_again_by_its_client(hub: FakeHub, settings: Settings) -> None:
    hub.statuses[WEIGHTS] = [429]
    assert_whole(settings, install_weights(settings, request("huggingface"), silent))


def test_a_hostile_path_of_a_listing_is_refused(hub: FakeHub, settings: Settings) -> None:
    hub.add(REPO, {"../../outside.safetensors": b"x"})
    with pytest.raises(WeightsError, match="not a plain path"):
        install_weights(settings, request("modelscope", files=("*outside*",)), silent)
    hub.add(REPO, {"..\\outside.safetensors": b"x"})
    with pytest.raises(WeightsError, match="not a plain path"):
        install_weights(settings, request("modelscope"), silent)
    assert listed(settings) == []


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
