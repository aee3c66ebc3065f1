"""All settings, read once from defaults, an optional YAML file and the environment into a frozen object."""

from modelscan_catalog.settings.load import load_settings
from modelscan_catalog.settings.model import REPOSITORY_ROOT, HttpLimits, Settings

__all__ = ["REPOSITORY_ROOT", "HttpLimits", "Settings", "load_settings"]
