"""HuggingFace Hub: repositories that others name and the most downloaded ones, with their configurations."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from modelscan_catalog.secret_refs import resolve_secret
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources import hub_documents
from modelscan_catalog.sources.adapter import Adapter, Document, Session, Tables
from modelscan_catalog.sources.hub_documents import CONFIG, INDEX, QUANT_CONFIG, file_names
from modelscan_catalog.sources.hub_rows import repository_row
from modelscan_catalog.sources.reading import RowLog
from modelscan_catalog.sources.repository_selection import (
    Selection,
    huggingface_selection,
    is_repo_id,
    owner_of,
)
from modelscan_catalog.sources.staged import HuggingFaceRepo

TASKS = ("text-generation", "image-text-to-text", "feature-extraction", "sentence-similarity", "text-ranking")
PAGE = 1000
MOST_PAGES_OF_OWNER = 3
"""The 3,000 most downloaded repositories of an owner; what is named beyond them is asked for by itself."""
ABSENT = (401, 403, 404)
"""The Hub says 401 for an unknown repository when no token is sent."""
NEGATIVE_FRESH_S = 86_400
SELECTION = "selection"

_EXPAND = "&".join(f"expand[]={key}" for key in hub_documents.EXPANDED)


async def fetch(session: Session) -> None:
    """Lists by owner and by task, details of what they lack, then configurations at each revision."""
    selection = _selection(session)
    popular = session.settings.popular_repos_per_task
    session.keep(
        SELECTION,
        {"named": sorted(selection.named), "twins": sorted(selection.twins), "popular": popular},
    )
    pages = await _lists(session, selection, popular)
    items = _items(pages, RowLog("huggingface"))
    missing = sorted(repo for repo in selection.named if repo.lower() not in items)
    await asyncio.gather(*(_detail(session, repo, items) for repo in missing))
    asked = {repo.lower() for repo in selection.named | selection.twins}
    popular_ids = _popular_ids(pages, popular)
    chosen = [items[key] for key in sorted(items.keys() & (asked | popular_ids))]
    launched = {repo.lower() for repo in selection.launched}
    done = 0

    async def files(item: dict[str, Any]) -> None:
        nonlocal done
        named = item["id"].lower() in asked
        await _files(session, item, named=named, sizes=item["id"].lower() in launched)
        done += 1
        if done % 20 == 0 or done == len(chosen):
            session.progress(done, len(chosen), "configurations")

    await asyncio.gather(*map(files, chosen))


def _selection(session: Session) -> Selection:
    """From the other sources' last good rows; they are read before this one."""
    tables = {name: found.tables for name in ("models_dev", "gpustack") if (found := session.latest(name))}
    modelscope = session.latest("modelscope")
    described = (name.partition("/") for name in modelscope.raw) if modelscope else ()
    twins = {repo for kind, _, repo in described if kind == "detail"}
    return huggingface_selection(session.settings, tables, twins)


