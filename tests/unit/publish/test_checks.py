"""Checks find what they are for, name it, and let the good pass."""

from datetime import UTC, datetime

import pytest

from modelscan_catalog.publish import checks
from modelscan_catalog.records import Model, SourceState


def a_model(**fields: object) -> Model:
    return Model.model_validate({"id": "lab/m", "name": "M", "lab": "lab"} | fields)


def a_state(source: str, day: int, *problems: str) -> SourceState:
    return SourceState.model_validate(
        {"source": source, "origin": "live", "fetched_at": datetime(2026, 9, day, tzinfo=UTC).isoformat(),
         "documents": 1, "rows_read": 1, "rows_kept": 1, "rows_rejected": 0, "problems": problems}
    )  # fmt: skip


def test_a_valid_record_passes_the_schema_check() -> None:
    assert checks.check_schema("model", [a_model()]).passed


def test_an_invalid_record_is_named_with_its_field() -> None:
    broken = a_model().model_copy(update={"release_date": "last spring"})
    (finding,) = checks.check_schema("model", [broken]).findings
    assert "model lab/m: field release_date" in finding


def test_an_id_that_stands_twice_is_found() -> None:
    assert checks.check_unique("models", ["a", "b", "a"]).findings == (
        "models: a stands twice; merge must keep one",
    )


def test_a_reference_to_nothing_is_found() -> None:
    result = checks.check_references("offers", [("p/x", "lab/m"), ("p/y", "lab/gone")], {"lab/m"}, "model")
    assert result.findings == ("offers p/y: names model lab/gone, which does not exist",)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-" + "a1" * 12,
        "hf_" + "Ab" * 12,
        "ghp_" + "z" * 30,
        "AKIA" + "ABCDEFGH12345678",
        "://user:pass@host/",
    ],
)
def test_what_looks_like_a_secret_is_found_and_not_repeated(secret: str) -> None:
    result = checks.check_no_secrets({"router.json": f"x {secret} y"})
    assert not result.passed
    assert secret not in result.findings[0]


def test_references_and_hashes_are_no_secrets() -> None:
    text = "env:OPENAI_API_KEY sk-model https://${HOST}:8080/v1 " + "a" * 64
    assert checks.check_no_secrets({"router.json": text}).passed


def test_a_description_is_prose_and_a_title_is_not() -> None:
    title = {"id": "m", "name": "Command R plus of August 2024"}
    prose = {"id": "m", "name": "A compact and capable model " * 4}
    assert checks.check_no_prose("models", [title, {"reason": "we " * 40}]).passed
    assert "field name reads as prose" in checks.check_no_prose("models", [prose]).findings[0]


def test_zero_never_stands_for_unknown() -> None:
    assert "unknown is null" in checks.check_no_defaults("models", [{"limits": {"context": 0}}]).findings[0]


def test_a_placeholder_that_fills_a_column_is_found_and_a_few_true_ones_are_not() -> None:
    def rows(placeholders: int) -> list[dict[str, object]]:
        return [{"limits": {"context": 4096 if n < placeholders else 8192 + n}} for n in range(100)]

    assert checks.check_no_defaults("models", rows(10)).passed
    assert not checks.check_no_defaults("models", rows(40)).passed


def test_a_table_that_lost_a_third_is_found_unless_that_was_accepted() -> None:
    before, now = {"offers": 100, "models": 10}, {"offers": 60, "models": 10}
    assert (
        "offers: 60 rows, 100 are published"
        in checks.check_shrink(now, before, 0.3, accepted=False).findings[0]
    )
    assert checks.check_shrink(now, before, 0.3, accepted=True).passed
    assert checks.check_shrink(now, before, 0.5, accepted=False).passed


def test_an_empty_table_is_found() -> None:
    assert checks.check_row_counts({"models": 1, "offers": 0}).findings[0].startswith("offers: has no rows")


def test_a_source_left_behind_by_the_others_is_stale() -> None:
    states = [a_state("gpustack", 1), a_state("models_dev", 30)]
    newest = states[1].fetched_at
    assert checks.check_staleness(states, newest, 14).findings[0].startswith("gpustack: read on 2026-09-01")
    assert checks.check_staleness(states, newest, 30).passed


def test_a_sources_problem_is_repeated() -> None:
    states = [a_state("gpustack", 1, "HTTP 503")]
    assert checks.check_staleness(states, states[0].fetched_at, 14).findings == ("gpustack: HTTP 503",)


def test_files_too_large_for_git_are_found() -> None:
    result = checks.check_sizes({"a": 6, "b": 2}, most_bytes=5, most_total_bytes=7)
    assert [finding.split(":")[0] for finding in result.findings] == ["a", "all files together"]
