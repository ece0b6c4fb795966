"""What Prometheus is told: the facts of an oracle's status, read when it asks, under names that follow its rules.

Everything that counts up comes from the log, so a restart resets nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gridwitness.errors import GridwitnessError

_log = structlog.get_logger()
_PREFIX = "gridwitness_"

Status = Mapping[str, Any]


def make_registry(status: Callable[[], Status]) -> CollectorRegistry:
    """A registry with an oracle's facts and its process's figures; `status` may block, and is asked at each scrape."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(StatusCollector(status))
    return registry


class StatusCollector(Collector):
    """Metrics of a status document as `OracleNode.status` makes it."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are known at a scrape only, and registering must not ask the log."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics; `gridwitness_up` alone, as 0, where the log or the chain cannot be asked."""
        try:
            status = self._status()
        except GridwitnessError as error:
            _log.error("metrics_unreadable", error=error.message)
            yield _gauge("up", "Whether the oracle's own facts could be read", 0)
            return
        yield _gauge("up", "Whether the oracle's own facts could be read", 1)
        yield _gauge("ready", "Whether the oracle can do its work, as GET /ready says", status["ready"])
        yield _gauge("dry_run", "Whether the oracle sends no transactions", status["dry_run"])
        yield _gauge("devices_active", "Devices that may report to this oracle", status["devices_active"])
        yield from _readings(status)
        yield from _chain(status)
        yield from _streams(status["streams"])
        yield from _committee(status["members"])
        yield from _transactions(status)
        yield from _challenges(status["challenges"])


def _readings(status: Status) -> Iterator[Metric]:
    readings = status["readings"]
    yield _counter("readings_accepted", "Readings in the durable log, each counted once", readings["stored"])
    yield _counter("readings_attested", "Readings that an attested batch holds", readings["attested"])
    yield _gauge("readings_waiting", "Readings in the log that no batch holds yet", readings["unattested"])
    yield _gauge(
        "oldest_unattested_reading_age_seconds",
        "Time since the oldest reading that no batch holds yet, by the oracle's clock; 0 if none waits",
        readings["oldest_unattested_age_s"] or 0,
    )
    rejected = CounterMetricFamily(_PREFIX + "readings_rejected", "Readings refused, by reason", labels=["reason"])
    for reason, entry in status["rejections"].items():
        rejected.add_metric([reason], entry["count"])
    yield rejected


def _chain(status: Status) -> Iterator[Metric]:
    chain = status["chain"]
    yield _gauge("chain_head_block", "Newest block the oracle has seen", chain["block"])
    yield _gauge(
        "chain_head_age_seconds",
        "Time between the newest block seen and the oracle's clock",
        max(0, status["clock"]["now"] - chain["time"]),
    )
    lag = GaugeMetricFamily(_PREFIX + "rpc_head_lag_blocks", "Blocks a node is behind the best", labels=["node"])
    usable = GaugeMetricFamily(_PREFIX + "rpc_usable", "Whether a node can be used", labels=["node"])
    failures = CounterMetricFamily(
        _PREFIX + "rpc_failures", "Requests a node failed since the start", labels=["node", "kind"]
    )
    for node in status["rpc"]:
        if node["lag"] is not None:
            lag.add_metric([node["url"]], node["lag"])
        usable.add_metric([node["url"]], not node["problem"])
        for kind, count in node["failures"].items():
            failures.add_metric([node["url"], kind], count)
    yield from (lag, usable, failures)


def _streams(streams: Mapping[str, Status]) -> Iterator[Metric]:
    seq = GaugeMetricFamily(
        _PREFIX + "stream_batch_seq", "Number of the newest batch in the log", labels=["stream", "status"]
    )
    block = GaugeMetricFamily(_PREFIX + "stream_batch_block", "Block of the newest batch", labels=["stream"])
    latest = GaugeMetricFamily(
        _PREFIX + "stream_latest_time_seconds", "Time of the newest content attested, unix", labels=["stream"]
    )
    stuck = GaugeMetricFamily(_PREFIX + "stream_stuck", "Whether something keeps the oracle back", labels=["stream"])
    for name, stream in streams.items():
        seq.add_metric([name, stream["status"] or "none"], stream["seq"])
        if stream["block"] is not None:
            block.add_metric([name], stream["block"])
            latest.add_metric([name], stream["latest_time"])
        stuck.add_metric([name], bool(stream["problem"]))
    yield from (seq, block, latest, stuck)


def _committee(members: Iterable[Status]) -> Iterator[Metric]:
    signed = CounterMetricFamily(
        _PREFIX + "member_signatures", "Good signatures a committee member gave since the start", labels=["member"]
    )
    failures = CounterMetricFamily(
        _PREFIX + "member_failures", "Failures of a committee member since the start", labels=["member", "kind"]
    )
    for member in members:
        signed.add_metric([member["address"]], member["signed"])
        for kind, count in member["failures"].items():
            failures.add_metric([member["address"], kind], count)
    yield from (signed, failures)


def _transactions(status: Status) -> Iterator[Metric]:
    intents = GaugeMetricFamily(_PREFIX + "outbox_intents", "Transactions to be sent, by state", labels=["state"])
    for state, count in status["outbox"].items():
        intents.add_metric([state], count)
    yield intents
    account = status["account"]
    if not account:
        return
    yield _gauge("account_balance_wei", "Money for gas", account["balance_wei"])
    yield _gauge("account_spent_wei_per_day", "What a day takes of it, by the last seven", account["spent_wei_per_day"])
    yield _gauge("outbox_halted", "Whether nothing is sent until an operator says so", bool(account["halted"]))
    if account["runway_days"] is not None:
        yield _gauge("account_runway_seconds", "How long the money lasts at that rate", account["runway_days"] * 86_400)


def _challenges(report: Status) -> Iterator[Metric]:
    # Empty until the chain was asked for the first time.
    yield _gauge("challenges_open", "Challenges without an answer on chain", len(report.get("open", ())))
    yield _gauge("challenge_alarms", "Open challenges that nobody may answer in time", len(report.get("alarms", ())))
    yield _gauge("challenges_unanswerable", "Open challenges this log has no answer to", report.get("unanswerable", 0))


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, help_text, value=float(value))


def _counter(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, help_text, value=float(value))