async def _lists(session: Session, selection: Selection, popular: int) -> dict[str, Any]:
    """Parsed list pages by name, of the owners of all wanted repositories and of the popular lists."""
    owners = sorted({owner_of(repo).lower(): owner_of(repo) for repo in _all(selection)}.values())
    lists = [(f"author/{owner}", {"author": owner}, MOST_PAGES_OF_OWNER) for owner in owners]
    if popular:
        pages = -(-popular // PAGE)
        lists += [(f"popular/{task}", {"pipeline_tag": task}, pages) for task in TASKS]
    done = 0
    parsed: dict[str, Any] = {}

    async def one(name: str, query: dict[str, str], pages: int) -> None:
        nonlocal done
        limit = min(PAGE, popular) if name.startswith("popular/") else PAGE
        words = urlencode({**query, "sort": "downloads", "direction": "-1", "limit": str(limit)})
        path: str | None = f"/api/models?{words}&{_EXPAND}"
        for page in range(1, pages + 1):
            if path is None:
                break
            document = await session.get(f"{name}/{page}", path, check=_check)
            parsed[document.name] = hub_documents.parse(document.name, document.body)
            path = document.next_path
        done += 1
        session.progress(done, len(lists), name)

    await asyncio.gather(*(one(*entry) for entry in lists))
    return parsed


def _all(selection: Selection) -> list[str]:
    return sorted(selection.named | selection.twins)


async def _detail(session: Session, repo: str, items: dict[str, dict[str, Any]]) -> None:
    """A repository that no list has: renamed, moved, or not there."""
    name = f"repo/{repo}"
    known = session.previous(name)
    fresh = NEGATIVE_FRESH_S if known and known.is_negative else 0
    document = await session.try_get(
        name, f"/api/models/{quote(repo)}?{_EXPAND}", absent=ABSENT, fresh_s=fresh, check=_check
    )
    if document is not None and not document.is_negative:
        item = hub_documents.parse(name, document.body)
        if is_repo_id(item.get("id")):
            items.setdefault(item["id"].lower(), item)


async def _files(session: Session, item: dict[str, Any], *, named: bool, sizes: bool) -> None:
    """The configuration files that the repository has at its revision; each is fetched once per revision."""
    repo, sha = item["id"], item.get("sha")
    if not isinstance(sha, str) or not sha.isalnum():
        return
    safetensors = item.get("safetensors")
    has_dtypes = bool(isinstance(safetensors, dict) and safetensors.get("parameters"))
    if sizes and not has_dtypes:
        path = f"/api/models/{quote(repo)}/revision/{sha}?blobs=true"
        await session.try_get(f"files/{repo}@{sha}", path, immutable=True, absent=ABSENT, check=_check)
    closed = bool(item.get("gated")) and not session.has_token
    names = file_names(item)
    # The Hub's own "config" is there for every repository that has a config.json.
    wanted = frozenset({CONFIG}) if names is None and item.get("config") else frozenset()
    if names is not None:
        wanted = names & {CONFIG, QUANT_CONFIG}
        if INDEX in names and (named or not has_dtypes):
            wanted = wanted | {INDEX}
    for file in sorted(wanted):
        name = f"{file}/{repo}@{sha}"
        if closed:
            # Its files are refused without a token, but an earlier run may have had one.
            session.reuse(name)
            continue
        path = f"/{quote(repo)}/resolve/{sha}/{file}"
        await session.try_get(name, path, immutable=True, absent=ABSENT, check=_check)


def _check(body: bytes, name: str) -> int:
    hub_documents.parse(name, body)
    return 200


def _popular_ids(parsed: Mapping[str, Any], most: int) -> set[str]:
    """Lower-case ids of the first ``most`` repositories of each popular list."""
    found: set[str] = set()
    for task in TASKS:
        pages = sorted(
            (int(name.rpartition("/")[2]), name)
            for name in parsed
            if name.rpartition("/")[0] == f"popular/{task}"
        )
        listed = [item for _, name in pages for item in parsed[name] if isinstance(item, dict)][:most]
        found |= {item["id"].lower() for item in listed if is_repo_id(item.get("id"))}
    return found


def translate(parsed: Mapping[str, Any], documents: Mapping[str, Document], log: RowLog) -> Tables:
    """Table ``repos``: the wanted repositories, each once under its present name."""
    selection = parsed.get(SELECTION, {})
    spellings: dict[str, set[str]] = {}
    for repo in (*selection.get("named", ()), *selection.get("twins", ())):
        spellings.setdefault(repo.lower(), set()).add(repo)
    popular = _popular_ids(parsed, selection.get("popular", 0))
    items = _items(parsed, log)
    for name, document in sorted(documents.items()):
        kind, _, asked = name.partition("/")
        if kind != "repo":
            continue
        if document.is_negative:
            log.rows_read += 1
            reason = f"the Hub gives no such repository (HTTP {document.status})"
            log.reject_row("repos", asked, reason, malformed=False)
        elif isinstance(parsed[name].get("id"), str):
            spellings.setdefault(parsed[name]["id"].lower(), set()).add(asked)
    log.wanted = frozenset(spellings) | popular
    repos = []
    for key in sorted(items.keys() & log.wanted):
        log.rows_read += 1
        repos.append(repository_row(items[key], spellings.get(key, set()), parsed, documents, log))
    log.rows_kept += len(repos)
    return {"repos": list(repos)}


def _items(parsed: Mapping[str, Any], log: RowLog) -> dict[str, dict[str, Any]]:
    """The first item of every id, lists by owner before the others."""
    items: dict[str, dict[str, Any]] = {}
    for name in sorted(parsed):
        kind = name.partition("/")[0]
        entries = parsed[name] if kind in ("author", "popular") else [parsed[name]] if kind == "repo" else []
        for position, item in enumerate(entries):
            if isinstance(item, dict) and is_repo_id(item.get("id")):
                items.setdefault(item["id"].lower(), item)
            else:
                log.rows_read += 1
                log.reject_row("repos", f"{name}#{position}", "no usable repository id", item)
    return items


def prune(parsed: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    """The lists with the repositories of the table, each described once; documents of other revisions go."""
    rows = [row for row in tables["repos"] if isinstance(row, HuggingFaceRepo)]
    kept, revisions = {row.id.lower() for row in rows}, {f"{row.id}@{row.sha}" for row in rows}
    described: set[str] = set()
    bodies: dict[str, Any] = {}
    for name in sorted(parsed):
        kind, _, rest = name.partition("/")
        if kind in ("author", "popular"):
            bodies[name] = []
            for item in parsed[name]:
                repo = str(item.get("id")) if isinstance(item, dict) else ""
                if repo.lower() not in kept:
                    continue
                if repo.lower() not in described:
                    bodies[name].append(item)
                elif kind == "popular":
                    bodies[name].append({"id": repo})
                described.add(repo.lower())
        elif kind in ("repo", SELECTION) or rest in revisions:
            bodies[name] = parsed[name]
    return bodies


def _token(settings: Settings) -> str | None:
    return resolve_secret(settings.huggingface_token) if settings.huggingface_token else None


ADAPTER = Adapter(
    name="huggingface",
    public_url="https://huggingface.co",
    licence="facts of public repositories; each repository's own licence is in its row",
    tables={"repos": HuggingFaceRepo},
    base_url=lambda settings: settings.huggingface_url,
    fetch=fetch,
    parse=hub_documents.parse,
    translate=translate,
    prune=prune,
    token=_token,
)
