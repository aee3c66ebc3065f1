"""The static twin of the GET endpoints: one file an endpoint and model, the same envelopes, unpaged.

Left out is what other files give: offers (``offers/<seller>.jsonl``), checkpoints (``models_registry.json``),
the fit (``fit/``), and filters of the list (``models.json`` has every model's status and tags).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from modelscan_catalog.api.reads import ApiCatalogue, envelope, twin_path
from modelscan_catalog.registry.files import VIEW, RegistryFiles, Row


def static_documents(
    tables: Mapping[str, Sequence[Row]], view: Row, gpus: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Documents by their path below ``api/``; ``tables`` holds published rows of models, variants, offers
    and providers, ``view`` is ``models_registry.json`` and ``gpus`` the ids of the profiles.
    """
    files = RegistryFiles.of_rows(
        {f"{name}.jsonl" if name != "offers" else name: rows for name, rows in tables.items()} | {VIEW: view}
    )
    catalogue = ApiCatalogue(files)
    lists: dict[str, Sequence[Any]] = {
        "models": catalogue.rows,
        "models/refiners": catalogue.refiners(),
        "providers": catalogue.providers,
        "recommendations/profiles": list(gpus),
    }
    documents = {f"{path}.json": envelope(rows, len(rows)) for path, rows in lists.items()}
    documents["v1/registry/categories.json"] = envelope(dict(catalogue.categories))
    for row in catalogue.rows:
        documents[twin_path(row["id"])] = envelope(catalogue.detail(row["id"]))
    return documents
