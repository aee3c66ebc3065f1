"""``/metrics`` for Prometheus: everything is read from counters that exist anyway, when it is asked for."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from modelscan_catalog.router.usage_schema import BUCKETS_PER_DOUBLING

if TYPE_CHECKING:
    from modelscan_catalog.router.app import Router

_PREFIX = "modelscan_router_"
_CALLS = ("model", "target", "class", "outcome", "arm")
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Edges of the histograms; stored buckets are finer, and each counts below the next edge above it."""


class RouterCollector(Collector):
    """The families of one router; counters live as long as its usage store does, or as the process."""

    def __init__(self, router: "Router") -> None:
        self._router = router

    def collect(self) -> Iterator[Metric]:
        """Every family; blocks for a read of the usage store."""
        yield from self._usage()
        yield from self._process()
        yield from self._keys()

    def _usage(self) -> Iterator[Metric]:
        store = self._router.usage
        rows = store.totals(_CALLS)
        for name, column, told in (
            ("upstream_calls", "requests", "Calls to upstreams; a request that fell back makes several."),
            ("prompt_tokens", "prompt_tokens", "Prompt tokens that upstreams told."),
            ("cached_prompt_tokens", "cached_tokens", "Of the prompt tokens those from a cache."),
            ("completion_tokens", "completion_tokens", "Answer tokens that upstreams told."),
            ("cost_usd", "cost_usd", "Cost of told tokens at known prices."),
        ):
            family = CounterMetricFamily(_PREFIX + name, told, labels=_CALLS)
            for row in rows:
                family.add_metric([row[label] for label in _CALLS], row[column])
            yield family
        histograms = store.histograms(("kind", "model", "class", "arm"))
        for name, kind, told in (
            ("first_byte_seconds", "first_byte", "From the call to the first byte of its answer."),
            ("call_seconds", "total", "From the client's request to the end of the call."),
        ):
            seconds = HistogramMetricFamily(_PREFIX + name, told, labels=("model", "class", "arm"))
            for (of_kind, *labels), buckets in histograms.items():
                if of_kind == kind:
                    seconds.add_metric(labels, *_cumulative(buckets))
            yield seconds

    def _process(self) -> Iterator[Metric]:
        router = self._router
        answers = CounterMetricFamily(
            _PREFIX + "answers", "Answers to clients since the process began.", labels=("path", "status")
        )
        for (path, status), count in sorted(router.counters.answers.items()):
            answers.add_metric([path, str(status)], count)
        yield answers
        counted: tuple[tuple[str, float, str], ...] = (
            ("decisions", router.counters.decisions, "Routing decisions since the process began."),
            ("decision_seconds", router.counters.decision_s, "Time spent on them."),
            ("fallbacks", router.forwarder.fallbacks, "Answers by another than the first target tried."),
            ("shadow_left_out", router.mirror.left_out, "Copies not sent: too many, or no key was free."),
            ("usage_lost_calls", router.usage.lost_requests, "Calls that no longer fitted in memory."),
        )
        for name, value, told in counted:
            yield CounterMetricFamily(_PREFIX + name, told, value=value)
        for name, level, told in (
            ("requests_in_flight", router.in_flight, "Client requests being served."),
            ("targets_resting", len(router.state.health.resting()), "Targets passed over after failures."),
            ("models_usable", len(router.table.usable_models()), "Models with a callable provider."),
            ("splits", len(router.table.splits), "Models with a canary or a shadow."),
            ("config_is_newest", int(router.last_refusal is None), "0 while a bad new one is refused."),
            ("usage_store_ok", int(router.usage.problem is None), "0 while usage waits in memory."),
        ):
            yield GaugeMetricFamily(_PREFIX + name, told, value=level)
        build = {"version": version("modelscan-catalog"), "config": router.table.fingerprint}
        yield InfoMetricFamily(_PREFIX + "build", "What is running.", value=build)

    def _keys(self) -> Iterator[Metric]:
        now = self._router.state.clock()
        labels = ("provider", "key")
        requests = CounterMetricFamily(_PREFIX + "key_requests", "Calls with a key.", labels=labels)
        tokens = CounterMetricFamily(_PREFIX + "key_tokens", "Tokens of those calls.", labels=labels)
        degraded = GaugeMetricFamily(_PREFIX + "key_degraded", "1 while a refused key rests.", labels=labels)
        for key in list(self._router.state.keys.values()):
            names = [key.provider, key.id[:16]]
            requests.add_metric(names, key.requests)
            tokens.add_metric(names, key.tokens)
            degraded.add_metric(names, int(key.resting_until > now))
        yield from (requests, tokens, degraded)


def registry(router: "Router") -> CollectorRegistry:
    """A registry of its own: the router's families, and CPU, memory and files of its process."""
    made = CollectorRegistry()
    made.register(RouterCollector(router))
    ProcessCollector(registry=made)
    return made


def exposition(made: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Everything as the scraper accepts it (Prometheus text or OpenMetrics), and its content type."""
    encoder, content_type = choose_encoder(accept)
    return encoder(made), content_type


def _cumulative(buckets: dict[int, tuple[int, float]]) -> tuple[list[tuple[str, float]], float]:
    """Cumulative counts by edge, and the sum of seconds."""
    counts = [0.0] * (len(_SECONDS) + 1)
    for bucket, (count, _) in buckets.items():
        upper_s = 2 ** ((bucket + 1) / BUCKETS_PER_DOUBLING) / 1e6
        counts[next((at for at, edge in enumerate(_SECONDS) if upper_s <= edge), len(_SECONDS))] += count
    told, total = [], 0.0
    for edge, below in zip([*_SECONDS, float("inf")], counts, strict=True):
        total += below
        told.append(("+Inf" if edge == float("inf") else str(edge), total))
    return told, sum(seconds for _, seconds in buckets.values())
