"""models.dev: who sells API access to which model at what price, and what the labs say of their models."""

import re
from collections.abc import Mapping
from typing import Any

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.records import Limits, Modalities, Price, PriceTier
from modelscan_catalog.sources.adapter import Adapter, Document, Session, Tables
from modelscan_catalog.sources.reading import Row, RowLog, is_text, load_json, only
from modelscan_catalog.sources.staged import (
    ModelsDevBenchmark,
    ModelsDevLabModel,
    ModelsDevOffer,
    ModelsDevProvider,
)

OFFERS = "api.json"
LAB_MODELS = "models.json"

_PROVIDER_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
"""It becomes a file's name and a module's."""
_PROSE = ("id", "description", "interleaved", "experimental")
_PROVIDER_KEYS = frozenset({"name", "npm", "api", "doc", "env"})
_MODEL_KEYS = frozenset(
    {
        "name",
        "family",
        "status",
        "attachment",
        "reasoning",
        "reasoning_options",
        "tool_call",
        "structured_output",
        "temperature",
        "open_weights",
        "knowledge",
        "release_date",
        "last_updated",
        "modalities",
        "limit",
        "cost",
        "canonical_model_id",
        "provider",
        "license",
        "weights",
        "benchmarks",
    }
)
_TIER_START_OF_200K = 200_000


async def fetch(session: Session) -> None:
    """Two documents; each is the whole of its kind."""
    for done, name in enumerate((OFFERS, LAB_MODELS)):
        session.progress(done, 2, name)
        await session.get(name, f"/{name}", check=_check)
    session.progress(2, 2, "")


def _check(body: bytes, name: str) -> int:
    parse(name, body)
    return 200


def parse(name: str, body: bytes) -> Any:
    """A mapping of provider ids or lab model ids to objects."""
    value = load_json(body, name)
    if not isinstance(value, dict) or not any(isinstance(entry, dict) for entry in value.values()):
        raise DocumentError(f"{name}: expected an object of entries by id, as models.dev serves it")
    return value


def translate(parsed: Mapping[str, Any], documents: Mapping[str, Document], log: RowLog) -> Tables:
    """Tables ``providers``, ``offers`` and ``lab_models``."""
    providers: list[ModelsDevProvider] = []
    offers: list[ModelsDevOffer] = []
    for provider_id, values in sorted(parsed.get(OFFERS, {}).items()):
        log.rows_read += 1
        if not _PROVIDER_ID.match(provider_id) or not isinstance(values, dict):
            log.reject_row("providers", str(provider_id), "not an object under a usable id", values)
            continue
        provider, models = _provider(Row(log, "providers", provider_id, values))
        providers.append(provider)
        offers.extend(_offers(provider_id, models, log))
    lab_models = list(_lab_models(parsed.get(LAB_MODELS, {}), log))
    log.rows_kept += len(providers) + len(offers) + len(lab_models)
    return {"providers": list(providers), "offers": list(offers), "lab_models": list(lab_models)}


def _provider(row: Row) -> tuple[ModelsDevProvider, dict[str, Any]]:
    models = row.mapping("models", required=True)
    provider = ModelsDevProvider(
        id=row.record,
        name=row.text("name", required=True) or row.record,
        npm=row.text("npm", required=True),
        api=row.text("api"),
        doc=row.text("doc", required=True),
        env=row.texts("env", required=True),
    )
    row.count_unknown(("id",))
    return provider, dict(models.values) if models else {}


def _offers(provider: str, models: dict[str, Any], log: RowLog) -> list[ModelsDevOffer]:
    offers = []
    for model_id, values in sorted(models.items()):
        log.rows_read += 1
        record = f"{provider}/{model_id}"
        if not is_text(model_id) or not isinstance(values, dict):
            log.reject_row("offers", record, "not an object under a usable id", values)
            continue
        row = Row(log, "offers", record, values)
        own = row.mapping("provider")
        offers.append(
            ModelsDevOffer(
                provider=provider,
                id=model_id,
                canonical_model_id=row.text("canonical_model_id"),
                price=_price(row.mapping("cost")),
                reasoning_efforts=_efforts(row.rows("reasoning_options")),
                provider_npm=own.text("npm") if own else None,
                provider_api=own.text("api") if own else None,
                provider_shape=own.text("shape") if own else None,
                **_common(row, model_id),
            )
        )
        row.count_unknown(_PROSE)
        if own:
            own.count_unknown()
    return offers


def _common(row: Row, fallback_name: str) -> dict[str, Any]:
    """The fields that an offer and a lab's model share."""
    limits = row.mapping("limit", required=True)
    modalities = row.mapping("modalities", required=True)
    return {
        "name": row.text("name", required=True) or fallback_name,
        "family": row.text("family"),
        "status": row.text("status"),
        "attachment": row.flag("attachment", required=True),
        "reasoning": row.flag("reasoning", required=True),
        "tool_call": row.flag("tool_call", required=True),
        "structured_output": row.flag("structured_output"),
        "temperature": row.flag("temperature"),
        "open_weights": row.flag("open_weights", required=True),
        "knowledge": row.partial_date("knowledge"),
        "release_date": row.partial_date("release_date", required=True),
        "last_updated": row.partial_date("last_updated", required=True),
        "modalities": _modalities(modalities),
        "limits": _limits(limits, output_required=row.table == "offers"),
    }


