"""The GPUStack feed against the recorded catalogues: every recipe that was read comes out equal."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelscan_catalog.feeds.checks import check_feed
from modelscan_catalog.feeds.gpustack import Catalogue, gpustack_catalogue
from modelscan_catalog.merge.deployments import build_deployments
from modelscan_catalog.records import Variant
from modelscan_catalog.settings import REPOSITORY_ROOT
from modelscan_catalog.sources.gpustack import CATALOGUES, parse, translate
from modelscan_catalog.sources.reading import RowLog

pytestmark = pytest.mark.shared

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))


def _read() -> Any:
    folder = SHARED / "sources" / "gpustack"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set MODELSCAN_SHARED")
    parsed = {file: parse(file, (folder / file).read_bytes()) for file in CATALOGUES.values()}
    return translate(parsed, {}, RowLog("gpustack"))


@pytest.mark.parametrize("catalogue", ["huggingface", "modelscope"])
def test_sets_recipes_and_drafts_come_out_equal(catalogue: Catalogue) -> None:
    tables = _read()
    of_repo = {(spec.catalogue, spec.repo): spec.repo for spec in tables["specs"]}
    variants = [
        Variant(id=repo, model="lab/any", hub="huggingface", repo=repo)
        for repo in sorted(set(of_repo.values()))
    ]
    staged: Any = SimpleNamespace(specs=tables["specs"])
    known: Any = SimpleNamespace(of_repo=of_repo, variants=variants)
    deployments = build_deployments(staged, known)
    document = gpustack_catalogue(
        catalogue, deployments, tables["sets"], tables["specs"], tables["draft_models"]
    )
    assert check_feed(f"gpustack-{catalogue}.yaml", document).passed
    again = translate({CATALOGUES[catalogue]: document}, {}, RowLog("gpustack"))
    for table in ("specs", "draft_models"):
        before = [row for row in tables[table] if row.catalogue == catalogue]
        assert list(again[table]) == before
        assert before
    with_recipes = {spec.set_name for spec in again["specs"]}
    wanted = [one for one in tables["sets"] if one.catalogue == catalogue and one.name in with_recipes]
    assert [one.model_copy(update={"position": 0}) for one in again["sets"]] == [
        one.model_copy(update={"position": 0}) for one in wanted
    ]
