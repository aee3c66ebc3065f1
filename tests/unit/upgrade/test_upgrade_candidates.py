"""Candidates: younger, same family, not less able; what is unknown excludes."""

import json
from typing import Any

import pytest

from modelscan_catalog.router.config import RouterConfig, parse_config
from modelscan_catalog.upgrade.candidates import upgrade_candidates


def _config(**changes: Any) -> RouterConfig:
    def model(name: str, **fields: Any) -> dict[str, Any]:
        base = {
            "id": f"lab/{name}",
            "context": 1000,
            "input": ["text"],
            "output": ["text"],
            "targets": [{"provider": "p", "model": name}],
        }
        return base | fields

    document = {
        "routing": {
            "direct": {"providers": [{"name": "p", "type": "api", "base_url": "http://127.0.0.1:1/v1"}]}
        },
        "models": [model("m-1"), model("m-2", **changes)],
        "policy": {
            "max_body_bytes": 1,
            "connect_timeout_s": 1,
            "first_byte_timeout_s": 1,
            "silence_timeout_s": 1,
            "max_attempts": 1,
            "fallback_statuses": [],
            "max_fallbacks_per_model": 0,
        },
    }
    return parse_config(json.dumps(document).encode())


def _records(**changes: Any) -> dict[str, dict[str, Any]]:
    old = {"id": "lab/m-1", "family": "m", "release_date": "2025-01-01"}
    return {"lab/m-1": old, "lab/m-2": old | {"id": "lab/m-2", "release_date": "2026-01-01"} | changes}


def test_a_younger_model_of_the_family_is_a_candidate_with_its_reasons() -> None:
    [found] = upgrade_candidates(_config(), _records())
    assert (found.route, found.candidate) == ("lab/m-1", "lab/m-2")
    assert found.reasons[0] == "released 2026-01-01, after 2025-01-01"


@pytest.mark.parametrize(
    ("config", "record"),
    [
        ({"context": 999}, {}),
        ({"context": None}, {}),
        ({"input": []}, {}),
        ({"deprecated": True}, {}),
        ({"task": "embedding"}, {}),
        ({}, {"family": "other"}),
        ({}, {"family": None}),
        ({}, {"release_date": "2025-01-01"}),
        ({}, {"release_date": "2026"}),
        ({}, {"status": "beta"}),
    ],
)
def test_one_that_is_less_able_older_or_unknown_is_none(
    config: dict[str, Any], record: dict[str, Any]
) -> None:
    assert upgrade_candidates(_config(**config), _records(**record)) == []


def test_another_line_of_the_same_family_is_no_successor() -> None:
    records = _records()
    config = _config(id="lab/m-2-mini")
    records["lab/m-2-mini"] = records.pop("lab/m-2") | {"id": "lab/m-2-mini"}
    assert upgrade_candidates(config, records) == []
