"""The published registry from Python: models, validation, defaults, overrides and search.

    from modelscan_catalog.registry import get_model, get_registry

Opens in milliseconds: only the JSON that a question needs is parsed, and neither pandas, Arrow, Dagster nor
pydantic is imported before a question needs it.
"""

from modelscan_catalog.registry.checkpoint import RegistryModel
from modelscan_catalog.registry.files import RegistryNotFoundError, published_dir
from modelscan_catalog.registry.overrides import Overridden, ResolvedConfig, resolve_config
from modelscan_catalog.registry.registry import Registry, get_model, get_registry
from modelscan_catalog.registry.validation import validate_model_for_inference, validate_model_for_training

__all__ = [
    "Overridden",
    "Registry",
    "RegistryModel",
    "RegistryNotFoundError",
    "ResolvedConfig",
    "get_model",
    "get_registry",
    "published_dir",
    "resolve_config",
    "validate_model_for_inference",
    "validate_model_for_training",
]
