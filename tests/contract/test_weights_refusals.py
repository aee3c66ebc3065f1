"""Claims about installs that cannot be: refused clearly, nothing half installed, and a rerun converges."""

from pathlib import Path

import pytest
from weights_claims import (
    REPO,
    WEIGHTS,
    assert_fails_then_converges,
    assert_whole,
    both_hubs,
    listed,
    request,
    silent,
)
from weights_hub_server import FakeHub

from modelscan_catalog.deploy.weights import install as install_module
from modelscan_catalog.deploy.weights import (
    install_weights,
)
from modelscan_catalog.deploy.weights.operations import new_install_job, run_install_job
from modelscan_catalog.errors import FetchError, UnknownIdError, WeightsError
from modelscan_catalog.settings import Settings


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


def test_a_hub_that_takes_requests_and_never_answers_is_left_at_the_time_out(
    hub: FakeHub, settings: Settings
) -> None:
    hub.silent = True
    hasty = settings.model_copy(update={"weights_install_timeout_s": 1.0})
    ended = run_install_job(hasty, new_install_job(hasty, request("huggingface")), "test")
    assert (ended.state, ended.step) == ("failed", "asking the hub")
    assert "not done within 1 s" in str(ended.error)  # and not the client's own, later time-out


def test_a_place_that_cannot_be_written_is_named_with_its_setting(
    hub: FakeHub, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    elsewhere = settings.model_copy(update={"weights_path": tmp_path / "file" / "weights"})
    with pytest.raises(WeightsError, match=r"/file/weights.* Not a directory; .*set WEIGHTS_STORAGE_PATH"):
        install_weights(elsewhere, request("huggingface"), silent)


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


def test_a_hostile_path_of_a_listing_is_refused(hub: FakeHub, settings: Settings) -> None:
    hub.add(REPO, {"../../outside.safetensors": b"x"})
    with pytest.raises(WeightsError, match="not a plain path"):
        install_weights(settings, request("modelscope", files=("*outside*",)), silent)
    hub.add(REPO, {"..\\outside.safetensors": b"x"})
    with pytest.raises(WeightsError, match="not a plain path"):
        install_weights(settings, request("modelscope"), silent)
    assert listed(settings) == []
