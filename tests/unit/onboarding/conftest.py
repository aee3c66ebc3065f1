"""Settings for the claims about the eleven steps; sources are the snapshot, which is read once."""

from pathlib import Path

import pytest
from onboarding_samples import KEY, LM_KEY, snapshot

from modelscan_catalog.onboarding import gather
from modelscan_catalog.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(gather, "latest", lambda source, _: snapshot(source))
    monkeypatch.setenv("PROVIDER_KEY", KEY)
    monkeypatch.setenv("LM_KEY", LM_KEY)
    return Settings(data_dir=tmp_path / "data")
