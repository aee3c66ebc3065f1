"""Offers and plans become a configuration that passes its own lint."""

import json
import re
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.key_hosts import KeyHosts
from modelscan_catalog.records import (
    Alias,
    Capabilities,
    Limits,
    Modalities,
    Model,
    Offer,
    Price,
    PriceTier,
    Provider,
)
from modelscan_catalog.router import emit
from modelscan_catalog.router.config import Weights, config_bytes, parse_config
from modelscan_catalog.router.emit import ROUTER_DATA
from modelscan_catalog.router.lint import lint_router
from modelscan_catalog.router.policy import class_order

TEXT = Modalities(input=("text",), output=("text",))
SELLERS = ("cheap", "dear", "plan", "s", "unpriced")
router_config = partial(
    emit.router_config,
    key_hosts=KeyHosts(
        {f"env:{name.upper()}_API_KEY": frozenset({f"{name}.example"}) for name in SELLERS}
        | {
            "env:COHERE_API_KEY": frozenset({"api.cohere.ai"}),
            "env:S_API_KEY": frozenset({"s.example", "other.example"}),
        }
    ),
)


@dataclass(frozen=True)
class Plan:
    model_id: str
    engine: str
    served_model_name: str
    max_model_len: int | None


def seller(name, **changes):
    fields = {
        "api_type": "openai-compatible",
        "base_url": f"https://{name}.example/v1",
        "env": (f"{name.upper()}_API_KEY",),
        **changes,
    }
    return Provider(id=name, name=name, **fields)


def offer(provider, provider_model, price=None, **changes):
    fields = {
        "modalities": TEXT,
        "limits": Limits(context=32768),
        "price": None if price is None else Price(input=price, output=price),
        "observed_at": "2026-01-01T00:00:00Z",
        "name": provider_model,
        "model": f"lab/{provider_model}",
        **changes,
    }
    return Offer(
        id=f"{provider}/{provider_model}", provider=provider, provider_model=provider_model, **fields
    )


def model(name, context=32768, **changes):
    fields = {"modalities": TEXT, "limits": Limits(context=context), "category": "llm", **changes}
    return Model(id=f"lab/{name}", name=name, lab="lab", **fields)


def test_given_three_sellers_and_a_plan_when_emitted_then_local_comes_first_and_then_the_cheapest():
    config = router_config(
        [seller("dear"), seller("cheap"), seller("unpriced")],
        [offer("dear", "m", 3.0), offer("cheap", "m", 1.0), offer("unpriced", "m")],
        [model("m")],
        [Plan("lab/m", "vllm", "m", 8192), Plan("lab/m", "llama.cpp", "m", 8192)],
    )
    [routed] = config.models
    assert [target.provider for target in routed.targets] == ["local/m/vllm", "cheap", "dear", "unpriced"]
    assert [target.priority for target in routed.targets] == [0, 1, 2, 3]
    local = config.providers["local/m/vllm"]
    assert (local.type, local.enabled, local.model) == ("local", False, "lab/m")
    assert local.base_url == "http://127.0.0.1:8000/v1"
    assert config.providers["cheap"].key == "env:CHEAP_API_KEY"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"api_type": "custom"}, "its interface is custom"),
        ({"base_url": None}, "its address is not known"),
        ({"base_url": "https://${ACCOUNT}.example"}, "its address depends on account variables"),
        ({"base_url": "http://far.example/v1"}, "its address is not a plain https one"),
        ({"base_url": "https://me:pw@s.example"}, "its address is not a plain https one"),
        ({"env": ("302_API_KEY",)}, "no usable environment variable is known for its key"),
        ({"env": ("REGION",)}, "no usable environment variable is known for its key"),
    ],
)
def test_given_a_seller_that_cannot_be_called_when_emitted_then_it_is_listed_with_the_reason(changes, reason):
    config = router_config([seller("s", **changes)], [offer("s", "m", 1.0)], [model("m")])
    assert [(u.provider, u.reason) for u in config.unroutable] == [("s", reason)]
    assert config.models == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"env": ("CHEAP_API_KEY",)},
            "CHEAP_API_KEY is not sent to s.example: it is confirmed for cheap.example only",
        ),
        ({"base_url": "https://elsewhere.example/v1"}, "S_API_KEY is not sent to elsewhere.example"),
        ({"base_url": "https://s.example:8443/v1"}, "S_API_KEY is not sent to s.example:8443"),
        ({"env": ("AWS_SECRET_ACCESS_KEY",)}, "nobody has confirmed that"),
        ({"base_url": "https://s.example.attacker.example/v1"}, "s.example.attacker.example"),
    ],
    ids=["another's key", "moved", "another port", "a variable of no seller", "a longer name"],
)
def test_given_a_source_that_names_a_key_for_an_address_that_nobody_confirmed_then_no_target_is_made(
    changes, words
):
    config = router_config([seller("s", **changes)], [offer("s", "m", 0.01)], [model("m")])
    [left_out] = config.unroutable
    assert words in left_out.reason
    assert "modelscan keys allow" in left_out.reason
    assert (config.models, config.routing.direct.providers) == ((), ())


