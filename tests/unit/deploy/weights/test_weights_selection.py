"""Which files of a repository are fetched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.deploy.weights.records import RemoteFile, RemoteRepo
from modelscan_catalog.deploy.weights.selection import select_files
from modelscan_catalog.errors import WeightsError


def repo(*paths: str, size: int | None = 10) -> RemoteRepo:
    return RemoteRepo(
        hub="huggingface",
        repo="acme/model",
        revision="ab" * 20,
        asked="main",
        source="http://hub.test",
        files=tuple(RemoteFile(path=path, bytes=size) for path in paths),
    )


def chosen(*paths: str, wanted: tuple[str, ...] = ()) -> set[str]:
    return {file.path for file in select_files(repo(*paths), wanted).files}


SIDE = {"config.json", "generation_config.json", "tokenizer.json", "chat_template.jinja", "LICENSE"}


def test_safetensors_come_with_tokenizer_configuration_and_template_and_no_other_form() -> None:
    shards = {
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    }
    others = {
        "pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json", "tf_model.h5",
        "flax_model.msgpack",
        "original/consolidated.00.pth", "original/params.json", "onnx/model.onnx", "onnx/config.json",
        "metal/model.bin", "model.Q4.gguf", "README.md", ".gitattributes", "figures/plot.png", "optimizer.pt",
        "training_args.bin", "trainer_state.json", "eval_results.json", "requirements.txt",
    }  # fmt: skip
    assert chosen(*shards, *SIDE, *others) == shards | SIDE


def test_shards_of_original_folders_are_duplicates() -> None:
    assert chosen("model.safetensors", "original/model.safetensors", "config.json") == {
        "model.safetensors",
        "config.json",
    }


def test_mistrals_own_form_is_left_out_where_there_is_the_one_of_transformers() -> None:
    both = ("consolidated.safetensors", "model-00001-of-00001.safetensors", "params.json", "config.json")
    assert "consolidated.safetensors" not in chosen(*both)
    assert "consolidated.safetensors" in chosen("consolidated.safetensors", "params.json", "tekken.json")


def test_a_precision_variant_is_left_out_where_the_plain_one_is() -> None:
    assert chosen("model.safetensors", "model.fp16.safetensors") == {"model.safetensors"}
    assert chosen("model.fp16.safetensors") == {"model.fp16.safetensors"}


def test_modules_of_sentence_transformers_belong_to_the_model() -> None:
    parts = {"model.safetensors", "modules.json", "1_Pooling/config.json", "2_Dense/model.safetensors"}
    assert chosen(*parts, "onnx/model.onnx") == parts


def test_a_pipeline_of_diffusers_is_taken_with_its_folders() -> None:
    parts = {
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
    }
    assert chosen(*parts, "unet/diffusion_pytorch_model.fp16.safetensors", "image.png") == parts


def test_pickled_weights_are_taken_when_there_are_no_others_and_it_is_said() -> None:
    found = select_files(repo("pytorch_model.bin", "config.json", "training_args.bin"))
    assert {file.path for file in found.files} == {"pytorch_model.bin", "config.json"}
    assert "can run code" in found.notes[0]


def test_one_gguf_model_is_taken_whole_and_of_several_one_must_be_chosen() -> None:
    split = {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}
    assert chosen(*split) == split
    with pytest.raises(WeightsError, match=r"choose one with --file: a-Q4\.gguf \(10 B\), a-Q8\.gguf"):
        chosen("a-Q4.gguf", "a-Q8.gguf")
    assert chosen("a-Q4.gguf", "a-Q8.gguf", "config.json", wanted=("*Q8*",)) == {"a-Q8.gguf", "config.json"}


def test_a_pattern_that_matches_nothing_lists_what_there_is() -> None:
    with pytest.raises(WeightsError, match=r"no file is named '\*Q5\*'; there are a-Q4\.gguf"):
        chosen("a-Q4.gguf", "config.json", wanted=("*Q5*",))


def test_a_repository_without_weights_is_refused() -> None:
    with pytest.raises(WeightsError, match="holds no weights"):
        chosen("README.md", "config.json")


NAMES = st.sampled_from(
    ["model.safetensors", "a.gguf", "b.gguf", "pytorch_model.bin", "config.json", "x/y.safetensors",
     "../e.safetensors", "tokenizer.model", "model_index.json", "README.md", "a\\b.json",
     "consolidated.safetensors"]
)  # fmt: skip


@given(st.lists(NAMES, unique=True), st.lists(st.sampled_from(["*", "*.gguf", "*.json", "zz"]), max_size=2))
def test_a_selection_is_a_part_of_the_listing_with_plain_paths_and_some_weights(
    paths: list[str], wanted: list[str]
) -> None:
    try:
        found = {file.path for file in select_files(repo(*paths), wanted).files}
    except WeightsError:
        return
    assert found <= set(paths)
    assert found
    assert not any(".." in path or "\\" in path for path in found)
    assert wanted or any(path.endswith((".safetensors", ".gguf", ".bin")) for path in found)
