"""What is counted of the API, for Prometheus: answers, their seconds, and the registry that is served."""

import time

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
from modelscan_catalog.deploy.weights.library import usage
from modelscan_catalog.settings import Settings

METRICS_TYPE = CONTENT_TYPE_LATEST
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_WEIGHTS = {
    "disk_used_ratio": "Used share of the disk that holds weights.",
    "disk_bytes": "Size of that disk.",
    "disk_free_bytes": "Free on that disk.",
    "alert_threshold_ratio": "Used share from which a notice is sent.",
    "installs": "Installs of weights.",
    "installed_bytes": "Bytes of installed weights, linked files once.",
    "partial_bytes": "Bytes of installs that are not whole.",
}


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
        self._weights = {
            name: Gauge(f"modelscan_weights_{name}", says, registry=self._registry)
            for name, says in _WEIGHTS.items()
        }

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Count one answer."""
        named = method if method in _METHODS else "other"
        self._requests.labels(named, status).inc()
        self._seconds.labels(named).observe(seconds)

    def text(self, served: Served, settings: Settings) -> bytes:
        """All figures in Prometheus' text format."""
        self._models.set(len(served.now.catalogue.rows))
        self._stale.set(served.last_refusal is not None)
        for name, value in _weights(settings).items():
            self._weights[name].set(value)
        return generate_latest(self._registry)


def _weights(settings: Settings) -> dict[str, float]:
    """Figures of the weights' directory; not a number where it cannot be read."""
    try:
        found = usage(settings.weights_dir, settings.weights_alert_threshold)
    except OSError:
        return dict.fromkeys(_WEIGHTS, float("nan"))
    return {
        "disk_used_ratio": found.used_share,
        "disk_bytes": found.disk_bytes,
        "disk_free_bytes": found.disk_free_bytes,
        "alert_threshold_ratio": found.threshold,
        "installs": found.installs,
        "installed_bytes": found.installed_bytes,
        "partial_bytes": found.partial_bytes,
    }


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
