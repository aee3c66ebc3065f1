"""Claims about requests that are taken for Unsloth's notebooks: their LoRA buffers and their batch."""

from __future__ import annotations

from typing import Any

import pytest

from modelscan_catalog.fit.evaluate import evaluate
from modelscan_catalog.fit.unsloth import notebook_sequences

NOTEBOOK = {
    "model": "unsloth/Llama-3.2-3B-Instruct",
    "quantization": "none",
    "gpu_total_gib": 39.56,
    "engine_version": "0.8.1",
    "max_model_len": 2048,
    "gpu_memory_utilization": 0.79,
}


def answer(**changes: Any) -> dict[str, Any]:
    return evaluate({**NOTEBOOK, **changes})


def test_a_notebook_loads_lora_buffers_and_its_band_reaches_down_to_a_plain_server() -> None:
    notebook, plain = answer(), answer(lora_rank=0)

    assert notebook["weights_gib"] == pytest.approx(6.2472, rel=0.005)
    assert plain["weights_gib"] == pytest.approx(6.016, rel=0.001)
    assert notebook["bands"]["weights_gib"][0] <= plain["weights_gib"]
    assert "LoRA of rank 64" in notebook["reason"]
    assert "LoRA" not in plain["reason"]


@pytest.mark.parametrize(
    "changes", [{"model": "meta-llama/Llama-3.2-3B-Instruct"}, {"tp": 2}, {"gpu_memory_utilization": None}]
)
def test_other_owners_several_cards_and_servers_without_a_share_are_no_notebooks(
    changes: dict[str, Any],
) -> None:
    assert "LoRA" not in answer(**changes)["reason"]


def test_a_notebooks_sequences_follow_the_memory_that_weights_leave() -> None:
    assert [notebook_sequences(left) for left in (1.0, 2.5, 7.2, 10.2, 25.0, 90.0)] == [
        128,
        160,
        192,
        224,
        320,
        400,
    ]
    assert answer()["activation_gib"] == pytest.approx(1.49, rel=0.03)
    assert answer(max_num_seqs=64)["activation_gib"] < answer()["activation_gib"]
