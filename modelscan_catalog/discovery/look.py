"""Asks sellers, a local Ollama and the hub what they have, and lists what the catalogue does not hold.

Keys are references. A place that cannot be asked is named with the reason and keeps what it showed before;
nothing of this enters the catalogue: that takes a source that the build reads, or an override.
"""

import asyncio
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from modelscan_catalog.discovery.listings import hub_repositories, ollama_models, provider_models
from modelscan_catalog.discovery.records import (
    MISSING_OF_OFFER,
    MISSING_OF_WEIGHTS,
    Candidate,
    Candidates,
    Looked,
    Sight,
    Withdrawn,
    read_candidates,
    write_candidates,
)
from modelscan_catalog.errors import (
    AmbiguousIdError,
    DocumentError,
    FetchError,
    SettingsError,
    UnknownIdError,
)
from modelscan_catalog.key_hosts import KeyHosts, key_hosts
from modelscan_catalog.registry import Registry
from modelscan_catalog.secret_refs import resolve_secret
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.http import PoliteClient

ANTHROPIC_VERSION = "2023-06-01"
"""The header that Anthropic's API asks for (its API reference, "Versions")."""
_HUB_FIELDS = ("config", "createdAt", "downloads", "gated", "pipeline_tag", "safetensors", "tags")
Kind = Literal["offer", "weights", "local"]


@dataclass(frozen=True, slots=True)
class Place:
    """One list to be asked for."""

    source: str
    kind: Kind
    url: str
    key: str | None = None
    """Reference to a key."""
    key_header: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    skip: str | None = None
    """Why it is not asked."""


def provider_places(registry: Registry, allowed: KeyHosts, only: Sequence[str] = ()) -> Iterator[Place]:
    """The lists of sellers whose key is in the environment; the others with the reason why not.

    A key is shown to no address but those that a person confirmed for it (``allowed``).
    ``only`` names sellers; then no other is looked at. Raises ``UnknownIdError`` for a name that is none.
    """
    rows = {row["id"]: row for row in registry.files.rows("providers.jsonl")}
    for name in only:
        if name not in rows:
            raise UnknownIdError(f"provider: {name[:60]!r} is unknown", sorted(rows)[:5])
    for name in only or sorted(rows):
        row = rows[name]
        source, base_url = f"provider:{name}", row.get("base_url")
        if not base_url or "${" in base_url:
            yield Place(source, "offer", "", skip="the catalogue knows no fixed base URL")
            continue
        url = f"{base_url.rstrip('/')}/models"
        found = [f"env:{env}" for env in row.get("env", ()) if os.environ.get(env, "").strip()]
        refusals = {key: allowed.refusal(key, url) for key in found}
        key = next((key for key in found if refusals[key] is None), None)
        if key is None and found:
            yield Place(source, "offer", url, skip=refusals[found[0]])
        elif key is None:
            wanted = " or ".join(row.get("env", ())) or "a key"
            yield Place(source, "offer", url, skip=f"{wanted} is not set")
        elif row["api_type"] == "anthropic-compatible":
            headers = {"anthropic-version": ANTHROPIC_VERSION}
            yield Place(source, "offer", url, key, "x-api-key", headers)
        else:
            yield Place(source, "offer", url, key)


def hub_places(settings: Settings, watch: Mapping[str, Any]) -> Iterator[Place]:
    """The newest repositories of every watched author and of every architecture the catalogue knows."""
    base = f"{settings.huggingface_url.rstrip('/')}/api/models"
    fields = "".join(f"&expand[]={name}" for name in _HUB_FIELDS)
    newest = f"sort=createdAt&direction=-1{fields}"
    labs = json.loads((settings.registry_dir / "merge" / "labs.json").read_bytes())["labs"]
    authors = sorted({owner for lab in labs.values() for owner in lab.get("owners", ())})
    for author in authors:
        url = f"{base}?author={quote(author)}&{newest}&limit={watch['repositories_per_author']}"
        yield Place("huggingface", "weights", url, settings.huggingface_token)
    families = json.loads((settings.registry_dir / "fit" / "families.json").read_bytes())["families"]
    for model_type in sorted(families):
        url = f"{base}?filter={quote(model_type)}&{newest}&limit={watch['repositories_per_architecture']}"
        yield Place("huggingface", "weights", url, settings.huggingface_token)


