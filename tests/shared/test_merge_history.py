"""Changes between the two recorded models.dev documents, two months apart."""

import gzip
import os
from collections import Counter
from pathlib import Path

import pytest

from modelscan_catalog.merge.catalogue import Catalogue, merge_catalogue
from modelscan_catalog.merge.changes import diff_catalogues, previous_build
from modelscan_catalog.merge.documents import SourceDocument
from modelscan_catalog.settings import REPOSITORY_ROOT
from modelscan_catalog.sources.adapter import Document
from modelscan_catalog.sources.models_dev import ADAPTER
from modelscan_catalog.sources.reading import RowLog

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared")).resolve()
FOLDER = SHARED / "sources" / "models.dev"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"NO SHARED SOURCES at {SHARED}: set MODELSCAN_SHARED"),
]


def built(api: bytes, day: str, before: Catalogue | None = None) -> Catalogue:
    bodies = {"api.json": api, "models.json": (FOLDER / "models.json").read_bytes()}
    parsed = {name: ADAPTER.parse(name, body) for name, body in bodies.items()}
    documents = {
        name: Document(name, "https://models.dev/", name, 200, f"{day}T00:00:00Z", "0" * 64)
        for name in bodies
    }
    tables = ADAPTER.translate(parsed, documents, RowLog("models_dev"))
    return merge_catalogue(
        {f"models_dev_{name}": rows for name, rows in tables.items()},
        previous=previous_build(before) if before else None,
        documents=[SourceDocument("models_dev", "https://models.dev/api.json", f"{day}T00:00:00Z")],
    )


@pytest.fixture(scope="module")
def builds() -> tuple[Catalogue, Catalogue]:
    old = built(
        gzip.decompress((FOLDER / "history" / "api-2026-08-04.opencode-1.18.12.json.gz").read_bytes()),
        "2026-08-04",
    )
    return old, built((FOLDER / "api.json").read_bytes(), "2026-09-30", old)


def test_added_and_removed_offers_add_up(builds: tuple[Catalogue, Catalogue]) -> None:
    old, new = builds
    changes = diff_catalogues(previous_build(old), new)
    offers = Counter(c.change for c in changes if c.record.startswith("offer:") and c.change != "changed")
    assert len(old.offers) + offers["added"] - offers["removed"] == len(new.offers)
    assert offers["removed"] == sum(t.record.startswith("offer:") for t in new.tombstones) > 0
    assert {t.last_seen for t in new.tombstones} == {"2026-08-04T00:00:00Z"}


def test_every_offer_whose_terms_changed_keeps_the_former_ones(builds: tuple[Catalogue, Catalogue]) -> None:
    old, new = builds
    before = {offer.id: offer for offer in old.offers}
    changed = {
        offer.id
        for offer in new.offers
        if offer.id in before
        and (offer.price, offer.limits, offer.status)
        != (before[offer.id].price, before[offer.id].limits, before[offer.id].status)
    }
    assert changed == {row["offer"] for row in new.price_history}
    assert len(changed) > 500


def test_offers_whose_terms_did_not_change_keep_their_first_date(builds: tuple[Catalogue, Catalogue]) -> None:
    _, new = builds
    dates = Counter(offer.observed_at[:10] for offer in new.offers)
    assert set(dates) == {"2026-08-04", "2026-09-30"}
    assert dates["2026-08-04"] > 4000


def test_the_same_documents_again_change_nothing(builds: tuple[Catalogue, Catalogue]) -> None:
    _, new = builds
    again = built((FOLDER / "api.json").read_bytes(), "2026-09-30", new)
    assert again == new
    assert diff_catalogues(previous_build(new), again) == ()
