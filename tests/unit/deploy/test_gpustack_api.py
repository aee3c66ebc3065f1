"""The GPUStack client on the wire: what is asked again, what is not, and how faults read."""

from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.deploy.deployer import Sighting, Wanted
from modelscan_catalog.deploy.gpustack import GPUStackDeployer
from modelscan_catalog.deploy.gpustack.api import MOST_ATTEMPTS, GPUStackApi, RefusedError, server_url
from modelscan_catalog.deploy.gpustack.records import ServerInstance, ServerModel, read
from modelscan_catalog.deploy.gpustack.remarks import with_way_out
from modelscan_catalog.deploy.gpustack.states import MARK, sighting, stuck
from modelscan_catalog.deploy.plan import DeploymentPlan
from modelscan_catalog.errors import DeployError, ServerUnreachableError

Answer = httpx.Response | Exception
KEY = "gpustack_0123_secret"


class Server(httpx.BaseTransport):
    """Gives its answers in order, and keeps what it was asked."""

    def __init__(self, answers: list[Answer]) -> None:
        self._answers = iter(answers)
        self.asked: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[GPUStackApi, Server]]:
    monkeypatch.setenv("TEST_KEY", KEY)

    def connected(*answers: Answer) -> tuple[GPUStackApi, Server]:
        server = Server(list(answers))
        api = GPUStackApi("http://127.0.0.1:80", "env:TEST_KEY", transport=server, sleep=lambda seconds: None)
        return api, server

    return connected


def refused(status: int, **told: Any) -> httpx.Response:
    return httpx.Response(status, json={"code": status, **told})


Connect = Callable[..., tuple[GPUStackApi, Server]]


@pytest.mark.parametrize("fault", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), refused(503)])
def test_given_a_fault_that_may_pass_when_reading_then_it_is_asked_again(
    connect: Connect, fault: Answer
) -> None:
    api, server = connect(fault, httpx.Response(200, json={"items": []}))
    assert api.call("GET", "/v2/models") == {"items": []}
    assert len(server.asked) == 2
    assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("fault", [httpx.ReadTimeout("slow"), refused(503, message="busy")])
def test_given_a_fault_when_changing_then_it_is_not_asked_again(
    connect: Connect, method: str, fault: Answer
) -> None:
    api, server = connect(fault)
    with pytest.raises(DeployError):
        api.call(method, "/v2/models/1", {"name": "a"})
    assert len(server.asked) == 1


def test_given_a_server_that_stays_silent_then_it_is_unreachable_after_a_few_attempts(
    connect: Connect,
) -> None:
    api, server = connect(*[httpx.ConnectError("Connection refused")] * MOST_ATTEMPTS)
    with pytest.raises(ServerUnreachableError, match=r"GET http://127.0.0.1/v2/models: Connection refused"):
        api.call("GET", "/v2/models")
    assert len(server.asked) == MOST_ATTEMPTS


def test_given_a_refusal_then_its_status_reason_and_message_are_kept(connect: Connect) -> None:
    api, _ = connect(refused(409, reason="AlreadyExists", message="taken"))
    with pytest.raises(RefusedError, match="409: taken") as told:
        api.call("POST", "/v2/models", {"name": "a"})
    assert (told.value.status, told.value.reason) == (409, "AlreadyExists")


@pytest.mark.parametrize("status", [401, 403])
def test_given_a_refused_key_then_the_message_names_the_reference_only(connect: Connect, status: int) -> None:
    api, _ = connect(refused(status, message="no"))
    with pytest.raises(RefusedError) as told:
        api.call("GET", "/v2/models")
    assert "env:TEST_KEY" in str(told.value)
    assert KEY not in str(told.value)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx.Response(200, text="<html>"), "is it a GPUStack server"),
        (httpx.Response(200, json={"data": []}), "answered without a list"),
        (httpx.Response(302, headers={"location": "https://other/"}), "redirects to https://other/"),
        (refused(422, error={"message": "wrong field"}), "422: wrong field"),
        (httpx.Response(502, text="x" * 10_000), "502: x{300}$"),
    ],
)  # fmt: skip
def test_given_something_else_than_a_list_then_one_line_says_what_came(
    connect: Connect, answer: httpx.Response, told: str
) -> None:
    api, _ = connect(*[answer] * MOST_ATTEMPTS)
    with pytest.raises(DeployError, match=told) as error:
        list(api.pages("/v2/models"))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_given_several_pages_then_all_items_come_once(connect: Connect) -> None:
    def page(number: int) -> httpx.Response:
        return httpx.Response(200, json={"items": [{"id": number}], "pagination": {"totalPage": 3}})

    api, server = connect(page(1), page(2), page(3))
    assert [item["id"] for item in api.pages("/v2/models", {"search": "a"})] == [1, 2, 3]
    assert [request.url.params["page"] for request in server.asked] == ["1", "2", "3"]
    assert server.asked[2].url.params["search"] == "a"


@pytest.mark.parametrize(
    ("given_url", "base"),
    [
        ("http://host/", "http://host"),
        (" https://host:8443/v1 ", "https://host:8443"),
        ("https://host/stack/v2/", "https://host/stack"),
    ],
)
def test_given_an_address_with_an_api_path_then_the_servers_root_is_used(given_url: str, base: str) -> None:
    assert server_url(given_url) == base


@pytest.mark.parametrize(
    "wrong", ["host", "ftp://host", "http://", "http://user:secret@host", "http://h:port"]
)
def test_given_no_address_then_the_message_shows_one_and_no_password(wrong: str) -> None:
    with pytest.raises(DeployError, match=r"http://127.0.0.1:80") as told:
        server_url(wrong)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("url", ["http://gpustack.example.com", "http://8.8.8.8"])
