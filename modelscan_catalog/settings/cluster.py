"""Settings of Kubernetes: which cluster, where in it, and where its weights lie."""

from pydantic import Field
from pydantic_settings import BaseSettings

_DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


class ClusterSettings(BaseSettings):
    """A part of ``Settings``; names without ``MODELSCAN_`` are those that model managers use already."""

    kubeconfig: str | None = Field(
        default=None,
        validation_alias="KUBECONFIG",
        description="files, separated by a colon; unset is ~/.kube/config, or the pod's own account",
    )
    active_namespace: str = Field(default="ai", validation_alias="ACTIVE_NAMESPACE", pattern=_DNS_LABEL)
    active_service: str = Field(
        default="active-llm", validation_alias="ACTIVE_INFERENCESERVICE_NAME", pattern=_DNS_LABEL
    )
    weights_pvc: str = Field(
        default="venus-model-storage",
        validation_alias="WEIGHTS_PVC_NAME",
        description="claim that holds weights",
    )
    inference_model_root: str = Field(
        default="/mnt/models",
        validation_alias="INFERENCE_MODEL_ROOT",
        description="where a serving container sees them",
    )
    readiness_hosts: tuple[str, ...] = Field(
        default=(), description="hosts that the API may ping beside loopback and the cluster's own services"
    )
    allow_apply: bool = Field(default=False, description="API calls change the cluster without ?apply=1")
