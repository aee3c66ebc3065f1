"""What is counted of the API, for Prometheus: answers, their seconds, and the registry that is served."""

import time
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelscan_catalog.api.snapshot import Served

METRICS_TYPE = CONTENT_TYPE_LATEST
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Figures:
    """The counters of one application, apart from those of any other in the process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "modelscan_api_requests",
            "Answers by method and status.",
            ("method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "modelscan_api_request_seconds", "Seconds an answer took.", ("method",), buckets=_SECONDS,
            registry=self._registry,
        )  # fmt: skip
        self._models = Gauge("modelscan_registry_models", "Models served.", registry=self._registry)
        self._stale = Gauge(
            "modelscan_registry_stale", "1 while a newer registry is refused.", registry=self._registry
        )
        self._weights = Gauge(
            "modelscan_weights_disk_used_ratio", "Used share of the disk that holds weights.",
            registry=self._registry,
        )  # fmt: skip

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Count one answer."""
        named = method if method in _METHODS else "other"
        self._requests.labels(named, status).inc()
        self._seconds.labels(named).observe(seconds)

    def text(self, served: Served, weights: Path) -> bytes:
        """All figures in Prometheus' text format."""
        self._models.set(len(served.now.catalogue.rows))
        self._stale.set(served.last_refusal is not None)
        self._weights.set(used_ratio(weights))
        return generate_latest(self._registry)


def used_ratio(folder: Path) -> float:
    """Used share of the disk below ``folder``; not a number where there is no such folder."""
    import shutil

    try:
        found = shutil.disk_usage(folder)
    except OSError:
        return float("nan")
    return found.used / found.total


class Counted:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, figures: Figures) -> None:
        self._app = app
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._figures.answered(scope["method"], status, time.perf_counter() - started)
