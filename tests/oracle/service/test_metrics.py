"""An oracle's facts under the names Prometheus, alerts and dashboards know them by."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gridwitness.errors import StoreError
from gridwitness.service.metric_families import StatusCollector
from gridwitness.service.metric_families import make_registry as make_process_registry
from gridwitness.service.metrics import oracle_families

MEMBER = "0x" + "aB" * 20


def make_registry(ask: Callable[[], dict[str, Any]]) -> CollectorRegistry:
    registry = make_process_registry()
    registry.register(StatusCollector(ask, oracle_families))
    return registry


def stream(**changes: object) -> dict[str, Any]:
    nothing = {"seq": 0, "final_seq": 0, "status": None, "block": None, "latest_time": None, "problem": ""}
    return {**nothing, "members": [MEMBER] * 3, "threshold": 2, "marks": 0, **changes}


def node(url: str, **changes: object) -> dict[str, Any]:
    return {"url": url, "problem": "", "lag": None, "in_use": False, "latency_ms": None, "failures": {}, **changes}


def status(**changes: object) -> dict[str, Any]:
    return {
        "ready": True,
        "model_hash": "0x" + "cd" * 32,
        "dry_run": False,
        "devices_active": 7,
        "chain": {"id": 31337, "block": 120, "time": 1_000},
        "clock": {"kind": "system", "now": 1_030},
        "readings": {
            "stored": 50,
            "attested": 40,
            "unattested": 10,
            "pruned": 0,
            "deadletters": 4,
            "oldest_unattested_age_s": 930,
        },
        "ingest": {"readings": 12, "bytes": 3_400, "device_buckets": 5},
        "verification": {"workers": 3, "restarts": 1, "documents": 2, "gateways": 6},
        "disk": {"free_bytes": 10**9, "log_bytes": 5_000},
        "fees": {"base_fee_wei": 150, "cap_wei": 200},
        "rejections": {"future_time": {"count": 3, "last": []}, "malformed": {"count": 1, "last": []}},
        "streams": {
            "readings": stream(seq=4, final_seq=3, block=110, latest_time=900),
            "profiles": stream(problem="no committee"),
        },
        "members": [{"address": MEMBER, "signed": 9, "last_signed_at": 1_020.5, "failures": {"no_answer": 2}}],
        "mqtt": {"problem": "", "received": 9, "acknowledged": 6, "malformed": 1, "dropped": 1},
        "nats": {
            "problem": "no broker",
            **{"messages": 5, "skipped": 1, "missing": 0, "deferred": 2},
            "streams": {"GRIDWITNESS_READINGS": {"messages": 8}},
            "workers": {"w1": {"last_seen_s": 2.5, "readings": 70, "lie": "", "messages": 3, "examined": 1}},
        },
        "outbox": {"final": 4, "sent": 1},
        "account": {
            **{"balance_wei": 10**18, "spent_wei_per_day": 10**16, "runway_days": 100.0},
            **{"halted": "", "oldest_in_flight_age_s": 12.5, "leased": True},
        },
        "rpc": [
            node("http://a", lag=0, in_use=True),
            node("http://b", problem="is 9 blocks behind", lag=9, latency_ms=40.0, failures={"no_answer": 5}),
        ],
        "challenges": {"unanswerable": 1, "alarms": [{}], "open": [{}, {}]},
        **changes,
    }


def sample(registry: Any, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"gridwitness_{name}", labels)


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("up", {}, 1),
        ("ready", {}, 1),
        ("devices_active", {}, 7),
        ("readings_accepted_total", {}, 50),
        ("readings_attested_total", {}, 40),
        ("readings_waiting", {}, 10),
        ("oldest_unattested_reading_age_seconds", {}, 930),
        ("readings_rejected_total", {"reason": "future_time"}, 3),
        ("chain_head_block", {}, 120),
        ("chain_head_age_seconds", {}, 30),
        ("rpc_head_lag_blocks", {"node": "http://b"}, 9),
        ("rpc_usable", {"node": "http://a"}, 1),
        ("rpc_usable", {"node": "http://b"}, 0),
        ("rpc_failures_total", {"node": "http://b", "kind": "no_answer"}, 5),
        ("batches_total", {"stream": "readings", "status": "attested"}, 4),
        ("batches_total", {"stream": "readings", "status": "final"}, 3),
        ("batches_total", {"stream": "profiles", "status": "attested"}, 0),
        ("committee_members", {"stream": "readings"}, 3),
        ("committee_threshold", {"stream": "readings"}, 2),
        ("deadletters_kept", {}, 4),
        ("ingest_waiting_readings", {}, 12),
        ("ingest_waiting_bytes", {}, 3_400),
        ("verify_worker_restarts_total", {}, 1),
        ("readings_vouched_total", {"by": "document"}, 2),
        ("readings_vouched_total", {"by": "gateway"}, 6),
        ("disk_free_bytes", {}, 1e9),
        ("fee_cap_headroom_ratio", {}, 0.25),
        ("rpc_in_use", {"node": "http://a"}, 1),
        ("rpc_latency_seconds", {"node": "http://b"}, 0.04),
        ("rpc_latency_seconds", {"node": "http://a"}, None),
        ("member_last_signature_time_seconds", {"member": MEMBER}, 1_020.5),
        ("outbox_intents", {"state": "failed"}, 0),
        ("outbox_oldest_in_flight_age_seconds", {}, 12.5),
        ("key_lease_held", {}, 1),
        ("challenges_ended_total", {"outcome": "convicted"}, 0),
        ("mqtt_connected", {}, 1),
        ("mqtt_messages_waiting", {}, 2),
        ("mqtt_messages_total", {"outcome": "malformed"}, 1),
        ("nats_connected", {}, 0),
        ("nats_stream_messages", {"stream": "GRIDWITNESS_READINGS"}, 8),
        ("worker_last_seen_age_seconds", {"worker": "w1"}, 2.5),
        ("worker_lied", {"worker": "w1"}, 0),
        ("stream_batch_block", {"stream": "readings"}, 110),
        ("stream_batch_block", {"stream": "profiles"}, None),
        ("stream_stuck", {"stream": "readings"}, 0),
        ("stream_stuck", {"stream": "profiles"}, 1),
        ("member_signatures_total", {"member": MEMBER}, 9),
        ("member_failures_total", {"member": MEMBER, "kind": "no_answer"}, 2),
        ("outbox_intents", {"state": "sent"}, 1),
        ("account_balance_wei", {}, 1e18),
        ("account_runway_seconds", {}, 8_640_000),
        ("outbox_halted", {}, 0),
        ("challenges_open", {}, 2),
        ("challenge_alarms", {}, 1),
        ("challenges_unanswerable", {}, 1),
    ],
)
def test_scrape__a_status__has_its_facts(name: str, labels: dict[str, str], value: float | None) -> None:
    assert sample(make_registry(status), name, **labels) == value


def test_scrape__dry_run_before_the_first_step__has_what_there_is() -> None:
    registry = make_registry(
        lambda: status(dry_run=True, account={}, outbox={}, challenges={}, members=[], rejections={}, mqtt={}, nats={})
    )
    assert sample(registry, "dry_run") == 1
    assert sample(registry, "account_balance_wei") is None
    assert sample(registry, "challenges_open") == 0


def test_scrape__nothing_waits__is_an_age_of_zero() -> None:
    readings = {**status()["readings"], "unattested": 0, "oldest_unattested_age_s": None}
    registry = make_registry(lambda: status(readings=readings))
    assert sample(registry, "oldest_unattested_reading_age_seconds") == 0


def test_scrape__log_unreadable__says_so_and_keeps_the_process_figures() -> None:
    def broken() -> dict[str, Any]:
        raise StoreError("disk gone")

    registry = make_registry(broken)
    assert sample(registry, "up") == 0
    assert sample(registry, "readings_waiting") is None
    assert registry.get_sample_value("process_resident_memory_bytes") > 0


def test_scrape__all_names__follow_prometheus_conventions_and_have_help() -> None:
    families = list(text_string_to_metric_families(generate_latest(make_registry(status)).decode()))
    ours = [family for family in families if family.name.startswith("gridwitness_")]
    assert len(ours) >= 50
    for family in ours:
        assert re.fullmatch(r"gridwitness_[a-z][a-z_]*[a-z]", family.name)
        assert family.documentation
        assert not re.search(r"_(s|ms|days|total)$", family.name), "base units; _total is the parser's to add"