def test_given_a_public_address_without_encryption_then_the_key_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    with pytest.raises(DeployError, match="unencrypted"):
        GPUStackApi(url, "env:TEST_KEY")
    GPUStackApi("http://gpustack.lan", "env:TEST_KEY").close()
    GPUStackApi("https://gpustack.example.com", "env:TEST_KEY").close()


def listed(*items: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json={"items": list(items), "pagination": {"totalPage": 1}})


BODY = {"name": "m", "source": "local_path", "local_path": "/w", "meta": {MARK: {"body_sha256": "new"}}}
OURS = {"id": 7, "name": "m", "replicas": 1, "meta": {MARK: {"body_sha256": "new"}}}
THEIRS = {"id": 7, "name": "m", "replicas": 1, "huggingface_repo_id": "a/b"}


def ensured(connect: Connect, *answers: Answer) -> tuple[Sighting, Server]:
    api, server = connect(*answers)
    wanted = Wanted("m", cast(DeploymentPlan, None))  # only its name and replicas are looked at
    return GPUStackDeployer(api).ensure(wanted, BODY), server


def test_given_a_name_that_is_taken_between_look_and_call_then_ours_is_kept_and_theirs_left(
    connect: Connect,
) -> None:
    taken = refused(409, reason="AlreadyExists", message="taken")
    running = {"id": 1, "name": "m-1", "state": "running"}
    seen, server = ensured(
        connect, listed(), taken, listed(OURS), listed(running), listed(running), listed(running)
    )
    assert seen.state == "running"
    assert [one.method for one in server.asked].count("POST") == 1
    with pytest.raises(DeployError, match=r"ModelScan did not make \(a/b\)"):
        ensured(connect, listed(), refused(409, message="taken"), listed(THEIRS), listed())


def test_given_a_name_of_which_another_is_part_then_only_the_whole_name_counts(connect: Connect) -> None:
    api, _ = connect(listed({**OURS, "name": "m-large"}))
    assert GPUStackDeployer(api).look("m") is None


def test_given_a_removal_that_somebody_else_was_quicker_with_then_it_was_not_there(connect: Connect) -> None:
    api, _ = connect(listed(OURS), refused(404, message="not found"))
    assert GPUStackDeployer(api).remove("m") is False


@pytest.mark.parametrize(
    ("clusters", "asked", "told"),
    [
        ([], None, "there are: none"),
        ([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], None, "there are: a, b"),
        ([{"id": 1, "name": "a", "is_default": True}], "c", "there are: a"),
    ],
)
def test_given_no_one_cluster_then_they_are_named(
    connect: Connect, clusters: list[dict[str, Any]], asked: str | None, told: str
) -> None:
    api, _ = connect(listed(*clusters))
    with pytest.raises(DeployError, match=told):
        GPUStackDeployer(api, asked).cards()


def model(**more: Any) -> ServerModel:
    return ServerModel(**{"id": 1, "name": "m", "replicas": 1, **more})


def instances(*states: str) -> list[ServerInstance]:
    return [ServerInstance(id=place, name=f"m-{place}", state=state) for place, state in enumerate(states)]


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ((), "creating"),
        (("pending",), "creating"),
        (("scheduled",), "creating"),
        (("downloading",), "downloading"),
        (("starting", "pending"), "starting"),
        (("error", "running"), "running"),
        (("error", "starting"), "failed"),
        (("unreachable",), "unreachable"),
        (("a word of a newer server",), "creating"),
    ],
)
def test_given_states_of_instances_then_the_deployment_has_one(states: tuple[str, ...], state: str) -> None:
    assert sighting(model(), instances(*states), "http://s").state == state


def test_given_no_replicas_then_it_is_stopped_whatever_still_runs() -> None:
    assert sighting(model(replicas=0), instances("running"), "http://s").state == "stopped"


def test_given_one_of_two_replicas_that_runs_then_the_other_ones_complaint_is_the_message() -> None:
    waiting = ServerInstance(id=2, name="m-2", state="pending", state_message="no room")
    seen = sighting(model(replicas=2), [*instances("running"), waiting], "http://s")
    assert (seen.state, seen.ready_replicas, seen.message) == (
        "running",
        1,
        "another replica is pending: no room",
    )
    assert stuck([waiting])
    assert not stuck(instances("running", "pending"))


def test_given_a_model_without_our_mark_then_it_is_not_ours() -> None:
    assert not sighting(model(meta={"other": 1}), (), "http://s").ours
    assert sighting(model(meta={MARK: {"body_sha256": "a"}}), (), "http://s").body_sha256 == "a"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON)
def test_given_any_json_then_a_model_is_read_or_one_line_says_what_is_wrong(answer: Any) -> None:
    good = isinstance(answer, dict) and {"id", "name"} <= answer.keys()
    told = ""
    try:
        read(ServerModel, answer, "http://s/v2/models")
    except DeployError as error:
        told = str(error)
    assert good or told.startswith("http://s/v2/models: ")


@pytest.mark.parametrize(
    "reason",
    [
        "[E1020] Connection failed: HTTPSConnectionPool(host='hub'): Max retries exceeded with url: /api",
        "('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))",
    ],
)
def test_given_a_server_without_its_hub_then_the_way_out_is_said(reason: str) -> None:
    first, way_out = with_way_out([reason])
    assert first == reason
    assert "--source local=PATH" in way_out


def test_given_a_refusal_about_cards_then_the_hub_is_not_spoken_of() -> None:
    assert list(with_way_out(["No suitable workers."])) == ["No suitable workers."]
