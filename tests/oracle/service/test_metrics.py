"""An oracle's facts under the names Prometheus, alerts and dashboards know them by."""

from __future__ import annotations

import re
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gridwitness.errors import StoreError
from gridwitness.service.metrics import make_registry

MEMBER = "0x" + "aB" * 20


def status(**changes: object) -> dict[str, Any]:
    return {
        "ready": True,
        "dry_run": False,
        "devices_active": 7,
        "chain": {"id": 31337, "block": 120, "time": 1_000},
        "clock": {"kind": "system", "now": 1_030},
        "readings": {"stored": 50, "attested": 40, "unattested": 10, "pruned": 0, "oldest_unattested_age_s": 930},
        "rejections": {"future_time": {"count": 3, "last": []}, "malformed": {"count": 1, "last": []}},
        "streams": {
            "readings": {"seq": 4, "status": "final", "block": 110, "latest_time": 900, "problem": ""},
            "profiles": {"seq": 0, "status": None, "block": None, "latest_time": None, "problem": "no committee"},
        },
        "members": [{"address": MEMBER, "signed": 9, "failures": {"no_answer": 2}}],
        "outbox": {"final": 4, "sent": 1},
        "account": {"balance_wei": 10**18, "spent_wei_per_day": 10**16, "runway_days": 100.0, "halted": ""},
        "rpc": [
            {"url": "http://a", "problem": "", "lag": 0, "failures": {}},
            {"url": "http://b", "problem": "is 9 blocks behind", "lag": 9, "failures": {"no_answer": 5}},
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
        ("stream_batch_seq", {"stream": "readings", "status": "final"}, 4),
        ("stream_batch_seq", {"stream": "profiles", "status": "none"}, 0),
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
        lambda: status(dry_run=True, account={}, outbox={}, challenges={}, members=[], rejections={})
    )
    assert sample(registry, "dry_run") == 1
    assert sample(registry, "account_balance_wei") is None
    assert sample(registry, "challenges_open") == 0


def test_scrape__nothing_waits__is_an_age_of_zero() -> None:
    readings = {"stored": 5, "attested": 5, "unattested": 0, "oldest_unattested_age_s": None}
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
    assert len(ours) >= 20
    for family in ours:
        assert re.fullmatch(r"gridwitness_[a-z][a-z_]*[a-z]", family.name)
        assert family.documentation
        assert not re.search(r"_(s|ms|days|total)$", family.name), "base units; _total is the parser's to add"
