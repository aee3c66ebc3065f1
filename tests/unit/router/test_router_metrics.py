"""``/metrics`` as Prometheus reads it: names, types, counts, no prompt and no secret."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from router_serving import CHAT, answering, chat, routed, run

PRICES = {"input_price": 1.0, "output_price": 2.0}
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def scraped(monkeypatch, accept="text/plain", path="/metrics"):
    monkeypatch.setenv("K", "sk-very-secret-key")

    async def scraping():
        failing = answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
        changes = {"target": PRICES, "provider": {"key": "env:K"}}
        async with routed(failing, answering(), **changes) as (session, _, _):
            for _ in range(3):
                assert (await chat(session))[0] == 200
            await chat(session, {**CHAT, "model": "none"})
            await chat(session, path="/nowhere/at/all")
            async with session.get(path, headers={"Accept": accept}) as answer:
                return answer.headers["Content-Type"], await answer.text()

    return run(scraping())


def samples(text, parse=prometheus):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("accept", "parse", "kind"),
    [
        ("text/plain", prometheus, "text/plain; version="),
        (OPENMETRICS, openmetrics, "application/openmetrics-text"),
    ],
)
def test_given_calls_when_scraped_then_the_parser_reads_every_family_with_its_type(
    monkeypatch, accept, parse, kind
):
    content_type, text = scraped(monkeypatch, accept)
    assert content_type.startswith(kind)
    types = {family.name.removeprefix("modelscan_router_"): family.type for family in parse(text)}
    assert {name: types[name] for name in ("upstream_calls", "first_byte_seconds", "targets_resting")} == {
        "upstream_calls": "counter",
        "first_byte_seconds": "histogram",
        "targets_resting": "gauge",
    }
    assert all(family.documentation for family in parse(text))


def test_given_calls_when_scraped_then_they_are_counted_by_target_and_outcome(monkeypatch):
    got = samples(scraped(monkeypatch)[1])
    base = [("arm", "primary"), ("class", "simple"), ("model", "m")]

    def calls(outcome, target):
        labels = sorted([*base, ("outcome", outcome), ("target", target)])
        return got[("modelscan_router_upstream_calls_total", *labels)]

    assert (calls("status_500", "p0/x"), calls("ok", "p1/x")) == (3, 3)
    assert got["modelscan_router_fallbacks_total",] == 3
    assert got["modelscan_router_decisions_total",] == 3
    chat_200 = (("path", "/v1/chat/completions"), ("status", "200"))
    assert got["modelscan_router_answers_total", *chat_200] == 3
    assert got["modelscan_router_answers_total", ("path", "other"), ("status", "404")] == 1
    assert got["modelscan_router_requests_in_flight",] == 1
    assert got["process_resident_memory_bytes",] > 0


def test_given_calls_when_scraped_then_histograms_are_cumulative_and_sum_up(monkeypatch):
    got = samples(scraped(monkeypatch)[1])
    name = "modelscan_router_call_seconds"
    edges = {
        float(dict(labels)["le"]): value
        for (sample, *labels), value in got.items()
        if sample == f"{name}_bucket"
    }
    counts = [edges[edge] for edge in sorted(edges)]
    assert counts == sorted(counts)
    labels = (("arm", "primary"), ("class", "simple"), ("model", "m"))
    assert (counts[-1], got[(f"{name}_count", *labels)]) == (6, 6)
    assert 0 < got[(f"{name}_sum", *labels)] < 6 * 5


def test_given_a_key_when_scraped_then_only_its_hash_is_told(monkeypatch):
    text = scraped(monkeypatch)[1]
    assert "sk-very" not in text
    assert "hello" not in text
    keys = [labels for (sample, *labels) in samples(text) if sample == "modelscan_router_key_requests_total"]
    assert [len(dict(labels)["key"]) for labels in keys] == [16]
