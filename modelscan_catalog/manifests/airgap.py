"""What one plan needs in a place without a network: weights, images, and how to fetch them beforehand."""

import shlex
from typing import Any, Literal

from pydantic import Field, field_validator

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.commands import container_image
from modelscan_catalog.manifests.options import OFFLINE_ENV, EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.records.base import Record
from modelscan_catalog.records.catalog import WeightFile

_DIGESTS = (
    'import json; [print(file["sha256"], "", file["path"]) for file in '
    'json.load(open("airgap.json"))["weights"]["files"] if file["sha256"]]'
)
"""Prints the list's digests as ``sha256sum -c`` reads them."""
_IMAGE = r"^[^\s@]+(:\w[\w.-]*|@sha256:[0-9a-f]{64})$"


class ListedFile(WeightFile):
    """A file as its hub lists it, or as it lies on this machine's disk."""

    git_sha1: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{40}$", description="git's object id, of files outside LFS"
    )


class BundleWeights(Record):
    """One repository at one revision. Digests and sizes are the hub's; null where it did not say."""

    hub: Literal["huggingface", "modelscope"]
    repo: str
    revision: str | None
    bytes: int | None = Field(description="of all listed files together; without a list of the weight files")
    files: tuple[ListedFile, ...] | None = Field(description="null where no listing is known")
    listed_by: Literal["catalogue", "installed", "hub"] | None = Field(
        default=None, description="the catalogue knows weight files only; null where nobody listed them"
    )
    license: str | None
    needs_token: bool


class BundleImage(Record):
    """A container image and the targets that run it."""

    image: str = Field(pattern=_IMAGE, description="with its tag, never latest")
    targets: tuple[str, ...]

    @field_validator("image")
    @classmethod
    def _is_pinned(cls, image: str) -> str:
        if image.endswith(":latest"):
            raise ValueError("latest is another image tomorrow: name a version")
        return image


class AirgapBundle(Record):
    """Everything that one plan needs from outside, and the commands that fetch it beforehand."""

    kind: Literal["modelscan-airgap-bundle"] = "modelscan-airgap-bundle"
    version: Literal[1] = 1
    model: str
    variant: str
    engine: str
    engine_version: str
    gpu: str
    weights: BundleWeights
    images: tuple[BundleImage, ...]
    fetch: tuple[str, ...] = Field(description="shell lines to run where there is a network")
    place: tuple[str, ...] = Field(description="shell lines to run where there is none")
    environment: dict[str, str]
    unknown: tuple[str, ...] = Field(description="what no source said, so that it cannot be checked")


def airgap_bundle(plan: LaunchPlan, options: EmitOptions | None = None) -> dict[str, Any]:
    """The bundle list of ``plan`` as JSON values.

    What is fetched is what is listed by a hub or an install, else the whole repository. Raises
    ``ManifestError`` for weights that are not on a hub, and where no image is known.
    """
    options = options or EmitOptions()
    if plan.source == "local_path":
        raise ManifestError(f"{plan.repo}: these weights are here already: plan the bundle from a hub")
    hub: Literal["huggingface", "modelscope"] = (
        "huggingface" if plan.source == "huggingface" else "modelscope"
    )
    known = options.checkpoint
    files = tuple(ListedFile.model_validate(file.model_dump()) for file in known.files or ()) or None
    total = sum(file.bytes or 0 for file in files) if files and all(f.bytes for f in files) else None
    wanted = [file.path for file in files or ()] if known.listed_by in ("installed", "hub") else []
    image = container_image(plan)
    directory = f"weights/{plan.repo}"
    archive = image.replace("/", "_").replace(":", "_") + ".tar"
    targets = ("compose", "kaito", "kserve-runtime") + (
        ("kserve-vllm", "kserve-llmisvc", "llm-d") if plan.engine == "vllm" else ()
    )
    bundle = AirgapBundle(
        model=plan.model_id,
        variant=plan.variant_id,
        engine=plan.engine,
        engine_version=plan.engine_version,
        gpu=f"{plan.gpu_count}x {plan.gpu_profile_id}",
        weights=BundleWeights(
            hub=hub,
            repo=plan.repo,
            revision=plan.revision,
            bytes=total or known.weights_bytes,
            files=files,
            listed_by=(known.listed_by or "catalogue") if files else None,
            license=known.license,
            needs_token=bool(plan.secret_env()),
        ),
        images=(BundleImage(image=image, targets=targets),),
        fetch=(_fetch(plan, directory, wanted), f"docker pull {image}", f"docker save {image} -o {archive}"),
        place=(*_compared(files, directory), f"docker load -i {archive}", _manifest(plan, directory)),
        environment=OFFLINE_ENV,
        unknown=_unknown(plan, options),
    )
    return bundle.model_dump(mode="json")


def _fetch(plan: LaunchPlan, directory: str, files: list[str]) -> str:
    revision = ["--revision", plan.revision] if plan.revision else []
    if plan.source == "huggingface":
        return shlex.join(["hf", "download", plan.repo, *files, *revision, "--local-dir", directory])
    return shlex.join(["modelscope", "download", plan.repo, *files, *revision, "--local-dir", directory])


def _compared(files: tuple[ListedFile, ...] | None, directory: str) -> tuple[str, ...]:
    """Compares what was carried with the list, which lies beside the weights as ``airgap.json``."""
    if not any(file.sha256 for file in files or ()):
        return ()
    return (
        f"{shlex.join(['python3', '-c', _DIGESTS])} | (cd {shlex.quote(directory)} && sha256sum -c --quiet)",
    )


def _manifest(plan: LaunchPlan, directory: str) -> str:
    words = ["modelscan", "manifest", plan.model_id, "--variant", plan.variant_id]
    words += ["--gpu", f"{plan.gpu_profile_id}:{plan.gpu_count}", "--engine"]
    words += [f"{plan.engine}@{plan.engine_version}", "--target", "compose", "--offline"]
    return f'{shlex.join(words)} --storage "$PWD"/{shlex.quote(directory)}'


def _unknown(plan: LaunchPlan, options: EmitOptions) -> tuple[str, ...]:
    files = options.checkpoint.files or ()
    missing = []
    if plan.revision is None:
        missing.append("the revision: the newest is fetched")
    if not files:
        missing.append(f"the weight files: {options.checkpoint.unlisted or 'no listing of them is known'}")
    in_git = [file for file in files if file.sha256 is None and getattr(file, "git_sha1", None)]
    if in_git:
        missing.append(f"the sha256 of {len(in_git)} files: the hub gives their git ids only")
    missing += [f"the size of {file.path}" for file in files if file.bytes is None]
    missing += [f"the sha256 of {file.path}" for file in files if not file.sha256 and file not in in_git]
    missing.append("the digest of the image: its tag is what is known")
    return tuple(missing)
