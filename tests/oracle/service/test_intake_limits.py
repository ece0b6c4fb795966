"""What an oracle does not take in: too much at once, too much of one device, forged jumps, more than the disk holds."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gridwitness.domain.readings import SignedReading
from gridwitness.domain.slots import slot_end
from gridwitness.encoding.keys import P256Key
from gridwitness.errors import InputError, Overloaded, RateLimited, StoreFull
from gridwitness.service.deadletters import list_dead_letters
from gridwitness.service.evidence import Decoder
from gridwitness.service.ingest import Ingest, IngestLimits
from gridwitness.service.rate_limits import DeviceRate, DeviceRates
from gridwitness.sources.payloads import encode_body, to_payload
from tests.oracle.service.oracle_parts import Parts
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy, plant_key

HOME, PLANT = ("0x" + key.device_id.hex() for key in (home_key(), plant_key()))


@pytest.fixture(autouse=True)
def _clock_at_the_end_of_the_slot(oracle: Parts) -> None:
    oracle.clock.time = slot_end(FIRST_SLOT)


def limited(oracle: Parts, **limits: object) -> Ingest:
    settings = IngestLimits(**limits)  # type: ignore[arg-type]
    return Ingest(oracle.admission, Decoder(oracle.fleet), oracle.readings, oracle.clock, settings)


def of_home(count: int, first: int = 0) -> list[SignedReading]:
    return [net_energy(home_key(), first + n, FIRST_SLOT - first - n, n) for n in range(count)]


async def test_submit__more_readings_than_may_wait__are_refused_until_the_others_are_in(oracle: Parts) -> None:
    ingest = limited(oracle, waiting_readings=30)
    under_way = [asyncio.create_task(ingest.submit_body(encode_body(of_home(10, 10 * n)))) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="30 readings wait to be verified and written; 30 may") as caught:
        await ingest.submit_body(encode_body(of_home(1, 30)))
    assert caught.value.retry_after_s == 1
    assert {one.status for call in await asyncio.gather(*under_way) for one in call} == {"accepted"}
    assert [one.status for one in await ingest.submit_body(encode_body(of_home(1, 30)))] == ["accepted"]
    assert ingest.waiting()["readings"] == ingest.waiting()["bytes"] == 0


async def test_submit__more_bytes_than_may_wait__are_refused_before_they_are_decoded(oracle: Parts) -> None:
    body = encode_body(of_home(2))
    ingest = limited(oracle, waiting_bytes=len(body) - 1)
    with pytest.raises(Overloaded, match=f"0 bytes wait to be verified and written; {len(body) - 1} may"):
        await ingest.submit_body(body)
    with pytest.raises(InputError):  # decoded, as there is room for it
        await ingest.submit_body(b"x")
    assert ingest.waiting()["bytes"] == 0


async def test_submit__device_beyond_its_rate__only_its_surplus_is_refused_and_counted(oracle: Parts) -> None:
    ingest = limited(oracle, device_rate=DeviceRate(per_s=0.001, burst=3))
    payloads = [to_payload(one) for one in [*of_home(5), net_energy(plant_key(), 1, FIRST_SLOT, 5)]]
    verdicts = await ingest.submit(payloads)
    assert [one.status for one in verdicts] == ["accepted"] * 3 + ["rejected"] * 2 + ["accepted"]
    assert verdicts[3].reason == "rate_limited"
    assert [one.counter for one in verdicts] == [payload.counter for payload in payloads]
    assert oracle.readings.rejections()["rate_limited"] == {"count": 2, "last": []}
    with pytest.raises(RateLimited) as caught:
        await ingest.submit(payloads[3:5])
    assert 900 < caught.value.retry_after_s <= 1_001
    assert oracle.readings.rejections()["rate_limited"]["count"] == 4


def test_refused__id_in_another_case__has_the_same_bucket() -> None:
    rates = DeviceRates(DeviceRate(per_s=1, burst=2), lambda: 0.0)
    assert rates.refused([HOME, "0x" + HOME[2:].upper(), HOME]) == [2]


def test_refused__time_passes__tokens_come_back_up_to_the_burst() -> None:
    now = [0.0]
    rates = DeviceRates(DeviceRate(per_s=2, burst=4), lambda: now[0])
    assert rates.refused([HOME] * 6) == [4, 5]
    now[0] = 0.5
    assert rates.refused([HOME] * 3) == [1, 2]
    now[0] = 100.0
    assert rates.refused([HOME] * 6) == [4, 5]


def test_refused__strangers_make_up_ids__memory_is_bounded_and_idle_buckets_go_first() -> None:
    now = [0.0]
    rates = DeviceRates(DeviceRate(per_s=1, burst=10, devices=100), lambda: now[0])
    for number in range(5_000):
        now[0] += 0.001
        rates.refused([f"0x{number:064x}"])
        assert len(rates) <= 100
    rates.refused([HOME] * 10)
    now[0] += 2.0
    rates.refused([f"0x{number:064x}" for number in range(95)])
    assert rates.refused([HOME] * 3) == [2]
    assert rates.refused(["x" * 1_000_000]) == []
    assert len(rates) <= 100


async def test_submit__forged_counter_far_ahead__is_named_as_such(oracle: Parts) -> None:
    await oracle.ingest.submit([to_payload(net_energy(home_key(), 5, FIRST_SLOT, 5))])
    for counter, reason in ((1_000_005, "wrong_signature"), (1_000_006, "counter_far_ahead")):
        forged = msgspec.structs.replace(to_payload(net_energy(home_key(), 6, FIRST_SLOT - 1, 5)), counter=counter)
        (verdict,) = await oracle.ingest.submit([forged])
        assert verdict.reason == reason
    assert "the highest counter known is 5, 1000000 may be skipped" in verdict.message


async def test_submit__device_itself_jumps_to_the_highest_counter__locks_nothing_out(oracle: Parts) -> None:
    last = net_energy(home_key(), (1 << 63) - 1, FIRST_SLOT, 5)
    assert (await oracle.ingest.submit([to_payload(last)]))[0].status == "accepted"
    later = [to_payload(net_energy(home_key(), n, FIRST_SLOT - 1 - n, 5)) for n in range(3)]
    assert [one.status for one in await oracle.ingest.submit(later)] == ["accepted"] * 3
    beyond = msgspec.structs.replace(later[0], counter=1 << 63)
    assert (await oracle.ingest.submit([beyond]))[0].reason == "value_out_of_range"
    assert len(oracle.readings.of_device(home_key().device_id, 0, 1 << 62, -1, 10)) == 4


async def test_submit__refused_readings_and_bodies__become_dead_letters_as_they_were_sent(oracle: Parts) -> None:
    stranger = to_payload(net_energy(P256Key(999), 1, FIRST_SLOT, 5))
    await oracle.ingest.submit_body(msgspec.json.encode([stranger]), source="mqtt")
    with pytest.raises(InputError):
        await oracle.ingest.submit_body(b"\xff nothing", "application/cbor")
    unknown, malformed = list_dead_letters(oracle.path, None)
    assert (unknown.reason, unknown.source, unknown.is_whole) == ("unknown_device", "mqtt", True)
    assert msgspec.json.decode(unknown.body) == msgspec.to_builtins(stranger)
    assert (malformed.reason, malformed.source, malformed.body) == ("malformed", "http", b"\xff nothing")
    assert malformed.content_type == "application/cbor"


async def test_probe__disk_has_room_again__problem_goes_by_itself(oracle: Parts) -> None:
    def allow(pages: int) -> None:
        oracle.database._writer.execute(f"PRAGMA max_page_count = {pages}")

    with oracle.database.write() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    allow(pages)
    payloads = [to_payload(one) for one in of_home(300)]
    with pytest.raises(StoreFull):
        await oracle.ingest.submit(payloads)
    assert "full" in oracle.ingest.problem
    await oracle.ingest.probe()
    assert "full" in oracle.ingest.problem
    allow(pages + 1_000)
    await oracle.ingest.probe()
    assert oracle.ingest.problem == ""
    assert {one.status for one in await oracle.ingest.submit(payloads)} == {"accepted"}
