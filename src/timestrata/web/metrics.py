"""What Prometheus is told. Labels are few and known beforehand: never a user, a ticket or a path as it was sent."""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from timestrata.ingest import Outcome, Status

WORKERS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable of prometheus-client: where the processes of one service keep their counts together."""

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STATUSES = {"recorded": "recorded", "replayed": "replayed", "conflict": "conflicts", "rejected": "rejected"}


class Metrics:
    """The counts of a service. With several workers they are added up, whichever of them is asked."""

    def __init__(self) -> None:
        self._own = CollectorRegistry()
        self._requests = Counter(
            "timestrata_http_requests", "Requests answered.", ("method", "route", "status"), registry=self._own
        )
        self._seconds = Histogram(
            "timestrata_http_request_seconds",
            "Time to the end of the answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._own,
        )
        self._workflows = Counter(
            "timestrata_workflows", "Completed workflows that were sent, by outcome.", ("outcome",), registry=self._own
        )
        # All of them from the start: zeros, so that a rate can be taken of the first one.
        self._outcomes = {status: self._workflows.labels(name) for status, name in _STATUSES.items()}
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count_request(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count an answered request; `route` is the template of its path, `seconds` None of a stream."""
        method = method if method in _METHODS else "OTHER"
        labels = (method, route, status)
        counts = self._answered.get(labels)  # a child is looked up under a lock, and its labels are made text
        if counts is None:
            counts = self._answered[labels] = (self._requests.labels(*labels), self._seconds.labels(method, route))
        counts[0].inc()
        if seconds is not None:
            counts[1].observe(seconds)

    def count_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Count what became of workflows that were sent."""
        for status, times in Tally(outcome.status for outcome in outcomes).items():
            self.count_outcome(status, times)

    def count_outcome(self, status: Status, times: int = 1) -> None:
        """Count what became of a workflow that was sent."""
        if status in self._outcomes:
            self._outcomes[status].inc(times)

    def exposition(self, gauges: Iterable[GaugeMetricFamily]) -> bytes:
        """Return everything in the text format of Prometheus, with gauges that are read from the store."""
        registry = CollectorRegistry()
        if os.environ.get(WORKERS_FOLDER):
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            registry.register(_Of(self._own.collect))
        registry.register(_Of(lambda: gauges))
        return generate_latest(registry)


class _Of(Collector):
    def __init__(self, collect: Callable[[], Iterable[object]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[object]:  # type: ignore[override]
        yield from self._collect()

    def describe(self) -> Iterator[object]:
        return iter(())


def gauge(name: str, help: str, value: float) -> GaugeMetricFamily:
    """Return a gauge with its value of now."""
    return GaugeMetricFamily(name, help, value=value)


def gauge_by(label: str, name: str, help: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """Return a gauge with its values of now, by the value of its label."""
    family = GaugeMetricFamily(name, help, labels=[label])
    for which, value in values.items():
        family.add_metric([which], value)
    return family


def route_of(scope: Scope) -> str:
    """Return the template of the route that a request came to, such as /api/v1/workflows/{workflow_id}.

    Also of a request that was refused on its way to it.
    """
    route = scope.get("route") or _matched(scope)
    return getattr(route, "path", None) or "unmatched"


def _matched(scope: Scope) -> BaseRoute | None:
    app: Starlette = scope["app"]
    return next((route for route in app.routes if route.matches(scope)[0] is Match.FULL), None)
