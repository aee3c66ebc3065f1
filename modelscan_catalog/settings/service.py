"""Settings of `modelscan serve`: where it listens, who may ask, where its state lies, what it serves."""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings

from modelscan_catalog.durations import DurationS
from modelscan_catalog.secret_refs import SecretRef


class ServiceSettings(BaseSettings):
    """Fields of the running service."""

    host: str = Field(default="127.0.0.1", description="beyond loopback only with a token")
    port: int = Field(default=8080, ge=0, le=65535, description="0 takes a free one")
    api_token: SecretRef | None = Field(default=None, description="bearer token of what changes something")
    client_token: SecretRef | None = Field(
        default=None, description="bearer token of those who ask models; the same as api_token when unset"
    )
    rate_limit: str | None = Field(
        default=None, description="requests of one client, such as 50/second;1000/minute; off when unset"
    )
    api_max_body_bytes: int = Field(default=1_000_000, ge=1000)
    drain_timeout_s: DurationS = Field(default=30.0, ge=0, description="how long requests may finish")
    routing_mode: Literal["direct", "plano_embedded", "plano_proxy", "off"] = Field(
        default="direct", description="the last two start no router: Plano, or nothing, stands there"
    )
    router_chains: Path | None = Field(
        default=None, description="own orders of models by class of query, before those of router.json"
    )
    api_keys: dict[str, tuple[SecretRef, ...]] = Field(
        default={}, description="more keys of the router's providers, by reference"
    )

    upgrade_interval_s: DurationS = Field(
        default=900.0, ge=0, description="how often the service decides about open upgrades; 0: never"
    )
    upgrade_scoring: bool = Field(
        default=False,
        description="have the service ask the evaluation sets of both models where a score is missing or old",
    )

    db_path: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("MODELSCAN_DB_PATH", "DATASTORE_DSN"),
        description="the state file; modelscan.db in state_dir when unset",
    )
    state_dir: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("MODELSCAN_STATE_DIR", "STATE_PATH"),
        description="data_dir/state",
    )
    catalog_root: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("MODELSCAN_CATALOG_ROOT", "MODEL_CATALOG_ROOT"),
        description="the published registry to serve; published_dir when unset",
    )
    catalog_models_subdir: str = Field(
        default="models",
        validation_alias=AliasChoices("MODELSCAN_CATALOG_MODELS_SUBDIR", "MODEL_CATALOG_MODELS_SUBDIR"),
        description="a folder of own entries below catalog_root, laid over the registry where it exists",
    )
    catalog_refresh_interval_s: DurationS = Field(
        default=2.0,
        ge=0,
        validation_alias=AliasChoices("MODELSCAN_CATALOG_REFRESH_INTERVAL_S", "CATALOG_REFRESH_INTERVAL"),
        description="how often the server looks for a newly published registry",
    )
    overlays: Path | None = Field(default=None, description="own entries, laid over the registry")

    registry_url: str | None = Field(
        default=None,
        validation_alias="REGISTRY_URL",
        pattern=r"^https?://[^@\s]+$",
        description="where `modelscan router` reads router.json: another `modelscan serve`, or any file host",
    )
    registry_token: SecretRef | None = Field(
        default=None, description="bearer token with which routers that run apart read router.json"
    )