def ollama_place(base_url: str) -> Place:
    """The tags of an Ollama server."""
    return Place("ollama", "local", f"{base_url.rstrip('/')}/api/tags")


def look(
    settings: Settings,
    registry: Registry,
    places: Iterable[Place],
    before: Candidates | None = None,
    moment: datetime | None = None,
) -> Candidates:
    """Ask all ``places`` and compare with the catalogue; ``before`` keeps first sights and silent places."""
    at = (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    watch = read_watch(settings.registry_dir)
    asked = list(places)
    answers = asyncio.run(_ask_all(settings, [place for place in asked if place.skip is None]))
    known = _Known(registry)
    first = {(one.source, one.id): one.sight.first_seen for one in before.candidates} if before else {}
    missed = {(one.provider, one.id): one for one in before.withdrawn} if before else {}
    looked, candidates, withdrawn = [], {}, []
    silent: set[str] = {place.source for place in asked if place.skip is not None}
    for place in asked:
        if place.skip is not None:
            looked.append(Looked(source=place.source, url=place.url or None, problem=place.skip))
            continue
        rows, problem = answers[place.url]
        looked.append(Looked(source=place.source, url=place.url, listed=len(rows), problem=problem))
        if problem is not None:
            silent.add(place.source)
        for identifier, facts in rows.items():
            if not _wanted(place, identifier, facts, watch) or known.holds(place.source, identifier):
                continue
            key = (place.source, identifier)
            sight = Sight(url=place.url, first_seen=first.get(key, at), last_seen=at)
            candidates[key] = _candidate(place, identifier, facts, known.model_of(identifier), sight)
        if place.kind == "offer" and rows:
            provider = place.source.partition(":")[2]
            for offer in sorted(known.offers(place.source) - set(rows)):
                earlier = missed.get((provider, offer))
                since = at if earlier is None else earlier.sight.first_seen
                sight = Sight(url=place.url, first_seen=since, last_seen=at)
                withdrawn.append(Withdrawn(provider=provider, id=offer, sight=sight))
    if before is not None:
        covered = {place.source for place in asked} - silent
        for one in before.candidates:
            if one.source not in covered and not known.holds(one.source, one.id):
                candidates.setdefault((one.source, one.id), one)
        for still in before.withdrawn:
            source = f"provider:{still.provider}"
            if source not in covered and still.id in known.offers(source):
                withdrawn.append(still)
    return Candidates(
        looked_at=at,
        looked=tuple(sorted(looked, key=lambda one: (one.source, one.url or ""))),
        candidates=tuple(candidates[key] for key in sorted(candidates)),
        withdrawn=tuple(withdrawn),
    )


def candidates_path(settings: Settings) -> Path:
    """Where what was found is kept."""
    return settings.data_dir / "discovery" / "candidates.json"


def look_and_keep(
    settings: Settings,
    registry: Registry,
    providers: Sequence[str] = (),
    *,
    ollama: str | None = None,
    hub: bool = True,
) -> Candidates:
    """Look everywhere, or at the named ``providers`` alone, and replace ``candidates.json``.

    The watched Ollama is asked when all providers are, another one when ``ollama`` is given.
    """
    watch = read_watch(settings.registry_dir)
    places = list(provider_places(registry, key_hosts(settings), providers))
    if ollama or not providers:
        places.append(ollama_place(ollama or watch["ollama"]))
    if hub:
        places += hub_places(settings, watch["huggingface"])
    path = candidates_path(settings)
    found = look(settings, registry, places, read_candidates(path))
    write_candidates(path, found)
    return found


def read_watch(registry_dir: Path) -> dict[str, Any]:
    """What is looked at, ``registry/discovery/watch.json``; raises ``SettingsError``."""
    path = registry_dir / "discovery" / "watch.json"
    try:
        watch: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read as JSON: {error}") from error
    return watch


class _Known:
    """What the catalogue holds."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._weights = {
            link["id"].lower()
            for link in registry.files.rows("crosswalk.jsonl")
            if link["kind"] in ("huggingface", "modelscope")
        }
        self._offers: dict[str, set[str]] = {}
        for offer in registry.files.offers():
            self._offers.setdefault(f"provider:{offer['provider']}", set()).add(offer["provider_model"])

    def offers(self, source: str) -> set[str]:
        """Ids of the offers of ``provider:<id>``, in the seller's spelling."""
        return self._offers.get(source, set())

    def holds(self, source: str, identifier: str) -> bool:
        """Whether this very thing is in the catalogue; a local tag never is."""
        if source == "huggingface":
            return identifier.lower() in self._weights
        return source.startswith("provider:") and identifier in self.offers(source)

    def model_of(self, identifier: str) -> str | None:
        """The model that the id means, when rules say so."""
        try:
            return self._registry.model_id(identifier)
        except (UnknownIdError, AmbiguousIdError):
            return None


def _candidate(
    place: Place, identifier: str, facts: Mapping[str, Any], model: str | None, sight: Sight
) -> Candidate:
    wanted = MISSING_OF_WEIGHTS if place.kind == "weights" else MISSING_OF_OFFER
    missing = () if place.kind == "local" else tuple(name for name in wanted if name not in facts)
    return Candidate(
        source=place.source,
        id=identifier,
        kind=place.kind,
        model=model,
        known=dict(sorted(facts.items())),
        missing=missing,
        sight=sight,
    )


def _wanted(place: Place, identifier: str, facts: Mapping[str, Any], watch: Mapping[str, Any]) -> bool:
    """All offers and tags; of repositories those that engines serve, of watched authors or much used."""
    if place.kind != "weights":
        return True
    rules = watch["huggingface"]
    if facts.get("task") not in rules["tasks"]:
        return False
    watched = f"author={quote(identifier.partition('/')[0])}&" in place.url
    return watched or facts.get("downloads", 0) >= rules["least_downloads_by_strangers"]


async def _ask_all(
    settings: Settings, places: Sequence[Place]
) -> dict[str, tuple[dict[str, dict[str, Any]], str | None]]:
    """Rows, or the reason why there are none, by URL."""
    groups: dict[tuple[str, str | None], list[Place]] = {}
    for place in places:
        groups.setdefault((place.source, place.key), []).append(place)
    gate = asyncio.Semaphore(settings.parallel_batch)

    async def ask_group(members: list[Place]) -> dict[str, tuple[dict[str, dict[str, Any]], str | None]]:
        first = members[0]
        async with gate:
            try:
                key = resolve_secret(first.key) if first.key else None
            except SettingsError as error:
                return {place.url: ({}, str(error)) for place in members}
            client = PoliteClient(settings, token=key, token_host=first.url, key_header=first.key_header)
            async with client:
                answers = await asyncio.gather(*(_ask(client, place) for place in members))
            return dict(zip((place.url for place in members), answers, strict=True))

    found = await asyncio.gather(*(ask_group(members) for members in groups.values()))
    return {url: answer for group in found for url, answer in group.items()}


async def _ask(client: PoliteClient, place: Place) -> tuple[dict[str, dict[str, Any]], str | None]:
    parse = {"offer": provider_models, "local": ollama_models, "weights": hub_repositories}[place.kind]
    try:
        answer = await client.get(place.url, headers=place.headers)
        if answer.status != 200:
            return {}, f"HTTP {answer.status}"
        return parse(json.loads(answer.body)), None
    except (FetchError, DocumentError) as error:
        return {}, str(error)
    except (ValueError, RecursionError):
        return {}, "the answer is no JSON"