def test_given_an_offer_with_an_address_of_its_own_that_nobody_confirmed_then_only_it_is_left_out():
    elsewhere = offer("s", "taken", 0.01, base_url="https://attacker.example/v1")
    config = router_config([seller("s")], [elsewhere, offer("s", "m", 1.0)], [model("m"), model("taken")])
    assert [one.id for one in config.models] == ["lab/m"]
    [left_out] = config.unroutable
    assert left_out.provider == "s@attacker-example-v1"
    assert "S_API_KEY is not sent to attacker.example" in left_out.reason


def test_given_a_new_variable_in_front_of_a_confirmed_one_then_the_confirmed_one_is_the_key():
    renamed = seller("s", env=("GITHUB_TOKEN", "S_API_KEY"))
    config = router_config([renamed], [offer("s", "m", 1.0)], [model("m")])
    assert config.providers["s"].key == "env:S_API_KEY"


def test_given_a_seller_whose_library_speaks_its_own_format_when_emitted_then_its_other_address_is_used():
    cohere = Provider(id="cohere", name="Cohere", api_type="custom", env=("COHERE_API_KEY",))
    config = router_config([cohere], [offer("cohere", "m", 1.0)], [model("m")])
    assert config.providers["cohere"].base_url == "https://api.cohere.ai/compatibility/v1"


def test_given_the_documented_addresses_when_read_then_each_is_plain_https_and_names_where_it_is_stated():
    known = json.loads((ROUTER_DATA / "base_urls.json").read_text("utf-8"))["base_urls"]
    for name, entry in known.items():
        assert re.fullmatch(r"https://[^\s$@]+[^/\s]", entry["base_url"]), name
        assert re.match(r"https://\S+/\S+", entry["source"]), name


def test_given_an_anthropic_seller_when_emitted_then_its_format_and_cached_and_tiered_prices_are_kept():
    tiered = offer("s", "m").model_copy(
        update={
            "price": Price(
                input=1.0,
                output=2.0,
                cache_read=0.1,
                tiers=(PriceTier(above_context_tokens=200_000, input=2.0, output=3.0, cache_read=0.2),),
            )
        }
    )
    config = router_config([seller("s", api_type="anthropic-compatible")], [tiered], [model("m")])
    [provider], [routed] = config.routing.direct.providers, config.models
    assert provider.format == "anthropic"
    assert routed.targets[0].cached_input_price == 0.1
    assert routed.targets[0].tiers[0].model_dump() == {
        "above_tokens": 200_000,
        "input_price": 2.0,
        "output_price": 3.0,
        "cached_input_price": 0.2,
    }


def test_given_an_embedding_model_when_emitted_then_it_is_marked_and_no_class_takes_it():
    [routed] = router_config([seller("s")], [offer("s", "m", 1.0)], [model("m", category="embedding")]).models
    assert routed.task == "embedding"
    weights = Weights(quality=1, price=1, latency=1)
    assert class_order([routed], "simple", weights, {}) == ()


