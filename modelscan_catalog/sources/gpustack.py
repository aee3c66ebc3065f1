"""GPUStack's two model catalogues: which engine, flags and accelerators a model set is launched with."""

import json
from collections.abc import Mapping
from typing import Any

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.records import GpuFilter
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.adapter import Adapter, Document, Session, Tables
from modelscan_catalog.sources.reading import Row, RowLog, load_json, only
from modelscan_catalog.sources.staged import GpustackDraftModel, GpustackSet, GpustackSpec
from modelscan_catalog.sources.yaml_reader import load_yaml

CATALOGUES = {"huggingface": "model-catalog.yaml", "modelscope": "model-catalog-modelscope.yaml"}
"""Catalogue by the hub that its recipes load weights from."""

_REPO_FIELD = {"huggingface": "huggingface_repo_id", "modelscope": "model_scope_model_id"}
_SOURCE_VALUE = {"huggingface": "huggingface", "modelscope": "model_scope"}
_SET_KEYS = frozenset(
    {
        "name",
        "home",
        "size",
        "activated_size",
        "size_unit",
        "categories",
        "capabilities",
        "licenses",
        "release_date",
    }
)
_SPEC_KEYS = frozenset(
    {
        "mode",
        "quantization",
        "source",
        "huggingface_repo_id",
        "model_scope_model_id",
        "backend",
        "backend_version",
        "backend_parameters",
        "env",
        "gpu_filters",
        "categories",
        "speculative_config",
    }
)
_DRAFT_KEYS = frozenset(
    {
        "name",
        "algorithm",
        "source",
        "huggingface_repo_id",
        "model_scope_model_id",
    }
)


def _asset_path(settings: Settings, file: str) -> str:
    return f"/gpustack/gpustack/{settings.gpustack_ref}/gpustack/assets/{file}"


async def fetch(session: Session) -> None:
    """Both catalogue files at the configured ref."""
    for done, file in enumerate(CATALOGUES.values()):
        session.progress(done, len(CATALOGUES), file)
        await session.get(file, _asset_path(session.settings, file), check=_check)
    session.progress(len(CATALOGUES), len(CATALOGUES), "")


def _check(body: bytes, name: str) -> int:
    parse(name, body)
    return 200


def parse(name: str, body: bytes) -> Any:
    """The catalogue as plain data; keys that begin with a dot are YAML helpers and are left out."""
    value = load_json(body, name) if body[:1] == b"{" else load_yaml(body, name)
    if not isinstance(value, dict) or not isinstance(value.get("model_sets"), list):
        raise DocumentError(f"{name}: expected an object with a list under model_sets")
    return {str(key): entry for key, entry in value.items() if not str(key).startswith(".")}


def translate(parsed: Mapping[str, Any], documents: Mapping[str, Document], log: RowLog) -> Tables:
    """Tables ``sets``, ``specs`` and ``draft_models`` of both catalogues, in file order."""
    sets: list[GpustackSet] = []
    specs: list[GpustackSpec] = []
    drafts: list[GpustackDraftModel] = []
    for catalogue, file in CATALOGUES.items():
        root = parsed.get(file, {})
        for position, values in enumerate(root.get("model_sets", ())):
            _read_set(catalogue, position, values, log, sets, specs)
        for position, values in enumerate(_list(root.get("draft_models"))):
            draft = _draft(catalogue, position, values, log)
            if draft is not None:
                drafts.append(draft)
        for key in root.keys() - {"model_sets", "draft_models"}:
            log.unknown_fields[f"catalogue.{key}"[:120]] += 1
    log.rows_kept += len(sets) + len(specs) + len(drafts)
    return {"sets": list(sets), "specs": list(specs), "draft_models": list(drafts)}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _read_set(
    catalogue: str,
    position: int,
    values: Any,
    log: RowLog,
    sets: list[GpustackSet],
    specs: list[GpustackSpec],
) -> None:
    """Add one set and its specs; specs of a set without a name have no identity and are rejected with it."""
    log.rows_read += 1
    place = f"{catalogue}/{position}"
    spec_values = _list(values.get("specs")) if isinstance(values, dict) else []
    log.rows_read += len(spec_values)
    row = Row(log, "sets", place, values if isinstance(values, dict) else {})
    name = row.text("name")
    if name is None:
        log.reject_row("sets", place, "a model set without a name", values)
        for number in range(len(spec_values)):
            log.reject_row("specs", f"{place}/{number}", "its model set has no name")
        return
    row.record = f"{catalogue}/{name}"
    sets.append(
        GpustackSet(
            catalogue=catalogue,
            name=name,
            position=position,
            home=row.text("home"),
            size=row.number("size"),
            activated_size=row.number("activated_size"),
            size_unit=row.text("size_unit") or "B",
            categories=row.texts("categories", required=True),
            capabilities=row.texts("capabilities"),
            licenses=row.texts("licenses", required=True),
            release_date=row.partial_date("release_date", required=True),
        )
    )
    if not isinstance(values.get("specs"), list):
        log.reject_field("sets", row.record, "specs", values.get("specs"), "not a list of launch recipes")
    row.count_unknown(("specs", "description", "icon", *(key for key in values if str(key).startswith("."))))
    for number, spec in enumerate(spec_values):
        kept = _spec(catalogue, name, number, spec, log)
        if kept is not None:
            specs.append(kept)


