"""Names under which other programs of this field know a setting, and those that nothing here reads."""

import os
from collections.abc import Iterator, Mapping

IMPLIED_REFERENCES: Mapping[str, str] = {
    "MODEL_MANAGER_API_TOKEN": "api_token",
}
"""Variables that hold a secret itself -> the setting that then refers to them, unless it is given."""

SECTIONS: Mapping[tuple[str, str], str] = {
    ("database", "path"): "db_path",
    ("server", "host"): "host",
    ("server", "port"): "port",
    ("discovery", "agent_model"): "agent_model",
    ("discovery", "parallel_batch"): "parallel_batch",
    ("discovery", "cache_days"): "cache_days",
    ("generator", "output_dir"): "output_dir",
    ("routing", "mode"): "routing_mode",
}
"""Keys of a sectioned configuration file -> the setting."""

WITHOUT_EFFECT: Mapping[str, str] = {
    "REDIS_HOST": "state and usage lie in SQLite files; Redis is not used",
    "REDIS_PORT": "state and usage lie in SQLite files; Redis is not used",
    "DATABASE_PVC_NAME": "the manifest that starts this process mounts the claim; STATE_PATH says where",
    "RECOMMENDATION_CACHE_TTL": "recommendations are published files, read once per registry",
    "GPU_INVENTORY_SOURCE": "an inventory is asked for by name: `modelscan gpus detect --help`",
}
"""Variables that are accepted, and why they change nothing."""

_PREFIX = "MODELSCAN_"
_OTHER_READERS = (
    "MODELSCAN_SYNTHESIS_",
    "MODELSCAN_SHARED",
    "MODELSCAN_PUBLISHED",
    "MODELSCAN_GATEWAYS",
    "MODELSCAN_FUZZ_EXAMPLES",
    "MODELSCAN_ENGINE_PYTHON",
    "MODELSCAN_RECORD",
)
"""Beginnings of variables that belong to the onboarding and to the tests."""
_ALIASES = {"MODELSCAN_STATE_DIR", "MODELSCAN_CATALOG_REFRESH_INTERVAL_S", "MODELSCAN_CATALOG_MODELS_SUBDIR"}
"""Their fields are read under more than one name."""


def implied_references(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings that refer to a variable which holds the secret itself."""
    return {
        field: f"env:{name}"
        for name, field in IMPLIED_REFERENCES.items()
        if environment.get(name, "").strip()
    }


def environment_warnings(known_fields: Mapping[str, object]) -> Iterator[str]:
    """What is set in the environment and has no effect, a line each; values are never repeated."""
    for name, why in WITHOUT_EFFECT.items():
        if os.environ.get(name):
            yield f"{name}: {why}"
    driver = os.environ.get("DATASTORE_DRIVER", "sqlite").strip().lower()
    if driver != "sqlite":
        yield f"DATASTORE_DRIVER: {driver[:20]!r} is not a store of this program; the state is SQLite"
    fields = {f"{_PREFIX}{field.upper()}" for field in known_fields} | _ALIASES
    for name in sorted(os.environ):
        if not name.startswith(_PREFIX) or name.startswith(_OTHER_READERS):
            continue
        if name.partition("__")[0].upper() not in fields:
            yield f"{name}: no setting has that name{near(name, fields)}"


def near(name: str, known: Iterator[str] | set[str]) -> str:
    """A hint at what was probably meant, or nothing."""
    from difflib import get_close_matches

    found = get_close_matches(name, sorted(known), n=1, cutoff=0.7)
    return f"; did you mean {found[0]}?" if found else ""
