"""The classifier: the same answer each time, as good as published, attachments first."""

from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.router.classify import asked_modalities, asked_text, classifier_quality, lexicon
from modelscan_catalog.router.config import CLASSES


def test_given_the_labelled_queries_when_scored_then_each_half_is_right_in_five_of_six():
    quality = classifier_quality()
    assert quality["version"] == lexicon().version
    assert quality["queries"] >= 80
    assert set(quality["recall"]) == set(CLASSES)
    for split in ("held_out", "tuning"):
        assert quality["accuracy"][split]["share"] >= 5 / 6
    assert sum(row["of"] - row["right"] for row in quality["recall"].values()) == len(quality["wrong"])


@given(st.text(max_size=3000), st.sampled_from([(), ("image",)]))
def test_given_any_text_when_classified_twice_then_the_answer_is_the_same_known_class(text, attached):
    first, second = (lexicon().classify(text, attached) for _ in range(2))
    assert first == second
    assert first.query_class in CLASSES
    assert not attached or first.query_class == "multimedia"


def test_given_content_parts_when_read_then_text_and_modalities_are_found():
    messages = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "text", "text": "this?"},
                {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
            ],
        },
        {"role": "assistant", "content": "A debugger."},
    ]
    assert asked_text(messages) == "What is\nthis?"
    assert asked_modalities(messages) == {"image", "audio"}
    assert lexicon().classify("debug", asked_modalities(messages)).query_class == "multimedia"


@given(
    st.lists(st.none() | st.integers() | st.dictionaries(st.sampled_from(["role", "content"]), st.integers()))
)
def test_given_messages_of_no_shape_when_read_then_nothing_is_found(messages):
    assert asked_text(messages) == ""
    assert asked_modalities(messages) == frozenset()