def test_given_deprecated_unlinked_and_image_offers_when_emitted_then_none_is_a_target():
    offers = [
        offer("s", "old", status="deprecated"),
        offer("s", "loose", model=None),
        offer("s", "painter", modalities=Modalities(input=("text",), output=("image",))),
    ]
    models = [model("old"), model("painter")]
    assert router_config([seller("s")], offers, models).models == ()


def test_given_an_offer_with_its_own_address_when_emitted_then_it_is_called_there():
    there = offer("s", "m", base_url="https://other.example/openai/v1")
    config = router_config([seller("s")], [there], [model("m")])
    [provider] = config.routing.direct.providers
    assert (provider.name, provider.base_url, provider.key) == (
        "s@other-example-openai-v1",
        "https://other.example/openai/v1",
        "env:S_API_KEY",
    )


def test_given_hub_names_when_emitted_then_unique_ones_are_aliases():
    hub = Alias(kind="huggingface", id="Lab/M")
    config = router_config([seller("s")], [offer("s", "m")], [model("m", aliases=(hub,))])
    assert config.models[0].aliases == ("Lab/M", "m")


def chain(one, *others, prices=(1.0, 1.2, 1.1)):
    models = [model("one", family="f", **one)]
    models += [model(f"other{n}", **{"family": "f", **other}) for n, other in enumerate(others)]
    offers = [offer("s", m.name, price) for m, price in zip(models, prices, strict=False)]
    return router_config([seller("s")], offers, models).models[0].fallbacks


TOOLS = Capabilities(tool_call=True)


@pytest.mark.parametrize(
    ("one", "other", "taken"),
    [
        ({}, {}, True),
        ({}, {"context": 65536}, True),
        ({}, {"context": 16384}, False),
        ({}, {"family": "g"}, False),
        ({}, {"family": None}, False),
        ({}, {"status": "deprecated"}, False),
        ({"capabilities": TOOLS}, {}, False),
        ({"capabilities": TOOLS}, {"capabilities": TOOLS}, True),
    ],
)
def test_given_a_sibling_when_emitted_then_it_is_a_fallback_only_if_nothing_is_lost(one, other, taken):
    assert chain(one, other) == (("lab/other0",) if taken else ())


def test_given_two_siblings_when_emitted_then_the_nearer_price_comes_first_and_a_far_one_never():
    assert chain({}, {}, {}) == ("lab/other1", "lab/other0")
    assert chain({}, {}, {}, prices=(1.0, 9.0, None)) == ()


def test_given_a_subscription_at_price_zero_when_emitted_then_fallbacks_compare_what_others_ask():
    models = [model("one", family="f"), model("other", family="f"), model("free", family="f")]
    offers = [offer("s", m.name, price) for m, price in zip(models, (1.0, 1.2, 0.0), strict=True)]
    offers += [offer("plan", m.name, 0.0) for m in models]
    routed = router_config([seller("s"), seller("plan")], offers, models).models
    assert {m.id: m.fallbacks for m in routed} == {
        "lab/one": ("lab/other",),
        "lab/other": ("lab/one",),
        "lab/free": (),
    }


modality = st.lists(st.sampled_from(["text", "image", "audio"]), unique=True).map(tuple)
catalogue = st.lists(
    st.builds(
        model,
        st.from_regex(r"[a-z]{1,5}", fullmatch=True),
        st.none() | st.integers(1, 10**6),
        modalities=st.builds(Modalities, input=modality, output=st.just(("text",))),
        status=st.sampled_from([None, "stable", "deprecated"]),
    ),
    unique_by=lambda m: m.id,
    max_size=6,
)


@settings(deadline=None)
@given(catalogue, st.lists(st.floats(0, 100), min_size=6, max_size=6))
def test_given_any_catalogue_when_emitted_then_it_passes_its_lint_and_reads_back(models, prices):
    offers = [offer("s", m.name, price) for m, price in zip(models, prices, strict=False)]
    config = router_config([seller("s")], offers, models)
    assert lint_router(config) == []
    assert parse_config(config_bytes(config)) == config
    assert len(config.models) == len(models)
