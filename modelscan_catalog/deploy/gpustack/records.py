"""What GPUStack answers, as far as it is used: tolerant of new fields, strict about those that are read."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from modelscan_catalog.errors import DeployError


class _Answer(BaseModel):
    """Unknown fields are ignored: a newer server adds some."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ServerModel(_Answer):
    """``ModelPublic``: the definition of a deployment."""

    id: int
    name: str
    source: str | None = None
    huggingface_repo_id: str | None = None
    model_scope_model_id: str | None = None
    local_path: str | None = None
    replicas: int = 0
    ready_replicas: int = 0
    categories: tuple[str, ...] = ()
    backend: str | None = None
    cluster_id: int | None = None
    meta: dict[str, Any] | None = None
    state_message: str | None = None

    @property
    def weights(self) -> str | None:
        """Where its weights come from."""
        return self.huggingface_repo_id or self.model_scope_model_id or self.local_path


class ServerInstance(_Answer):
    """``ModelInstancePublic``: one replica."""

    id: int
    name: str
    state: str
    state_message: str | None = None
    download_progress: float | None = None


class Claim(_Answer):
    """Bytes."""

    ram: int = 0
    vram: int = 0


class Evaluation(_Answer):
    """``ModelEvaluationResult``."""

    compatible: bool = False
    compatibility_messages: tuple[str, ...] | None = None
    scheduling_messages: tuple[str, ...] | None = None
    resource_claim: Claim | None = None
    error: bool | None = None
    error_message: str | None = None


class BackendVersion(_Answer):
    """A version that a backend can be asked for."""

    version: str


class Backend(_Answer):
    """``InferenceBackendListItem``."""

    backend_name: str
    enabled: bool | None = None
    versions: tuple[BackendVersion, ...] | None = None

    @property
    def version_names(self) -> tuple[str, ...]:
        """Newest first; empty where the server does not tell."""
        return tuple(one.version for one in self.versions or ())


class DeviceMemory(_Answer):
    """Bytes."""

    total: int | None = None


class Device(_Answer):
    """One card of a worker; ``id`` is what ``gpu_selector`` takes, such as ``worker:cuda:0``."""

    id: str
    name: str
    index: int = 0
    worker_name: str = ""
    compute_capability: str | None = None
    memory: DeviceMemory | None = None


class Cluster(_Answer):
    """Where models are placed."""

    id: int
    name: str = ""
    is_default: bool | None = None


_Read = TypeVar("_Read", bound=BaseModel)


def read(kind: type[_Read], answer: object, where: str) -> _Read:
    """``answer`` as ``kind``; raises ``DeployError`` naming the field that is not as documented."""
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DeployError(
            f"{where}: {field or 'the answer'}: {first['msg']}; is it a GPUStack 2 server?"
        ) from error
