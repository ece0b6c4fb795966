"""The screen an operator sees first."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from gridwitness.cli.status import advice, needs_somebody, screen
from tests.oracle.service.test_metrics import status


def report(**changes: Any) -> dict[str, Any]:
    """A status document as GET /v1/status gives it."""
    full = status()
    members = [{**one, "last_failure": "no_answer: [Errno 111]"} for one in full["members"]]
    known = {
        "name": "oracle-1",
        "address": "0x" + "Ab" * 20,
        "version": "0.1.0",
        "zone": 1,
        "problems": [],
        "warnings": [],
        "rpc": [{**node, "head": 120} for node in full["rpc"]],
        "members": members,
        "mqtt": {**full["mqtt"], "url": "mqtt://broker"},
        "nats": {**full["nats"], "url": "nats://broker"},
        "challenges": {},
    }
    return {**full, **known, **changes}


def shown(document: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=160)
    for part in screen(document):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_show__a_report__begins_with_the_oldest_unattested_reading() -> None:
    lines = shown(report()).splitlines()
    assert lines[0].rstrip() == "oldest unattested reading: 0:15:30 old, 10 wait"


def test_show__a_report__has_transactions_money_nodes_members_and_brokers() -> None:
    text = shown(report())
    assert "transactions: 4 final, 1 sent; the oldest under way for 12 s" in text
    assert "money: 1 ETH, lasts 100 days" in text
    assert "is 9 blocks behind" in text
    assert "no_answer: [Errno 111]" in text
    assert "mqtt mqtt://broker: connected, 2 messages not acknowledged" in text
    assert "nats nats://broker: no broker, 8 messages, 1 workers" in text


def test_show__trouble__comes_before_the_facts_with_what_to_do() -> None:
    text = shown(report(ready=False, problems=["no node can be used: http://a"], warnings=["money for 2 days"]))
    lines = [line.strip() for line in text.splitlines()]
    assert lines[1] == "✗ no node can be used: http://a"
    assert lines[2] == "→ see the nodes below; `gridwitness doctor` says more"
    assert lines[3] == "! money for 2 days"
    assert lines[4].startswith("oracle-1 ")


def test_show__dry_run_before_the_first_step__has_what_there_is() -> None:
    readings = {**report()["readings"], "oldest_unattested_age_s": None}
    text = shown(report(dry_run=True, account={}, outbox={}, mqtt={}, nats={}, members=[], readings=readings))
    assert text.startswith("oldest unattested reading: none waits")
    assert "money" not in text


@pytest.mark.parametrize(
    ("problem", "word"),
    [
        ("starting", "wait"),
        ("nonce 3 of 0x1 was used by another: find out who sends, then `gridwitness outbox resume`", "stop whoever"),
        ("readings: 0x1 is not in the committee", "streams' owner"),
        ("readings: batch 4: 1 of 2 signatures for 0xab", "last failures"),
        ("mqtt: disconnected: Unspecified error", "broker"),
        ("nats: worker w1 lied: x", "broker"),
        ("node at http://a did not answer in time", "doctor"),
        ("readings: following batch 3 of 9", "by itself"),
        ("/data/oracle.sqlite: database or disk is full", "free room"),
        ("something new", "When things go wrong"),
    ],
)
def test_advise__problem__says_what_to_do(problem: str, word: str) -> None:
    assert word in advice(problem)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"ready": False}, True),
        ({"challenges": {"alarms": ["x"]}}, True),
        ({"readings": {"oldest_unattested_age_s": 1_801}}, True),
        ({"readings": {"oldest_unattested_age_s": None}}, False),
    ],
)
def test_wake__a_report__only_if_somebody_must_look(changes: dict[str, Any], expected: bool) -> None:
    assert needs_somebody(report(**changes)) is expected
