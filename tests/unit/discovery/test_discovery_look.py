"""Looking around: what is new is listed with its sight, what is silent is named, what is held is left out."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.discovery.look import (
    Place,
    candidates_path,
    hub_places,
    look,
    look_and_keep,
    ollama_place,
    provider_places,
    read_watch,
)
from modelscan_catalog.discovery.records import read_candidates
from modelscan_catalog.errors import RecordError, UnknownIdError
from modelscan_catalog.key_hosts import KeyHosts, confirm, host_of, key_hosts
from modelscan_catalog.registry import Registry
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state

ROWS = Path(__file__).parents[1] / "registry" / "published_rows.json"
SECRET = "sk-discovery-secret"
HELD = "Qwen/Qwen3-8B"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


class _Server(BaseHTTPRequestHandler):
    answers: dict[str, tuple[int, bytes]]
    moved: dict[str, str]
    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        status, body = self.answers.get(self.path.partition("?")[0], (404, b"{}"))
        if self.path in self.moved:
            status, body = 307, b""
        self.send_response(status)
        if self.path in self.moved:
            self.send_header("Location", self.moved[self.path])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class World:
    """A small registry, settings, and a server whose answers a test sets."""

    def __init__(self, folder: Path) -> None:
        kind = type("S", (_Server,), {"answers": {}, "moved": {}, "asked": []})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.answers: dict[str, tuple[int, bytes]] = kind.answers  # type: ignore[attr-defined]
        self.moved: dict[str, str] = kind.moved  # type: ignore[attr-defined]
        self.asked: list[tuple[str, dict[str, str]]] = kind.asked  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.published = folder / "published"
        (self.published / "offers").mkdir(parents=True)
        for name, value in json.loads(ROWS.read_text()).items():
            lines = (
                "".join(json.dumps(row) + "\n" for row in value) if name.endswith("l") else json.dumps(value)
            )
            (self.published / name).write_text(lines)
        self.write(
            "providers.jsonl",
            [
                self.provider("open", "openai-compatible", "OPEN_KEY"),
                self.provider("anth", "anthropic-compatible", "ANTH_KEY"),
                self.provider("shut", "openai-compatible", "SHUT_KEY"),
                {"id": "loose", "api_type": "openai-compatible", "base_url": "https://${HOST}/v1", "env": []},
            ],
        )
        offers = [{"provider": "open", "provider_model": name} for name in ("old", "gone")]
        self.write("offers/open.jsonl", offers)
        self.settings = Settings(data_dir=folder / "data", huggingface_url=self.url)
        with open_state(self.settings.state_file) as connection:
            for name in ("OPEN_KEY", "ANTH_KEY", "SHUT_KEY"):
                confirm(connection, name, self.url)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def provider(self, name: str, api_type: str, env: str) -> dict[str, Any]:
        return {"id": name, "api_type": api_type, "base_url": f"{self.url}/{name}/v1", "env": [env]}

    def write(self, name: str, rows: list[dict[str, Any]]) -> None:
        (self.published / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def answer(self, path: str, document: Any, status: int = 200) -> None:
        self.answers[path] = (status, json.dumps(document).encode())

    @property
    def allowed(self) -> KeyHosts:
        return key_hosts(self.settings)

    @property
    def registry(self) -> Registry:
        return Registry(self.published)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("MODELSCAN_HTTP__MAX_ATTEMPTS", "1")
    found = World(tmp_path)
    yield found
    found.close()


def test_a_seller_whose_key_is_set_is_asked_and_what_it_lists_is_compared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPEN_KEY", SECRET)
    listed = [{"id": "old"}, {"id": "new", "context_length": 8}, {"id": HELD}]
    world.answer("/open/v1/models", {"data": listed})
    found = look(world.settings, world.registry, provider_places(world.registry, world.allowed), moment=FIRST)

    assert [(one.id, one.model, one.missing) for one in found.candidates] == [
        (HELD, "alibaba/qwen3-8b", ("context", "modalities", "price")),
        ("new", None, ("modalities", "price")),
    ]
    assert [(one.provider, one.id) for one in found.withdrawn] == [("open", "gone")]
    assert [headers["authorization"] for _, headers in world.asked] == [f"Bearer {SECRET}"]
    reasons = {one.source: one.problem for one in found.looked}
    assert reasons["provider:open"] is None
    assert reasons["provider:shut"] == "SHUT_KEY is not set"
    assert reasons["provider:loose"] == "the catalogue knows no fixed base URL"
    assert SECRET not in found.model_dump_json()


def test_an_anthropic_list_is_asked_in_its_own_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTH_KEY", SECRET)
    world.answer("/anth/v1/models", {"data": [{"type": "model", "id": "claude-9"}]})
    look(world.settings, world.registry, provider_places(world.registry, world.allowed, ["anth"]))
    [(_, headers)] = world.asked
    assert headers["x-api-key"] == SECRET
    assert headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in headers


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"])
def test_a_hostile_seller_that_names_anothers_variable_is_not_asked_and_hears_no_key(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, SECRET)
    world.write("providers.jsonl", [world.provider("hostile", "openai-compatible", name)])
    found = look_and_keep(world.settings, world.registry, ["hostile"], hub=False)
    assert world.asked == []
    [reason] = [one.problem for one in found.looked]
    assert f"{name} is not sent to {host_of(world.url)}" in str(reason)
    assert "modelscan keys allow" in str(reason)


def test_a_seller_that_leads_elsewhere_takes_the_request_along_and_not_the_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPEN_KEY", SECRET)
    monkeypatch.setenv("ANTH_KEY", SECRET)
    other = World(world.settings.data_dir)
    try:
        other.answer("/open/v1/models", {"data": [{"id": "seen"}]})
        for name in ("open", "anth"):
            world.moved[f"/{name}/v1/models"] = f"{other.url}/open/v1/models"
        look(world.settings, world.registry, provider_places(world.registry, world.allowed, ["open", "anth"]))
        assert [path for path, _ in other.asked] == ["/open/v1/models"] * 2
        assert SECRET not in str(other.asked)
    finally:
        other.close()


def test_first_sights_are_kept_and_a_silent_place_keeps_what_it_showed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPEN_KEY", SECRET)
    world.answer("/open/v1/models", {"data": [{"id": "new"}]})
    places = list(provider_places(world.registry, world.allowed))
    before = look(world.settings, world.registry, places, moment=FIRST)
    again = look(world.settings, world.registry, places, before, LATER)
    assert again.candidates[0].sight.first_seen == "2026-01-01T00:00:00Z"
    assert again.candidates[0].sight.last_seen == "2026-01-02T00:00:00Z"

    world.answers["/open/v1/models"] = (200, b"<html>")
    silent = look(world.settings, world.registry, places, again, LATER)
    assert silent.candidates == again.candidates
    assert next(one.problem for one in silent.looked if one.source == "provider:open") == (
        "the answer is no JSON"
    )
    assert silent.withdrawn == again.withdrawn
    assert [one.sight.first_seen for one in again.withdrawn] == ["2026-01-01T00:00:00Z"] * 2
    world.write("offers/open.jsonl", [])
    assert look(world.settings, world.registry, places, again, LATER).withdrawn == (), "not sold any more"


@pytest.mark.parametrize(
    ("status", "document", "problem"),
    [(401, {}, "HTTP 401"), (200, {"data": 3}, "expected a list of models under `data`")],
)
def test_a_seller_that_gives_no_list_is_named_with_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch, status: int, document: Any, problem: str
) -> None:
    monkeypatch.setenv("OPEN_KEY", SECRET)
    world.answer("/open/v1/models", document, status)
    found = look(world.settings, world.registry, provider_places(world.registry, world.allowed, ["open"]))
    assert (found.looked[0].problem, found.candidates, found.withdrawn) == (problem, (), ())


def test_new_repositories_of_watched_authors_and_used_ones_of_strangers_are_candidates(world: World) -> None:
    def row(name: str, downloads: int, task: str = "text-generation") -> dict[str, Any]:
        return {"id": name, "downloads": downloads, "pipeline_tag": task}

    world.answer(
        "/api/models",
        [
            row("Qwen/New-7B", 1),
            row(HELD, 9_999),
            row("fan/New-GGUF", 10),
            row("fan/Loved", 5_000),
            row("Qwen/Picture", 9_999, "text-to-image"),
        ],
    )
    watch = read_watch(world.settings.registry_dir)["huggingface"]
    places = [
        place
        for place in hub_places(world.settings, watch)
        if "author=Qwen&" in place.url or "filter=qwen3&" in place.url
    ]
    assert len(places) == 2
    found = look(world.settings, world.registry, places)
    assert [one.id for one in found.candidates] == ["Qwen/New-7B", "fan/Loved"]


def test_local_tags_are_candidates_and_an_absent_ollama_is_no_error(world: World) -> None:
    world.answer("/api/tags", {"models": [{"name": "llama3.2:latest", "size": 5}]})
    dead = Place("ollama", "local", "http://127.0.0.1:9/api/tags")
    found = look(world.settings, world.registry, [ollama_place(world.url)])
    assert [(one.source, one.kind, one.known) for one in found.candidates] == [
        ("ollama", "local", {"bytes": 5})
    ]
    nothing = look(world.settings, world.registry, [dead])
    assert nothing.candidates == ()
    assert "no connection" in str(nothing.looked[0].problem)


def test_what_was_found_is_kept_and_a_damaged_file_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPEN_KEY", SECRET)
    world.answer("/open/v1/models", {"data": [{"id": "new"}]})
    found = look_and_keep(world.settings, world.registry, ["open"], hub=False)
    path = candidates_path(world.settings)
    assert read_candidates(path) == found
    path.write_text("{")
    with pytest.raises(RecordError, match=r"candidates\.json"):
        look_and_keep(world.settings, world.registry, ["open"], hub=False)


def test_an_unknown_seller_is_named(world: World) -> None:
    with pytest.raises(UnknownIdError, match="nobody"):
        list(provider_places(world.registry, world.allowed, ["nobody"]))
