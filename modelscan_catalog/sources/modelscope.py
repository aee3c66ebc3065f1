"""ModelScope: its listing, and details, files and configurations of the repositories that matter here."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from modelscan_catalog.secret_refs import resolve_secret
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.adapter import Adapter, Document, Session, Tables
from modelscan_catalog.sources.modelscope_documents import CONFIG, SELECTION, check_answer, parse
from modelscan_catalog.sources.reading import Row, RowLog, as_count
from modelscan_catalog.sources.repository_selection import is_repo_id, modelscope_selection
from modelscan_catalog.sources.staged import ModelScopeRepo, RepoFile

PAGE = 100
LAST_LISTED = 3000
"""The listing refuses pages beyond page x size = 3000."""
FILES_CUT_AT = 3000
"""A file listing of this length was cut without notice."""
DESCRIBE_ALL_BELOW = 1000
"""When the whole listing is shorter, every repository on it is described."""
NEGATIVE_FRESH_S = 86_400

_ENVELOPE = ("RequestId", "request_id")


async def fetch(session: Session) -> None:
    """The listing in parallel pages, then detail, files and config.json of what matters and changed."""
    before = {name: d for name in _page_names() if (d := session.previous(name)) is not None}
    first = await session.get("list/1", _list_path(1), check=check_answer, volatile=_ENVELOPE)
    total = as_count(parse("list/1", first.body)["data"].get("total_count")) or 0
    pages = range(2, min(-(-total // PAGE), LAST_LISTED // PAGE) + 1)
    rest = await asyncio.gather(
        *(session.get(f"list/{n}", _list_path(n), check=check_answer, volatile=_ENVELOPE) for n in pages)
    )
    session.progress(len(pages) + 1, len(pages) + 1, "list")
    listed = _items({d.name: parse(d.name, d.body) for d in (first, *rest)})
    old = _items({name: parse(name, d.body) for name, d in before.items() if not d.is_negative})

    tables = {name: found.tables for name in ("models_dev", "gpustack") if (found := session.latest(name))}
    selection = modelscope_selection(session.settings, tables)
    asked = set(selection.named) | {repo for repo in selection.twins if repo in listed}
    if total < DESCRIBE_ALL_BELOW:
        asked |= listed.keys()
    session.keep(SELECTION, {"described": sorted(asked), "named": sorted(selection.named)})
    unchanged_s = session.settings.stale_after_days * 86_400.0
    done = 0

    async def one(repo: str) -> None:
        nonlocal done
        same = repo in listed and old.get(repo) == listed[repo]
        await _describe(session, repo, unchanged_s if same else 0)
        done += 1
        if done % 20 == 0 or done == len(asked):
            session.progress(done, len(asked), "repositories")

    await asyncio.gather(*map(one, sorted(asked)))


def _page_names() -> list[str]:
    return [f"list/{page}" for page in range(1, LAST_LISTED // PAGE + 1)]


def _list_path(page: int) -> str:
    return f"/openapi/v1/models?page_number={page}&page_size={PAGE}"


async def _describe(session: Session, repo: str, fresh_s: float) -> None:
    """Detail and files unless the listing shows no change; config.json once per content."""
    path, name = f"/api/v1/models/{quote(repo)}", f"detail/{repo}"
    known = session.previous(name)
    if known is not None and (known.is_negative or not fresh_s):
        fresh_s = max(fresh_s, NEGATIVE_FRESH_S) if known.is_negative else 0
    options: dict[str, Any] = {
        "fresh_s": fresh_s,
        "absent": (401, 403, 404),
        "check": check_answer,
        "volatile": _ENVELOPE,
    }
    detail = await session.try_get(name, path, **options)
    if detail is None or detail.is_negative:
        return
    listing = await session.try_get(
        f"files/{repo}", f"{path}/repo/files?Revision=master&Recursive=True", **options
    )
    if listing is None or listing.is_negative:
        return
    for entry in parse(listing.name, listing.body)["Data"]["Files"]:
        if entry.get("Path") == CONFIG and isinstance(entry.get("Sha256"), str):
            await session.try_get(
                f"{CONFIG}/{repo}@{entry['Sha256']}",
                f"{path}/repo?Revision=master&FilePath={CONFIG}",
                immutable=True,
                absent=(401, 403, 404),
                check=check_answer,
            )


def _items(parsed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Listed repositories by id, in list order; the first entry of an id counts."""
    found: dict[str, dict[str, Any]] = {}
    for name in sorted((n for n in parsed if n.startswith("list/")), key=lambda n: int(n.partition("/")[2])):
        for item in parsed[name]["data"]["models"]:
            if isinstance(item, dict) and is_repo_id(item.get("id")):
                found.setdefault(item["id"], item)
    return found


