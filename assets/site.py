"""The explorer: pages and types, written into the registry's candidate and vouched for by its index."""

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any

import dagster as dg

from assets.shared import OWNERS, Build, check_outcome
from assets.sources import read_state
from modelscan_catalog import progress
from modelscan_catalog.errors import PublishError
from modelscan_catalog.publish.checks import check_no_prose, check_no_secrets, check_sizes
from modelscan_catalog.publish.documents import document
from modelscan_catalog.publish.index import PublishedFile
from modelscan_catalog.publish.registry import (
    MOST_FILE_BYTES,
    MOST_TOTAL_BYTES,
    json_documents,
    read_index,
)
from modelscan_catalog.publish.schemas import PUBLISHED, SCHEMA_VERSION, record_schema
from modelscan_catalog.site.explorer import write_explorer
from modelscan_catalog.site.typescript import typescript
from modelscan_catalog.store import write_bytes, write_json
from modelscan_catalog.tables import SOURCES

MOST_SITE_FILE_BYTES = 500_000
MOST_SITE_BYTES = 6_000_000


@dg.asset(
    deps=["registry_candidate"],
    group_name="registry",
    owners=OWNERS,
    kinds={"html", "typescript"},
    description="The static explorer (site/) and TypeScript types of every record (types.d.ts).",
)
def explorer(build: Build) -> dg.MaterializeResult[Any]:
    """Written from the candidate's own files, so that it can say nothing else than they do."""
    root = build.data.next_registry
    states = [read_state(build, source) for source in SOURCES]
    written = write_explorer(
        root, max((state.fetched_at for state in states if state.fetched_at), default=None)
    )
    types = typescript({name: record_schema(name) for name in PUBLISHED}, SCHEMA_VERSION)
    write_bytes(root / "types.d.ts", types.encode())
    _vouch_for(root, [root / "types.d.ts", *(path for path in (root / "site").rglob("*") if path.is_file())])
    progress.report("registry", "explorer", 1, 1, f"{len(written):,} files")
    return dg.MaterializeResult(metadata={"files": len(written), "bytes": sum(written.values())})


def _vouch_for(root: Path, paths: list[Path]) -> None:
    """Name ``paths`` in the candidate's index, with their hashes."""
    index = read_index(root)
    if index is None:
        raise PublishError(f"{root / 'index.json'}: the candidate has no index; materialize it first")
    named = {entry.path: entry for entry in index.files}
    for path in paths:
        content = path.read_bytes()
        name = path.relative_to(root).as_posix()
        digest = hashlib.sha256(content).hexdigest()
        named[name] = PublishedFile(path=name, bytes=len(content), sha256=digest)
    files = tuple(sorted(named.values(), key=lambda entry: PurePosixPath(entry.path)))
    write_json(root / "index.json", document(index.model_copy(update={"files": files})))


@dg.asset_check(
    asset=explorer,
    blocking=True,
    description="Pages load in a moment, the registry stays fit for git, and nothing is secret or prose.",
)
def explorer_files(build: Build) -> dg.AssetCheckResult:
    """The registry's own checks on what came after it, and the explorer's sizes."""
    root = build.data.next_registry
    sizes = {
        path.relative_to(root).as_posix(): path.stat().st_size for path in root.rglob("*") if path.is_file()
    }
    site = {name: size for name, size in sizes.items() if name.startswith("site/")}
    texts = {name: (root / name).read_text("utf-8") for name in (*site, "types.d.ts")}
    return check_outcome(
        [
            check_sizes(site, most_bytes=MOST_SITE_FILE_BYTES, most_total_bytes=MOST_SITE_BYTES),
            check_sizes(sizes, most_bytes=MOST_FILE_BYTES, most_total_bytes=MOST_TOTAL_BYTES),
            check_no_secrets(texts),
            *(check_no_prose(name, json_documents(root / name)) for name in site if name.endswith(".json")),
        ]
    )
