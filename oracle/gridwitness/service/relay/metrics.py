"""What Prometheus is told of a relay."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from gridwitness.service.metric_families import (
    Status,
    build_info,
    chain_families,
    gauge,
    gauges,
    transaction_families,
)


def relay_families(status: Status) -> Iterator[Metric]:
    """Metrics of a status document as `RelayNode.status` makes it."""
    yield build_info()
    yield gauges(
        "relay_schedules",
        "Schedules in the relay's log, by state",
        ("state",),
        [((state,), count) for state, count in status["schedules"].items()],
    )
    yield gauge(
        "relay_oldest_waiting_age_seconds",
        "Time since the oldest schedule came that is in no transaction yet and could be; 0 if none waits",
        status["oldest_waiting_age_s"] or 0,
    )
    yield from chain_families(status)
    yield from transaction_families(status)
