"""A checkpoint's storage as the fit sees it: a runtime's own format is judged as that."""

import pytest

from modelscan_catalog.fit.checkpoints import CheckpointFacts, fit_variant
from modelscan_catalog.fit.legality import quantization_support, rule_scheme
from modelscan_catalog.fit.profiles import find_profile


def _facts(method: str | None) -> CheckpointFacts:
    return CheckpointFacts(
        "own/M-W8A8", "lab/m", "own/M-W8A8", "w8a8-int8", method, 8 * 10**9, 8 * 10**9, 4096
    )


def test_an_eight_bit_checkpoint_of_ascends_own_format_runs_on_ascend_alone() -> None:
    variant, _ = fit_variant(_facts("modelslim"), None)
    assert variant.scheme is not None
    scheme = rule_scheme(variant.scheme)
    assert quantization_support(scheme, find_profile("ascend-910b2-64gb"), "vllm").runs
    for card in ("rtx-4090", "h100-80gb", "mi300x"):
        support = quantization_support(scheme, find_profile(card), "vllm")
        assert not support.runs
        assert "Ascend" in support.reason


@pytest.mark.parametrize("card", ["rtx-4090", "h100-80gb"])
def test_the_same_label_of_any_other_owner_runs_on_cards_with_integer_kernels(card: str) -> None:
    variant, _ = fit_variant(_facts(None), None)
    assert variant.scheme is not None
    assert quantization_support(rule_scheme(variant.scheme), find_profile(card), "vllm").runs


def test_what_no_engine_here_reads_has_no_scheme() -> None:
    variant, reason = fit_variant(_facts("mlx"), None)
    assert (variant.scheme, bool(reason)) == (None, True)
