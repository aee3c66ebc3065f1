"""The settings file of upgrades: bounds are kept, faults are named."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.upgrade.policy import read_policy

KEPT = Path(__file__).parents[3] / "registry" / "upgrade" / "policy.json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shadow": {"shares": [0.5]}}, r"shadow\.shares: each must lie between 0\.01 and 0\.05"),
        ({"canary": {"shares": [0.2, 0.1]}}, "shares must grow"),
        ({"full": {"shares": [0.9]}}, "between 1 and 1"),
        ({"canary": {"overdue_hours": 1}}, "overdue_hours is below"),
        ({"gates": {"overall": {"weights": {"quality": 0.9}}}}, "add up to 1"),
        ({"gates": {"quality": {"evaluation_set": "../x"}}}, "evaluation_set"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_value_out_of_bounds_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(_merged(json.loads(KEPT.read_text()), change)))
    with pytest.raises(SettingsError, match=message):
        read_policy(path)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text("{")
    with pytest.raises(SettingsError, match=r"policy\.json: cannot be read"):
        read_policy(path)


def _merged(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    for name, value in change.items():
        nested = isinstance(value, dict) and isinstance(document.get(name), dict)
        document[name] = _merged(document[name], value) if nested else value
    return document
