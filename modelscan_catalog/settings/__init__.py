"""All settings, read once from defaults, an optional YAML file and the environment into a frozen object."""

from modelscan_catalog.settings.load import Loaded, load_settings, load_tolerant
from modelscan_catalog.settings.model import REPOSITORY_ROOT, HttpLimits, Settings

__all__ = ["REPOSITORY_ROOT", "HttpLimits", "Loaded", "Settings", "load_settings", "load_tolerant"]
