"""Verdicts on readings, each with the reason it is counted under; durable before they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, SignedReading
from gridwitness.domain.slots import SLOT_SECONDS, slot_end, slot_start
from gridwitness.encoding.eip712 import registry_domain
from gridwitness.encoding.keys import DeviceKey, P256Key, Secp256k1Key
from gridwitness.errors import InputError, StoreError
from gridwitness.sources.payloads import to_payload
from tests.oracle.service.oracle_parts import Parts
from tests.oracle.signers import FIRST_SLOT, OWNER, home_key, net_energy, plant_key, sign

NOW = slot_end(FIRST_SLOT)


async def _verdict(oracle: Parts, signed: SignedReading) -> tuple[str, str, str]:
    (verdict,) = await oracle.ingest.submit([to_payload(signed)])
    return verdict.status, verdict.reason, verdict.message


def _reading(value: int = 5, time: int = slot_start(FIRST_SLOT), metric: str = NET_ENERGY_METRIC) -> Reading:
    return Reading(home_key().device_id, 1, time, metric, value)


@pytest.fixture(autouse=True)
def _clock_at_the_end_of_the_slot(oracle: Parts) -> None:
    oracle.clock.time = NOW


async def test_submit__good_readings_of_both_curves__are_accepted_then_duplicates(oracle: Parts) -> None:
    payloads = [to_payload(net_energy(key, 1, FIRST_SLOT, -3)) for key in (home_key(), plant_key())]
    assert [verdict.status for verdict in await oracle.ingest.submit(payloads)] == ["accepted", "accepted"]
    assert [verdict.status for verdict in await oracle.ingest.submit(payloads)] == ["duplicate", "duplicate"]
    assert oracle.readings.counts()["stored"] == 2


BAD = {
    "wrong_signature": (
        SignedReading(_reading(6), sign(home_key(), _reading(5)).signature),
        "the signature is not one of the key of device",
    ),
    "unknown_device": (net_energy(P256Key(999), 1, FIRST_SLOT, 5), "is not registered"),
    "unaligned_time": (
        sign(home_key(), _reading(time=slot_start(FIRST_SLOT) + 1)),
        "is 1 s into an interval; it must be a multiple of 900",
    ),
    "future_time": (net_energy(home_key(), 1, FIRST_SLOT + 1, 5), f"900 s after the clock ({NOW}); 60 s are tolerated"),
    "value_out_of_range": (sign(home_key(), _reading(1 << 31)), "value 2147483648 Wh is outside -2147483648"),
}


# INV-O3
@pytest.mark.parametrize("reason", BAD)
async def test_submit__bad_reading__is_refused_and_counted_under_its_reason(oracle: Parts, reason: str) -> None:
    signed, words = BAD[reason]
    status, found, message = await _verdict(oracle, signed)
    assert (status, found) == ("rejected", reason)
    assert words in message
    assert oracle.readings.rejections() == {reason: {"count": 1, "last": [message]}}
    assert oracle.readings.counts()["stored"] == 0


async def test_submit__signed_for_another_chain__is_a_wrong_signature(oracle: Parts) -> None:
    elsewhere = registry_domain(1, OWNER)
    assert (await _verdict(oracle, sign(home_key(), _reading(), elsewhere)))[1] == "wrong_signature"


# INV-O12
@pytest.mark.parametrize("curve", [home_key, plant_key])
async def test_submit__device_retired__its_readings_of_before_are_taken_and_no_others(
    oracle: Parts, curve: Callable[[], DeviceKey]
) -> None:
    oracle.registry.retire(curve(), slot_start(FIRST_SLOT))
    oracle.registry.sync()
    status, reason, message = await _verdict(oracle, net_energy(curve(), 2, FIRST_SLOT, 5))
    assert (status, reason) == ("rejected", "retired_device")
    assert f"is retired at {slot_start(FIRST_SLOT)}" in message
    assert (await _verdict(oracle, net_energy(curve(), 1, FIRST_SLOT - 1, 5)))[0] == "accepted"


# INV-O12
async def test_submit__device_suspended_for_a_while__its_readings_of_that_time_are_refused(oracle: Parts) -> None:
    oracle.registry.suspend(home_key(), slot_start(FIRST_SLOT - 2), slot_start(FIRST_SLOT - 1))
    oracle.registry.sync()
    reasons = [(await _verdict(oracle, net_energy(home_key(), 9 + i, FIRST_SLOT - 3 + i, 5)))[1] for i in range(4)]
    assert reasons == ["", "suspended_device", "", ""]


async def test_submit__suspension_just_lifted__is_looked_up_again(oracle: Parts) -> None:
    oracle.registry.suspend(home_key(), 0)
    oracle.registry.sync()
    oracle.registry.suspend(home_key(), 0, 1)
    assert (await _verdict(oracle, net_energy(home_key(), 1, FIRST_SLOT, 5)))[0] == "accepted"


# INV-O12
async def test_submit__key_rotated__each_key_is_good_for_its_own_time_only(oracle: Parts) -> None:
    device, new = home_key(), Secp256k1Key(778)
    oracle.registry.rotate(device, new, slot_start(FIRST_SLOT))
    oracle.registry.sync()
    reasons = []
    for counter, (slot, key) in enumerate([(s, k) for s in (FIRST_SLOT - 1, FIRST_SLOT) for k in (device, new)]):
        reading = Reading(device.device_id, counter, slot_start(slot), NET_ENERGY_METRIC, 5)
        reasons.append((await _verdict(oracle, sign(key, reading)))[1])
    assert reasons == ["", "wrong_signature", "wrong_signature", ""]


# INV-O12
@pytest.mark.parametrize("begun_s", [-859, 0, 30, 40])
@pytest.mark.parametrize("signer", [home_key(), Secp256k1Key(779)])
async def test_submit__reading_of_a_time_whose_key_may_change__waits_until_the_chain_has_passed_it(
    oracle: Parts, signer: DeviceKey, begun_s: int
) -> None:
    device, new = home_key(), Secp256k1Key(779)
    oracle.registry.rotate(device, new, NOW + begun_s)
    oracle.registry.head_time = NOW + 39
    oracle.registry.sync()
    reading = Reading(device.device_id, 1, NOW + 40, "1-0:1.8.0", 7)
    _, reason, message = await _verdict(oracle, sign(signer, reading))
    assert reason == "future_time"
    assert f"the chain has not reached {NOW + 40}: its key may change" in message
    oracle.registry.head_time = NOW + 40
    expected = "" if signer.device_id == new.device_id else "wrong_signature"
    assert (await _verdict(oracle, sign(signer, reading)))[1] == expected


async def test_submit__coming_time_whose_key_has_spoken_for_long__is_taken(oracle: Parts) -> None:
    device, new = home_key(), Secp256k1Key(779)
    oracle.registry.rotate(device, new, NOW + 40 - 900)
    oracle.registry.head_time = NOW
    oracle.registry.sync()
    reading = Reading(device.device_id, 1, NOW + 40, "1-0:1.8.0", 7)
    assert (await _verdict(oracle, sign(new, reading)))[0] == "accepted"


async def test_submit__device_of_another_zone__is_refused(oracle: Parts) -> None:
    stranger = P256Key(55)
    oracle.registry.register(stranger, zone=2)
    oracle.registry.sync()
    _, reason, message = await _verdict(oracle, net_energy(stranger, 1, FIRST_SLOT, 5))
    assert reason == "other_zone"
    assert "stands in zone 2; this oracle serves zone 1" in message


# INV-O2
async def test_submit__counter_or_slot_used_before__is_refused(oracle: Parts) -> None:
    await _verdict(oracle, net_energy(home_key(), 1, FIRST_SLOT, 5))
    assert (await _verdict(oracle, net_energy(home_key(), 1, FIRST_SLOT, 6)))[1] == "replayed_counter"
    assert (await _verdict(oracle, net_energy(home_key(), 2, FIRST_SLOT, 5)))[1] == "slot_already_reported"


async def test_submit__device_registered_a_moment_ago__is_looked_up_again(oracle: Parts) -> None:
    newcomer = P256Key(77)
    oracle.registry.register(newcomer)
    assert (await _verdict(oracle, net_energy(newcomer, 1, FIRST_SLOT, 5)))[0] == "accepted"


async def test_submit__chain_moved_on__the_clock_is_read_again_before_rejecting(oracle: Parts) -> None:
    oracle.clock.head_time = NOW + SLOT_SECONDS
    assert (await _verdict(oracle, net_energy(home_key(), 1, FIRST_SLOT + 1, 5)))[0] == "accepted"


async def test_submit__instant_metric__needs_no_alignment_and_takes_64_bits(oracle: Parts) -> None:
    reading = _reading(1 << 40, slot_start(FIRST_SLOT) + 7, "1-0:1.8.0")
    assert (await _verdict(oracle, sign(home_key(), reading)))[0] == "accepted"


async def test_submit__good_and_bad_in_one_body__each_gets_its_own_verdict(oracle: Parts) -> None:
    payloads = [to_payload(net_energy(home_key(), 1, FIRST_SLOT, 5)), to_payload(BAD["wrong_signature"][0])]
    payloads.append(to_payload(net_energy(plant_key(), 1, FIRST_SLOT, 5)))
    verdicts = await oracle.ingest.submit(payloads)
    assert [verdict.status for verdict in verdicts] == ["accepted", "rejected", "accepted"]
    assert [verdict.counter for verdict in verdicts] == [1, 1, 1]


async def test_submit__many_calls_at_once__share_transactions(oracle: Parts) -> None:
    with oracle.database.read() as connection:
        connection.execute("SELECT COUNT(*) FROM readings").fetchone()
    transactions = []
    oracle.database._writer.set_trace_callback(
        lambda statement: transactions.append(statement) if statement.startswith("COMMIT") else None
    )
    payloads = [to_payload(net_energy(home_key(), n, FIRST_SLOT - n, n)) for n in range(200)]
    verdicts = await asyncio.gather(*(oracle.ingest.submit([payload]) for payload in payloads))
    oracle.database._writer.set_trace_callback(None)
    assert {verdict.status for (verdict,) in verdicts} == {"accepted"}
    assert oracle.readings.counts()["stored"] == 200
    assert len(transactions) < 200


# INV-O1
async def test_submit__disk_full__is_an_error_and_not_an_acknowledgement(oracle: Parts) -> None:
    with oracle.database.write() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    oracle.database._writer.execute(f"PRAGMA max_page_count = {pages}")
    payloads = [to_payload(net_energy(home_key(), n, FIRST_SLOT - n, n)) for n in range(200)]
    with pytest.raises(StoreError, match="full"):
        await oracle.ingest.submit(payloads)
    oracle.database._writer.execute(f"PRAGMA max_page_count = {pages + 10_000}")
    assert {verdict.status for verdict in await oracle.ingest.submit(payloads)} == {"accepted"}


# INV-O3
async def test_submit__body_that_holds_no_readings__is_counted_as_malformed(oracle: Parts) -> None:
    with pytest.raises(InputError, match="the body is not a reading"):
        await oracle.ingest.submit_body(b'{"device_id": 1}')
    assert oracle.readings.rejections()["malformed"]["count"] == 1
