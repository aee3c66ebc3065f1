"""The claims about KServe, against what a real API server answered when they were recorded.

Recorded anew by ``MODELSCAN_RECORD=1 make test-kserve``.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from kserve_claims import CLAIMS
from kserve_exchanges import RECORDED, Replay, kubeconfig

from modelscan_catalog.deploy.kserve.api import connect


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_as_recorded(claim: Any, tmp_path: Path) -> None:
    replay = Replay(json.loads((RECORDED / f"{claim.__name__}.json").read_text("utf-8")))
    with replay.running():
        claim(connect(kubeconfig(tmp_path, replay.url)), "default")
    assert (replay.strange, [exchange["asked"] for exchange in replay.left]) == ([], [])


def test_every_record_belongs_to_a_claim() -> None:
    assert {path.stem for path in RECORDED.glob("*.json")} == {claim.__name__ for claim in CLAIMS}
