"""Claims about the labelled queries and their score."""

import json
from pathlib import Path

from modelscan_catalog.registry.search_quality import LABELLED, search_quality, summary


def test_a_right_answer_is_ranked_and_an_impossible_label_is_left_out(
    published: Path, tmp_path: Path
) -> None:
    labelled = tmp_path / "labels.json"
    queries = [
        {"query": "qwen3 8b", "models": ["alibaba/qwen3-8b"]},
        {"query": "qwen3 8b", "models": ["mistral/*"]},
        {"query": "anything", "models": ["absent/*"]},
        {"query": "vision under 1 GB", "facts": {"tag": "vision", "most_memory_gib": 1}},
        {"query": "transcription", "facts": {"category": "speech_to_text"}, "tuned": True},
    ]
    labelled.write_text(json.dumps({"queries": queries}))
    scores = search_quality(published, labelled)
    assert [(score.rank, score.tuned) for score in scores] == [(1, False), (None, False), (1, True)]
    assert summary(scores)["first_is_right"] == 2 / 3
    assert summary(scores)["found_in_ten"] == 2 / 3


def test_every_labelled_query_says_what_is_right() -> None:
    labels = json.loads(LABELLED.read_text("utf-8"))["queries"]
    assert len({label["query"] for label in labels}) == len(labels) >= 40
    assert all(label.get("models") or label.get("facts") for label in labels)
    assert sum(not label.get("tuned", False) for label in labels) >= 60