def translate(parsed: Mapping[str, Any], documents: Mapping[str, Document], log: RowLog) -> Tables:
    """Table ``repos``: everything listed, and what was described beyond the listing."""
    items = _items(parsed)
    for name in sorted(n for n in parsed if n.startswith("list/")):
        for position, item in enumerate(parsed[name]["data"]["models"]):
            if not isinstance(item, dict) or not is_repo_id(item.get("id")):
                log.rows_read += 1
                listed = item.get("id") if isinstance(item, dict) else None
                record = listed if isinstance(listed, str) and listed else f"{name}#{position}"
                log.reject_row("repos", record, "its id is not owner/name", item)
    described = {name.partition("/")[2] for name in parsed if name.startswith("detail/")}
    for name, document in sorted(documents.items()):
        kind, _, repo = name.partition("/")
        if kind == "detail" and document.is_negative and repo not in items:
            log.rows_read += 1
            log.reject_row("repos", repo, "ModelScope gives no such repository", malformed=False)
    repos = []
    for repo in sorted(items.keys() | described):
        log.rows_read += 1
        repos.append(_repo(repo, items.get(repo, {}), parsed, documents, log))
    log.rows_kept += len(repos)
    return {"repos": list(repos)}


def _repo(
    repo: str,
    item: dict[str, Any],
    parsed: Mapping[str, Any],
    documents: Mapping[str, Document],
    log: RowLog,
) -> ModelScopeRepo:
    row = Row(log, "repos", repo, item, "list.")
    detail = Row(log, "repos", repo, parsed.get(f"detail/{repo}", {}).get("Data", {}), "detail.")
    infos = detail.mapping("ModelInfos")
    safetensor = infos.mapping("safetensor") if infos else None
    listing = parsed.get(f"files/{repo}", {}).get("Data", {})
    files = [Row(log, "repos", repo, entry, "files.") for entry in listing.get("Files", ())]
    config = next((entry.text("Sha256") for entry in files if entry.values["Path"] == CONFIG), None)
    facts = parsed.get(f"{CONFIG}/{repo}@{config}")
    model_types = detail.texts("ModelType")
    built = ModelScopeRepo(
        id=repo,
        revision=_revision(files),
        license=row.text("license") or detail.text("License"),
        model_type=model_types[0] if model_types else None,
        architectures=detail.texts("Architectures"),
        tasks=row.texts("tasks") or tuple(t for task in detail.rows("Tasks") if (t := task.text("Name"))),
        downloads=row.count("downloads") if "downloads" in item else detail.count("Downloads"),
        likes=row.count("likes") if "likes" in item else detail.count("Stars"),
        created_at=row.instant("created_at") or detail.instant("CreatedTime"),
        last_modified=row.instant("last_modified") or detail.instant("LastUpdatedTime"),
        gated=row.flag("gated"),
        base_models=tuple(base for base in detail.texts("BaseModel") if is_repo_id(base)),
        weights_bytes=safetensor.positive("model_size") if safetensor else None,
        tensor_types=safetensor.texts("tensor_type") if safetensor else (),
        files=_weight_files(files),
        files_complete=_complete(listing),
        config_json=json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if facts
        else None,
        config_sha256=config if facts is not None else None,
    )
    row.count_unknown(("id",))
    detail.count_unknown(("Path", "Name", "Stars", "Likes", "Downloads", "License", "Tasks", "CreatedTime"))
    return built


def _complete(listing: dict[str, Any]) -> bool | None:
    """Whether all files were listed; ModelScope cuts longer lists without saying so."""
    listed = as_count(listing.get("Listed"))
    return None if listed is None else listed < FILES_CUT_AT


def _revision(files: list[Row]) -> str | None:
    """The last commit that any listed file shows; None when the files cannot be ordered in time."""
    commits = {revision for entry in files if (revision := entry.text("Revision"))}
    if len(commits) <= 1:
        return next(iter(commits), None)
    dated = [(date, entry.text("Revision")) for entry in files if (date := entry.count("CommittedDate"))]
    return max(dated, default=(0, None), key=lambda pair: pair[0])[1] if len(dated) == len(files) else None


def _weight_files(files: list[Row]) -> tuple[RepoFile, ...]:
    weights = [entry for entry in files if entry.values["Path"] != CONFIG]
    return tuple(
        RepoFile(path=entry.values["Path"], bytes=entry.count("Size"), sha256=entry.text("Sha256"))
        for entry in sorted(weights, key=lambda entry: str(entry.values["Path"]))
    )


def prune(parsed: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    """All documents; parsing has already left only what is read."""
    del tables
    return dict(parsed)


def _token(settings: Settings) -> str | None:
    return resolve_secret(settings.modelscope_token) if settings.modelscope_token else None


ADAPTER = Adapter(
    name="modelscope",
    public_url="https://www.modelscope.cn",
    licence="facts of public repositories; each repository's own licence is in its row",
    tables={"repos": ModelScopeRepo},
    base_url=lambda settings: settings.modelscope_url,
    fetch=fetch,
    parse=parse,
    translate=translate,
    prune=prune,
    token=_token,
)