def _modalities(row: Row | None) -> Modalities:
    if row is None:
        return Modalities()
    return Modalities(
        input=tuple(sorted(set(row.texts("input", required=True)))),
        output=tuple(sorted(set(row.texts("output", required=True)))),
    )


def _limits(row: Row | None, *, output_required: bool) -> Limits:
    if row is None:
        return Limits()
    limits = Limits(
        context=row.positive("context", required=True),
        input=row.positive("input"),
        output=row.positive("output", required=output_required),
    )
    row.count_unknown()
    return limits


def _efforts(options: list[Row]) -> tuple[str, ...]:
    """Values of the ``effort`` option; toggles and token budgets have none."""
    return tuple(
        dict.fromkeys(
            value
            for option in options
            if option.values.get("type") == "effort"
            for value in _effort_values(option)
        )
    )


def _effort_values(option: Row) -> tuple[str, ...]:
    values = option.values.get("values")
    if isinstance(values, list):  # null stands for "no effort parameter" among the values
        option = Row(
            option.log,
            option.table,
            option.record,
            {"values": [value for value in values if value is not None]},
            option.prefix,
        )
    return option.texts("values")


def _price(row: Row | None) -> Price | None:
    if row is None:
        return None
    tiers = [tier for entry in row.rows("tiers") if (tier := _tier(entry))]
    over_200k = row.mapping("context_over_200k")
    if over_200k is not None:
        # Older form of the same statement: where tiers are given it repeats one of them under any threshold.
        repeated = {tier.model_copy(update={"above_context_tokens": _TIER_START_OF_200K}) for tier in tiers}
        legacy = _tier_prices(over_200k, _TIER_START_OF_200K)
        if legacy and legacy not in repeated:
            tiers.append(legacy)
    price = Price(
        input=row.number("input"),
        output=row.number("output"),
        cache_read=row.number("cache_read"),
        cache_write=row.number("cache_write"),
        reasoning=row.number("reasoning"),
        input_audio=row.number("input_audio"),
        output_audio=row.number("output_audio"),
        tiers=tuple(sorted(tiers, key=lambda tier: tier.above_context_tokens)),
    )
    row.count_unknown()
    return None if price == Price() else price


def _tier(entry: Row) -> PriceTier | None:
    bound = entry.mapping("tier", required=True)
    if bound is None:
        return None
    if bound.text("type") != "context":
        bound.drop("type", "a tier that does not start at a context size")
        return None
    size = bound.positive("size", required=True)
    return _tier_prices(entry, size) if size else None


def _tier_prices(row: Row, above_context_tokens: int) -> PriceTier | None:
    tier = PriceTier(
        above_context_tokens=above_context_tokens,
        input=row.number("input"),
        output=row.number("output"),
        cache_read=row.number("cache_read"),
        cache_write=row.number("cache_write"),
    )
    row.count_unknown()
    return tier if tier != PriceTier(above_context_tokens=above_context_tokens) else None


def _lab_models(models: Mapping[str, Any], log: RowLog) -> list[ModelsDevLabModel]:
    kept = []
    for model_id, values in sorted(models.items()):
        log.rows_read += 1
        if not is_text(model_id) or not isinstance(values, dict):
            log.reject_row("lab_models", str(model_id), "not an object under a usable id", values)
            continue
        row = Row(log, "lab_models", model_id, values)
        kept.append(
            ModelsDevLabModel(
                id=model_id,
                license=row.text("license"),
                weights_urls=tuple(url for entry in row.rows("weights") if (url := entry.text("url"))),
                benchmarks=tuple(b for entry in row.rows("benchmarks") if (b := _benchmark(entry))),
                **_common(row, model_id),
            )
        )
        row.count_unknown((*_PROSE, "links"))
    return kept


def _benchmark(row: Row) -> ModelsDevBenchmark | None:
    name, score = row.text("name", required=True), row.number("score", required=True)
    if name is None or score is None:
        return None
    return ModelsDevBenchmark(
        name=name,
        score=score,
        metric=row.text("metric"),
        source=row.text("source"),
        date=row.partial_date("date"),
    )


def prune(parsed: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    """Both documents with the keys that the tables have, and no prose."""
    del tables
    offers = {
        provider: only(values, _PROVIDER_KEYS) | {"models": _pruned_models(values.get("models"))}
        for provider, values in parsed[OFFERS].items()
        if isinstance(values, dict)
    }
    return {OFFERS: offers, LAB_MODELS: _pruned_models(parsed[LAB_MODELS])}


def _pruned_models(models: Any) -> dict[str, Any]:
    rows = models.items() if isinstance(models, dict) else ()
    return {model: _pruned_model(row) for model, row in rows if isinstance(row, dict)}


def _pruned_model(row: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = only(row, _MODEL_KEYS)
    options = kept.get("reasoning_options")
    if isinstance(options, list):
        kept["reasoning_options"] = [
            option for option in options if not isinstance(option, dict) or option.get("type") == "effort"
        ]
    return kept


ADAPTER = Adapter(
    name="models_dev",
    public_url="https://models.dev",
    licence="MIT",
    tables={"providers": ModelsDevProvider, "offers": ModelsDevOffer, "lab_models": ModelsDevLabModel},
    base_url=lambda settings: settings.models_dev_url,
    fetch=fetch,
    parse=parse,
    translate=translate,
    prune=prune,
)
