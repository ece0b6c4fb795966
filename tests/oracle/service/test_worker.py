"""What a worker makes of messages that it, the broker or the oracle cannot bear; and how it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from gridwitness.service.scaleout.link import NatsConfig
from gridwitness.service.scaleout.messages import Verified, encode
from gridwitness.service.scaleout.worker import MOST_ATTEMPTS, Worker
from gridwitness.sources.payloads import encode_body
from gridwitness.store.deadletters import MAX_BODY_BYTES
from tests.oracle.signers import FIRST_SLOT, REGISTRY, home_key, net_energy

BROKER_BYTES = 1 << 20
SIGNED = [net_energy(home_key(), counter, FIRST_SLOT + counter, 5) for counter in range(300)]
BODY = encode_body(SIGNED)


def make_worker() -> Worker:
    return Worker(NatsConfig("nats://broker"), "one", REGISTRY)


def message(body: bytes, *, attempt: int = 1, partition: str = "gateway.g1", **headers: str) -> Msg:
    place = f"$JS.ACK.GRIDWITNESS_READINGS.verifiers.{attempt}.7.7.1700000000000000000.0"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Msg(Client(), f"gridwitness.readings.{partition}", place, body, named or None)


def test_examine__largest_body_there_is_room_for__is_passed_on_with_its_signers() -> None:
    verified = make_worker().examine(message(BODY.ljust(1_000_000)))
    assert (len(verified.body), verified.signers) == (1_000_000, home_key().device_id * len(SIGNED))


def test_examine__no_room_for_the_signers__leaves_them_to_the_oracle() -> None:
    body = BODY.ljust(BROKER_BYTES - 9_000)
    verified = make_worker().examine(message(body, Content_Type="application/json"))
    assert verified == Verified(body, b"", "g1", "application/json")
    assert len(encode(verified)) < BROKER_BYTES


@pytest.mark.parametrize("attempt", [1, MOST_ATTEMPTS, MOST_ATTEMPTS + 1])
def test_examine__body_the_broker_would_not_take_back__is_given_up_with_its_beginning(attempt: int) -> None:
    worker = make_worker()
    verified = worker.examine(message(BODY.ljust(BROKER_BYTES), attempt=attempt, Gridwitness_Reply="there"))
    # As many as were given it: this one is not among them if it did not look.
    assert verified.given_up_after == min(attempt, MOST_ATTEMPTS) + 1
    assert verified.body == BODY[: MAX_BODY_BYTES + 1]
    assert (verified.gateway, verified.reply, worker.counts["given_up"]) == ("g1", "there", 1)


def test_examine__headers_of_half_a_megabyte__do_not_make_it_too_large() -> None:
    headers = {"Content_Type": "x" * (BROKER_BYTES // 4), "Gridwitness_Reply": "y" * (BROKER_BYTES // 4)}
    verified = make_worker().examine(message(b" " * (BROKER_BYTES // 2), **headers))
    assert len(encode(verified)) < BROKER_BYTES // 2 + 1_000


def test_examine__nested_deeper_than_can_be_read__is_given_up() -> None:
    deep = b"\x93\xa0\x90" + b"\x91" * 100_000 + b"\x90"
    verified = make_worker().examine(message(deep, partition="3"))
    assert (verified.given_up_after, len(verified.body)) == (2, MAX_BODY_BYTES + 1)


async def test_run__an_error_nobody_expected__ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("gridwitness.service.scaleout.worker.stay_connected", fail)
    with pytest.raises(RuntimeError, match="a mistake"):
        await asyncio.wait_for(make_worker().run(), 5)


async def test_run__stopped__ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("gridwitness.service.scaleout.worker.stay_connected", work)
    worker = make_worker()
    asyncio.get_running_loop().call_soon(worker.stop)
    await asyncio.wait_for(worker.run(), 5)
