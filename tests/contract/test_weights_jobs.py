"""Claims about installs as jobs: cancelled, out of time, two at once."""

import time

import pytest
from weights_claims import (
    HELD,
    WEIGHTS,
    assert_whole,
    both_hubs,
    listed,
    now,
    request,
    silent,
    started,
)
from weights_hub_server import FakeHub

from modelscan_catalog.deploy.weights import (
    install_weights,
)
from modelscan_catalog.deploy.weights.library import (
    partials,
)
from modelscan_catalog.deploy.weights.operations import new_install_job, run_install_job
from modelscan_catalog.errors import WeightsError
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state
from modelscan_catalog.state.jobs import cancel_job


@both_hubs
def test_a_job_is_cancelled_in_the_middle_of_a_file_and_taken_up_by_the_next(
    hub: FakeHub, settings: Settings, name: str
) -> None:
    hub.holds[WEIGHTS] = HELD
    job, thread = started(settings, request(name))
    deadline = time.monotonic() + 60
    while (now(settings, job).done or 0) < 10_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with open_state(settings.state_file) as connection:
        cancel_job(connection, job.id)
    thread.join(20)  # the hub sends nothing more meanwhile: what ends is the call itself
    assert not thread.is_alive()
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
