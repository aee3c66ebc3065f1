"""Names: spelling goes, sizes, versions, dates and variant words stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.merge.names import hub_key, name_key, sizes_of, slug, split_labels
from modelscan_catalog.merge.tables import load_tables
from modelscan_catalog.records import Model

TABLES = load_tables()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Qwen-2.5_7B-Instruct", "qwen2.5-7b-instruct"),
        ("claude-3-5-sonnet", "Claude 3.5 Sonnet"),
        ("MiniCPM-V-2_6", "MiniCPM-V-2.6"),
        ("Yuan2.0-51B-hf", "Yuan2-51B-hf"),
        ("claude-sonnet-4-0", "claude-sonnet-4"),
        ("c4ai-command-r+", "c4ai-command-r-plus"),
        ("gpt4o", "gpt-4o"),
    ],
)
def test_two_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Qwen2.5-7B", "Qwen2-57B"),
        ("Qwen-1.5B", "Qwen1-5B"),
        ("Qwen3-8B", "Qwen3-8B-Base"),
        ("Qwen3-30B-A3B-Instruct-2507", "Qwen3-30B-A3B-Thinking-2507"),
        ("Qwen3-30B-A3B", "Qwen3-30B-A3B-2507"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
        ("DeepSeek-V3", "DeepSeek-V3.1"),
        ("glm-4.5", "glm-4.5-air"),
        ("llama-3.1-8b", "llama-3.1-80b"),
        ("phi-4", "phi-4-mini"),
        ("model-10", "model-1"),
    ],
)
def test_another_size_version_date_or_variant_has_another_key(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@given(st.text(max_size=40))
def test_the_key_of_a_key_is_itself(name: str) -> None:
    assert name_key(name_key(name)) == name_key(name)


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9._+-]{0,30}", fullmatch=True))
def test_the_key_of_a_repository_name_is_idempotent_and_blind_to_case(name: str) -> None:
    assert name_key(name_key(name)) == name_key(name) == name_key(name.upper().lower())


def test_sizes_are_read_with_their_decimals() -> None:
    assert sizes_of("Qwen3-30B-A3B") == {"30b", "3b"}
    assert sizes_of("Qwen2.5-1.5B-Instruct") == {"1.5b"}


@pytest.mark.parametrize(
    ("name", "stem", "schemes"),
    [
        ("Qwen3-8B-FP8", "Qwen3-8B", ["fp8"]),
        ("Qwen3-8B-w8a8-mtp", "Qwen3-8B", ["w8a8-int8"]),
        ("DeepSeek-R1-quantized.w4a16", "DeepSeek-R1", ["int4"]),
        ("Qwen3-8B-MLX-4bit", "Qwen3-8B", ["mlx", "int4"]),
        ("Llama-3.1-8B-Instruct-Q4_K_M-GGUF", "Llama-3.1-8B-Instruct", ["gguf", "gguf"]),
        ("Qwen3-32B-FP8-Static-PerTensor", "Qwen3-32B", ["fp8"]),
        ("gemma-3-12b-it-int4-awq", "gemma-3-12b-it", ["int4", "awq"]),
    ],
)
def test_storage_labels_are_split_from_the_end_of_a_name(name: str, stem: str, schemes: list[str]) -> None:
    found, labels = split_labels(name, TABLES)
    assert (found, [label.scheme for label in labels]) == (stem, schemes)


@pytest.mark.parametrize("name", ["Qwen3-8B-MTP", "Qwen3-8B-Instruct", "FP8", "gpt-oss-20b", "bge-m3"])
def test_a_name_without_a_label_stays_whole(name: str) -> None:
    assert split_labels(name, TABLES) == (name, ())


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,30}", fullmatch=True))
def test_a_stem_has_no_label_left_and_is_never_empty(name: str) -> None:
    stem, labels = split_labels(name, TABLES)
    assert stem
    assert name.startswith(stem)
    assert bool(labels) == (stem != name)


def test_the_loader_suffix_is_dropped_only_at_the_end() -> None:
    assert hub_key("Llama-2-13b-chat-ms", TABLES) == hub_key("Llama-2-13b-chat-hf", TABLES)
    assert hub_key("hf", TABLES) == "hf"
    assert hub_key("hf-model", TABLES) != hub_key("model", TABLES)


@given(st.text(max_size=40))
def test_a_slug_fits_a_model_id(text: str) -> None:
    assert Model(id=f"lab/{slug(text)}", name="x", lab="lab").id
