"""What the claims about weights are given: a hub that has a tiny repository, and settings that name it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from weights_claims import settings_for, tiny_hub
from weights_hub_server import FakeHub

from modelscan_catalog.settings import Settings


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with tiny_hub() as found:
        yield found


@pytest.fixture
def settings(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    return settings_for(hub, tmp_path, monkeypatch)
