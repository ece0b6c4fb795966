"""Oracles as an operator sees them: what they say to Prometheus, systemd and their logs, and how they stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gridwitness.chain.anvil import free_port
from gridwitness.domain.readings import SignedReading
from gridwitness.sources.payloads import encode_body
from gridwitness.store import Database, ReadingLog
from tests.integration.operations.named_metrics import IS_RELAYS, families_served, names_served, names_told, names_used
from tests.integration.operations.promtool import promtool
from tests.integration.oracle.village import Oracle, Village, eventually, start_all

SECRETS = ("a password", "s3cretpass", "k3y-of-a-provider")


def lines_of(oracle: Oracle) -> list[dict[str, Any]]:
    return [json.loads(line) for line in oracle.log().splitlines()]


def add_settings(oracle: Oracle, **settings: Any) -> None:
    """Put settings in front, in place of any of their names."""
    path = oracle.folder / "oracle.toml"
    kept = [line for line in path.read_text().splitlines() if line.partition(" = ")[0] not in settings]
    given = [f"{name} = {json.dumps(value)}" for name, value in settings.items() if value is not None]
    path.write_text("\n".join([*given, *kept]) + "\n")


def with_credentials(url: str) -> str:
    return url.replace("://", "://operator:s3cretpass@") + "/?key=k3y-of-a-provider"


@pytest.fixture
def attested(committee: list[Oracle], village: Village) -> list[Oracle]:
    """A committee that attested a batch. Nodes' URLs hold secrets; two members are told of brokers that are away."""
    url = village.chain.node.url
    away = f"http://operator:s3cretpass@127.0.0.1:{free_port()}/v3/k3y-of-a-provider"
    add_settings(committee[0], rpc_url=with_credentials(url), log_level="debug")
    add_settings(committee[1], rpc_url=None, rpc_urls=[with_credentials(url), away])
    add_settings(committee[2], mqtt_url=f"mqtt://127.0.0.1:{free_port()}", nats_url=f"nats://127.0.0.1:{free_port()}")
    start_all(committee)
    slot = village.first_slot()
    village.pass_slot(slot)
    readings = village.sign_slot(slot)
    for oracle in committee[:2]:
        oracle.post(readings)
    for oracle in committee:
        eventually(lambda oracle=oracle: oracle.status()["streams"]["readings"]["final_seq"] == 1, "a final batch")
    return committee


def test_run__a_batch_attested__is_in_metrics_and_logs_under_one_id_without_secrets(attested: list[Oracle]) -> None:
    scrapes = [oracle.get("/metrics").text for oracle in attested]
    served = set.union(*map(names_served, scrapes))
    assert {name for name in names_used() - served if not IS_RELAYS.match(name)} == set()
    assert set.union(*map(families_served, scrapes)) == {name for name in names_told() if not IS_RELAYS.match(name)}
    for scrape in scrapes:
        checked = promtool("check", "metrics", given=scrape)
        # wei is the base unit of money; a day is what spending is told by.
        complaints = [line for line in checked.stderr.splitlines() if "per_day" not in line]
        assert complaints == [], checked.stderr

    digest = attested[0].status()["streams"]["readings"]["head"]
    events: set[str] = set()
    for oracle in attested:
        for line in lines_of(oracle):
            assert {"time", "level", "event"} <= line.keys()
            if digest in json.dumps(line):
                assert line["batch"] == "readings:1"
            if line.get("batch") == "readings:1":
                events.add(line["event"])
    assert {"proposal_signed", "batch_signed", "transaction", "batch_attested", "batch_final"} <= events

    told = [text for oracle in attested for text in (oracle.log(), oracle.get("/v1/status").text)]
    keys = [bytes(oracle.account.key).hex() for oracle in attested]
    for text in [*told, *scrapes]:
        assert [secret for secret in (*SECRETS, *keys) if secret in text] == []


@pytest.fixture
def lone(committee: list[Oracle]) -> Oracle:
    """One of the committee, which takes readings in and waits for the others."""
    return committee[0]


@pytest.fixture
def many(village: Village) -> list[SignedReading]:
    """Readings of slots long past, in the order to be sent."""
    first = village.first_slot() - 400
    return [reading for slot in range(first, first + 300) for reading in village.sign_slot(slot)]


def stored(oracle: Oracle, readings: list[SignedReading]) -> set[tuple[bytes, int]]:
    """Keys of those readings that are in the log of a stopped oracle."""
    database = Database(oracle.folder / "oracle.sqlite")
    try:
        keys = [(one.reading.device_id, one.reading.counter) for one in readings]
        found = ReadingLog(database).find(keys)
    finally:
        database.close()
    return {key for key, row in zip(keys, found, strict=True) if row is not None}


class Sender(threading.Thread):
    """Posts readings four at a time until it is told that the oracle stops, or is gone; notes what is acknowledged."""

    def __init__(self, oracle: Oracle, readings: list[SignedReading]) -> None:
        super().__init__()
        self.acknowledged: set[tuple[bytes, int]] = set()
        self.told: list[httpx.Response] = []
        self._oracle = oracle
        self._readings = readings

    def run(self) -> None:
        with httpx.Client(base_url=self._oracle.url, timeout=30) as client:
            for start in range(0, len(self._readings), 4):
                group = self._readings[start : start + 4]
                try:
                    response = client.post("/v1/readings", content=encode_body(group))
                except httpx.TransportError:
                    return
                if not response.is_success:
                    self.told.append(response)
                    return
                for one, verdict in zip(group, response.json()["results"], strict=True):
                    if verdict["status"] == "accepted":
                        self.acknowledged.add((one.reading.device_id, one.reading.counter))


def test_stop__under_load__keeps_all_that_was_acknowledged_and_ends_well(
    lone: Oracle, many: list[SignedReading]
) -> None:
    start_all([lone])
    senders = [Sender(lone, many[index::3]) for index in range(3)]
    for sender in senders:
        sender.start()
    eventually(lambda: all(sender.acknowledged for sender in senders), "every sender to have something acknowledged")
    assert lone.stop() == 0
    for sender in senders:
        sender.join()
    acknowledged = set.union(*(sender.acknowledged for sender in senders))
    assert len(acknowledged) < len(many), "it was to be stopped in the middle"
    assert acknowledged <= stored(lone, many)
    for response in (response for sender in senders for response in sender.told):
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    events = [line["event"] for line in lines_of(lone)]
    assert "oracle_stopped" in events
    assert not {"stop_overdue", "step_broken_off"} & set(events)


def test_stop__node_that_hangs__does_not_keep_it(lone: Oracle, village: Village) -> None:
    start_all([lone])
    eventually(lambda: lone.status()["chain"]["block"] > 0, "the chain to be seen")
    process = village.anvil._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: "did not answer in time" in lone.log(), "the node to be missed")
        assert lone.stop() == 0
    finally:
        process.send_signal(signal.SIGCONT)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The end of systemd's notification socket."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield channel


def test_notify__systemd__is_told_of_trouble_readiness_life_and_end(
    committee: list[Oracle], manager: socket.socket
) -> None:
    lone = committee[0]
    lone.start()
    heard: list[str] = []

    def hear(word: str) -> None:
        while not any(word in message for message in heard):
            heard.append(manager.recv(4_096).decode())

    hear("READY=1")
    hear("WATCHDOG=1")
    hear("STATUS=ready")
    assert os.environ["NOTIFY_SOCKET"] not in lone.log()
    assert lone.stop() == 0
    hear("STOPPING=1")
    assert "READY=1" not in "".join(heard[heard.index("READY=1") + 1 :])
