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

_IMAGE = r"^[^\s@]+(:\w[\w.-]*|@sha256:[0-9a-f]{64})$"


class BundleWeights(Record):
    """One repository at one revision. Digests and sizes are the hub's; null where it did not say."""

    hub: Literal["huggingface", "modelscope"]
    repo: str
    revision: str | None
    bytes: int | None = Field(description="of all weight files together")
    files: tuple[WeightFile, ...] | None = Field(description="weight files; null where no listing is known")
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

    The repository's small files (tokenizer, configuration) come with the same fetch; the hubs' listings
    that the catalogue keeps name the weight files only. Raises ``ManifestError`` for weights that are not
    on a hub, and where no image is known.
    """
    options = options or EmitOptions()
    if plan.source == "local_path":
        raise ManifestError(f"{plan.repo}: these weights are here already: plan the bundle from a hub")
    hub: Literal["huggingface", "modelscope"] = (
        "huggingface" if plan.source == "huggingface" else "modelscope"
    )
    known = options.checkpoint
    files = known.files or None
    total = sum(file.bytes or 0 for file in files) if files and all(f.bytes for f in files) else None
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
            license=known.license,
            needs_token=bool(plan.secret_env()),
        ),
        images=(BundleImage(image=image, targets=targets),),
        fetch=(_fetch(plan, directory), f"docker pull {image}", f"docker save {image} -o {archive}"),
        place=(f"docker load -i {archive}", _manifest(plan, directory)),
        environment=OFFLINE_ENV,
        unknown=_unknown(plan, options),
    )
    return bundle.model_dump(mode="json")


def _fetch(plan: LaunchPlan, directory: str) -> str:
    revision = ["--revision", plan.revision] if plan.revision else []
    if plan.source == "huggingface":
        return shlex.join(["hf", "download", plan.repo, *revision, "--local-dir", directory])
    return shlex.join(["modelscope", "download", "--model", plan.repo, *revision, "--local_dir", directory])


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
        missing.append("the weight files: no listing of the repository is known")
    else:
        missing += [f"the size of {file.path}" for file in files if file.bytes is None]
        missing += [f"the sha256 of {file.path}" for file in files if file.sha256 is None]
    missing.append("the digest of the image: its tag is what is known")
    return tuple(missing)