def _spec(catalogue: str, set_name: str, position: int, values: Any, log: RowLog) -> GpustackSpec | None:
    record = f"{catalogue}/{set_name}/{position}"
    if not isinstance(values, dict):
        log.reject_row("specs", record, "not an object", values)
        return None
    row = Row(log, "specs", record, values)
    mode, backend = row.text("mode"), row.text("backend")
    repo = row.text(_REPO_FIELD[catalogue])
    source = row.text("source")
    lacks = [
        field
        for field, value in (("mode", mode), ("backend", backend), (_REPO_FIELD[catalogue], repo))
        if value is None
    ]
    if lacks or mode is None or backend is None or repo is None:
        log.reject_row("specs", record, f"a recipe without a usable {' and '.join(lacks)}")
        return None
    if source not in (None, _SOURCE_VALUE[catalogue]):
        log.reject_row("specs", record, f"weights from {source}; only {_SOURCE_VALUE[catalogue]} is read")
        return None
    rejects_before = len(log.rejects)
    gpu_filter = _gpu_filter(row.mapping("gpu_filters"))
    if len(log.rejects) > rejects_before:
        # Without its filter the recipe would claim to fit every accelerator.
        log.reject_row("specs", record, "its GPU filter cannot be read", values.get("gpu_filters"))
        return None
    spec = GpustackSpec(
        catalogue=catalogue,
        set_name=set_name,
        position=position,
        mode=mode,
        quantization=row.text("quantization", required=True),
        repo=repo,
        backend=backend,
        backend_version=row.text("backend_version"),
        backend_parameters=row.texts("backend_parameters"),
        env=_texts_by_name(row.mapping("env")),
        gpu_filter=gpu_filter,
        categories=row.texts("categories"),
        speculative=_texts_by_name(row.mapping("speculative_config")) or None,
    )
    row.count_unknown(("meta",))
    return spec


def _gpu_filter(row: Row | None) -> GpuFilter | None:
    if row is None:
        return None
    found = GpuFilter(
        vendors=row.texts("vendor"),
        compute_capability=row.text("compute_capability"),
        vendor_variant=row.text("vendor_variant"),
    )
    for name in sorted(row.values.keys() - row.read, key=str):
        row.drop(str(name), "a restriction that is not understood")
    return found if found != GpuFilter() else None


def _texts_by_name(row: Row | None) -> dict[str, str]:
    """Scalars as the text that an environment or a command line would carry."""
    found = {}
    for name, value in sorted(row.values.items(), key=str) if row else ():
        if isinstance(value, bool):
            found[str(name)] = "true" if value else "false"
        elif isinstance(value, int | float):
            found[str(name)] = json.dumps(value)
        elif row is not None and (text := row.text(name)) is not None:
            found[str(name)] = text
    return found


def _draft(catalogue: str, position: int, values: Any, log: RowLog) -> GpustackDraftModel | None:
    log.rows_read += 1
    record = f"{catalogue}/draft/{position}"
    row = Row(log, "draft_models", record, values if isinstance(values, dict) else {})
    name, algorithm, repo = row.text("name"), row.text("algorithm"), row.text(_REPO_FIELD[catalogue])
    if name is None or algorithm is None or repo is None:
        log.reject_row("draft_models", record, "a draft model without name, algorithm or repository", values)
        return None
    row.count_unknown(("source",))
    return GpustackDraftModel(catalogue=catalogue, name=name, algorithm=algorithm, repo=repo)


def prune(parsed: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    """Both catalogues with the keys that the tables have: no descriptions, no icons."""
    del tables
    return {
        file: {
            "draft_models": [only(draft, _DRAFT_KEYS) for draft in _list(parsed[file].get("draft_models"))],
            "model_sets": [
                only(values, _SET_KEYS)
                | {"specs": [only(spec, _SPEC_KEYS) for spec in _list(values.get("specs"))]}
                for values in parsed[file]["model_sets"]
                if isinstance(values, dict)
            ],
        }
        for file in CATALOGUES.values()
    }


ADAPTER = Adapter(
    name="gpustack",
    public_url="https://raw.githubusercontent.com",
    licence="Apache-2.0",
    tables={"sets": GpustackSet, "specs": GpustackSpec, "draft_models": GpustackDraftModel},
    base_url=lambda settings: settings.gpustack_url,
    fetch=fetch,
    parse=parse,
    translate=translate,
    prune=prune,
)
