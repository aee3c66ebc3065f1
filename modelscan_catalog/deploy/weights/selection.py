"""Which files of a repository an engine needs: one form of the weights, tokenizer, configuration, template.

The rules follow vLLM's default loader (model_executor/model_loader/default_loader.py): safetensors before
pickled weights, none of the ``original`` folder, and of Mistral's two forms the one of Transformers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from modelscan_catalog.deploy.weights.paths import checked_file
from modelscan_catalog.deploy.weights.records import RemoteFile, RemoteRepo, size_text
from modelscan_catalog.errors import WeightsError

_SIDE = (
    "*.json",
    "*.jinja",
    "*.txt",
    "*.model",
    "*.tiktoken",
    "*.py",
    "*.yaml",
    "LICENSE*",
    "LICENCE*",
    "NOTICE*",
)
_NOT_SIDE = ("*.bin.index.json", "*.h5.index.json", "*.msgpack.index.json", "trainer_state.json",
             "*results*.json", "requirements*.txt")  # fmt: skip
_SIDE_FOLDERS = ("chat_templates", "additional_chat_templates")
_MODULE_FOLDER = re.compile(r"\d+_[A-Z]\w*")
"""A module of Sentence Transformers, such as ``1_Pooling``: a part of the model that lies in a folder."""
_MOST_SIDE_BYTES = 256 * 1024 * 1024
_GGUF_PART = re.compile(r"-(\d{5})-of-\d{5}\.gguf$")
_VARIANT = re.compile(r"\.(fp16|fp32|bf16|non_ema|ema)(?=[.-])")


@dataclass(frozen=True)
class Selection:
    """The files to fetch, and what a person should know of the choice."""

    files: tuple[RemoteFile, ...]
    notes: tuple[str, ...] = ()


def select_files(repo: RemoteRepo, wanted: Sequence[str] = ()) -> Selection:
    """The weight files that ``wanted`` names (by default one form of all) with what goes with them.

    Raises ``WeightsError`` when nothing matches, when there are no weights, when several GGUF files would do,
    or when the hub lists a file under a path that is none.
    """
    notes: tuple[str, ...] = ()
    weights = _named(repo, wanted) if wanted else _safetensors(repo)
    if not weights:
        weights = _only_gguf(repo)
    if not weights:
        weights = [file for file in _top(repo) if fnmatchcase(file.path, "pytorch_model*.bin")]
        notes = ("only pickled weights: loading them can run code of their author",) if weights else ()
    if not weights:
        raise WeightsError(
            f"{repo.repo}: holds no weights that an engine loads; --file takes any file by name"
        )
    chosen = {file.path: file for file in [*_side(repo), *weights]}
    return Selection(tuple(chosen[path] for path in sorted(chosen) if checked_file(path)), notes)


def _named(repo: RemoteRepo, wanted: Sequence[str]) -> list[RemoteFile]:
    found: dict[str, RemoteFile] = {}
    for pattern in wanted:
        matched = [file for file in repo.files if fnmatchcase(file.path, pattern)]
        if not matched:
            there = ", ".join(file.path for file in repo.files if _is_weights(file.path)) or "no weights"
            raise WeightsError(f"{repo.repo}: no file is named {pattern[:120]!r}; there are {there[:400]}")
        found |= {file.path: file for file in matched}
    return list(found.values())


def _is_weights(path: str) -> bool:
    return path.endswith((".safetensors", ".gguf", ".bin", ".pt", ".pth"))


def _top(repo: RemoteRepo) -> list[RemoteFile]:
    return [file for file in repo.files if "/" not in file.path]


def _safetensors(repo: RemoteRepo) -> list[RemoteFile]:
    everywhere = [file for file in repo.files if file.path.endswith(".safetensors")]
    top = [file for file in everywhere if "/" not in file.path]
    modules = [file for file in everywhere if _MODULE_FOLDER.fullmatch(file.path.partition("/")[0])]
    if not top:
        # A pipeline of Diffusers keeps each part in its own folder.
        is_pipeline = any(file.path == "model_index.json" for file in repo.files)
        return _without_variants(everywhere) if is_pipeline else modules
    transformers = [file for file in top if not file.path.startswith("consolidated")]
    return _without_variants(transformers or top) + modules


def _without_variants(files: list[RemoteFile]) -> list[RemoteFile]:
    """Without ``model.fp16.safetensors`` where ``model.safetensors`` is there, too."""
    plain = {_folder_and_stem(file.path) for file in files if not _VARIANT.search(file.path)}
    return [
        file
        for file in files
        if not _VARIANT.search(file.path) or _folder_and_stem(_VARIANT.sub("", file.path)) not in plain
    ]


def _folder_and_stem(path: str) -> str:
    """``path`` without its shard number: variants may be sharded differently."""
    return re.sub(r"-\d{5}-of-\d{5}", "", path)


def _only_gguf(repo: RemoteRepo) -> list[RemoteFile]:
    files = [file for file in repo.files if file.path.endswith(".gguf")]
    models: dict[str, list[RemoteFile]] = {}
    for file in files:
        models.setdefault(_GGUF_PART.sub("", file.path), []).append(file)
    if len(models) > 1:
        sizes = ", ".join(f"{parts[0].path} ({_size(parts)})" for _, parts in sorted(models.items()))
        raise WeightsError(f"{repo.repo}: holds several GGUF models, choose one with --file: {sizes[:1500]}")
    return files


def _size(parts: list[RemoteFile]) -> str:
    sizes = [part.bytes for part in parts]
    known = [size for size in sizes if size is not None]
    return size_text(sum(known)) if len(known) == len(sizes) else "unknown size"


def _side(repo: RemoteRepo) -> list[RemoteFile]:
    is_pipeline = any(file.path == "model_index.json" for file in repo.files)
    found = []
    for file in repo.files:
        folder, _, name = file.path.rpartition("/")
        near = not folder or is_pipeline or folder in _SIDE_FOLDERS or _MODULE_FOLDER.fullmatch(folder)
        matches = any(fnmatchcase(name, pattern) for pattern in _SIDE)
        refused = any(fnmatchcase(name, pattern) for pattern in _NOT_SIDE)
        if near and matches and not refused and (file.bytes or 0) <= _MOST_SIDE_BYTES:
            found.append(file)
    return found
