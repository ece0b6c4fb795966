"""Prometheus metrics of a service's status: how they are made, and those that all services have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gridwitness import __version__
from gridwitness.chain.outbox_store import OutboxState
from gridwitness.errors import GridwitnessError

_log = structlog.get_logger()
_PREFIX = "gridwitness_"
_DAY_S = 86_400

Status = Mapping[str, Any]
# One series: the values of its labels, and its own.
Series = tuple[tuple[str, ...], float]


def gauge(name: str, help_text: str, value: float) -> Metric:
    """A gauge without labels; `name` without prefix."""
    return GaugeMetricFamily(_PREFIX + name, help_text, value=float(value))


def counter(name: str, help_text: str, value: float) -> Metric:
    """A counter without labels; `name` without prefix and `_total`."""
    return CounterMetricFamily(_PREFIX + name, help_text, value=float(value))


def gauges(name: str, help_text: str, labels: tuple[str, ...], series: Iterable[Series]) -> Metric:
    """A gauge with labels."""
    family = GaugeMetricFamily(_PREFIX + name, help_text, labels=labels)
    for values, value in series:
        family.add_metric(values, float(value))
    return family


def counters(name: str, help_text: str, labels: tuple[str, ...], series: Iterable[Series]) -> Metric:
    """A counter with labels."""
    family = CounterMetricFamily(_PREFIX + name, help_text, labels=labels)
    for values, value in series:
        family.add_metric(values, float(value))
    return family


class StatusCollector(Collector):
    """Metrics of a status document, asked for at each scrape; it may block."""

    def __init__(self, status: Callable[[], Status], families: Callable[[Status], Iterable[Metric]]) -> None:
        self._status = status
        self._families = families

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are known at a scrape only, and registering must not ask the log."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics; `gridwitness_up` alone, as 0, where the log or the chain cannot be asked."""
        help_text = "Whether the service's own facts could be read"
        try:
            status = self._status()
        except GridwitnessError as error:
            _log.error("metrics_unreadable", error=error.message)
            yield gauge("up", help_text, 0)
            return
        yield gauge("up", help_text, 1)
        yield gauge("ready", "Whether the service can do its work, as GET /ready says", status["ready"])
        yield from self._families(status)


def make_registry() -> CollectorRegistry:
    """A registry with the figures of the process; series do not tell when they were made, which would double them."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def build_info(**facts: str) -> Metric:
    """What runs: the version, and other facts, as labels of a series that is always 1."""
    facts = {"version": __version__, **facts}
    return gauges("build_info", "What runs here; always 1", tuple(facts), [(tuple(facts.values()), 1)])


def chain_families(status: Status) -> Iterator[Metric]:
    """The chain's head and the nodes."""
    chain, nodes = status["chain"], status["rpc"]
    yield gauge("chain_head_block", "Newest block the service has seen", chain["block"])
    age_s = max(0, status["clock"]["now"] - chain["time"])
    yield gauge("chain_head_age_seconds", "Time between the newest block seen and the service's clock", age_s)
    yield gauges(
        "rpc_head_lag_blocks",
        "Blocks a node is behind the best",
        ("node",),
        [((node["url"],), node["lag"]) for node in nodes if node["lag"] is not None],
    )
    yield gauges(
        "rpc_usable", "Whether a node can be used", ("node",), [((node["url"],), not node["problem"]) for node in nodes]
    )
    yield gauges(
        "rpc_in_use",
        "Whether a node is the one in use",
        ("node",),
        [((node["url"],), node["in_use"]) for node in nodes],
    )
    yield gauges(
        "rpc_latency_seconds",
        "Moving average of how long a node takes to answer",
        ("node",),
        [((node["url"],), node["latency_ms"] / 1_000) for node in nodes if node["latency_ms"] is not None],
    )
    yield counters(
        "rpc_failures",
        "Requests a node failed since the start",
        ("node", "kind"),
        [((node["url"], kind), count) for node in nodes for kind, count in node["failures"].items()],
    )


def transaction_families(status: Status) -> Iterator[Metric]:
    """The outbox, the account and what gas costs; only what there is in a dry run."""
    intents, account, fees = status["outbox"], status["account"], status["fees"]
    yield gauge("chain_base_fee_wei", "Base fee per gas of the newest block", fees["base_fee_wei"])
    yield gauge("fee_cap_wei", "The most that is offered per gas", fees["cap_wei"])
    yield gauge(
        "fee_cap_headroom_ratio",
        "What is left between base fee and cap, as a part of the cap: at 0 and below nothing is mined",
        1 - fees["base_fee_wei"] / fees["cap_wei"],
    )
    if not account:
        return
    yield gauges(
        "outbox_intents",
        "Transactions to be sent, by state",
        ("state",),
        [((state.value,), intents.get(state, 0)) for state in OutboxState],
    )
    yield gauge(
        "outbox_oldest_in_flight_age_seconds",
        "Time since the oldest transaction was first signed that is in no block yet; 0 if there is none",
        account["oldest_in_flight_age_s"] or 0,
    )
    yield gauge("outbox_halted", "Whether nothing is sent until an operator says so", bool(account["halted"]))
    yield gauge("key_lease_held", "Whether this process alone of its machine may send from the key", account["leased"])
    if "balance_wei" in account:
        yield gauge("account_balance_wei", "Money for gas", account["balance_wei"])
    if "spent_wei_per_day" not in account:
        return
    yield gauge("account_spent_wei_per_day", "What a day takes of it, by the last seven", account["spent_wei_per_day"])
    if account["runway_days"] is not None:
        yield gauge("account_runway_seconds", "How long the money lasts at that rate", account["runway_days"] * _DAY_S)
