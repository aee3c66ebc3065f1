"""The DuckDB copy of a registry for ad-hoc SQL: derived from its Parquet files, never written to by hand."""

import hashlib
from pathlib import Path

import duckdb

from modelscan_catalog.errors import PublishError
from modelscan_catalog.store import write_json

_VIEWS = {
    "stable_models": """
        SELECT * FROM models WHERE status IS NULL OR status NOT IN ('deprecated', 'beta', 'experimental')""",
    "cheapest_offers": """
        SELECT model, provider, price.input AS input_usd_per_mtok, price.output AS output_usd_per_mtok
        FROM offers
        WHERE model IS NOT NULL AND price.output > 0 AND coalesce(status, '') <> 'deprecated'
        QUALIFY row_number() OVER (PARTITION BY model ORDER BY price.output, price.input, provider) = 1""",
    "local_or_api": """
        SELECT m.id, m.parameters.total AS parameters, count(v.id) AS variants,
               any_value(c.provider) AS cheapest_provider, any_value(c.output_usd_per_mtok) AS usd_per_mtok
        FROM models m JOIN variants v ON v.model = m.id LEFT JOIN cheapest_offers c ON c.model = m.id
        GROUP BY ALL""",
}


def build_warehouse(registry: Path, directory: Path) -> Path:
    """Build ``catalog-<hash>.duckdb`` below ``directory`` from the Parquet files of ``registry``.

    The hash is that of the registry's index, so a file is never rewritten while somebody reads it;
    ``current.json`` points at the newest and older ones are removed. Raises ``PublishError``.
    """
    index = registry / "index.json"
    try:
        name = f"catalog-{hashlib.sha256(index.read_bytes()).hexdigest()[:12]}.duckdb"
        target = directory / name
        directory.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            temporary = directory / f".{name}"
            temporary.unlink(missing_ok=True)
            _fill(temporary, registry)
            temporary.replace(target)
        write_json(directory / "current.json", {"file": name})
        for other in directory.glob("catalog-*.duckdb"):
            if other != target:
                other.unlink()
    except (OSError, duckdb.Error) as error:
        raise PublishError(f"{directory}: the DuckDB copy could not be built: {error}") from error
    return target


def _fill(path: Path, registry: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        for table in sorted((registry / "tables").glob("*.parquet")):
            connection.read_parquet(str(table)).create(table.stem)
        if (registry / "fit").is_dir():
            connection.execute(
                "CREATE TABLE fit AS SELECT parse_filename(filename, true) AS gpu, * EXCLUDE (filename) "
                "FROM read_parquet($path, filename => true)",
                {"path": str(registry / "fit" / "*.parquet")},
            )
        for view, query in _VIEWS.items():
            connection.execute(f"CREATE VIEW {view} AS {query}")
