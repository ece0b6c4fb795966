"""Documents and gateways, from the body to the committee's vote."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridwitness.api.protocols import Verdict
from gridwitness.domain.devices import Delegation, Scope
from gridwitness.domain.readings import SignedReading
from gridwitness.domain.slots import slot_end, slot_start
from gridwitness.encoding.eip712 import signed_digest
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from gridwitness.errors import InputError
from gridwitness.service.batching import ReadingKeys, decode_keys, key_of
from gridwitness.service.evidence import gateway_of
from gridwitness.service.messages import Refusal, SignAnswer
from gridwitness.sources.decoding import COSE, OCMF
from gridwitness.sources.payloads import to_payload
from tests.oracle.service.members import make_member, make_readings, make_request
from tests.oracle.service.oracle_parts import Parts
from tests.oracle.signers import FIRST_SLOT, REGISTRY, net_energy
from tests.oracle.sources.documents import cose, net_energy_record, ocmf, ocmf_reading, read, senml_json

TIME = slot_start(FIRST_SLOT)
GATEWAY = Secp256k1Key(4_711)


def address_of(key: Secp256k1Key) -> str:
    return gateway_of(REGISTRY, co_signed(net_energy(key, 1, FIRST_SLOT, 1), key))


def co_signed(signed: SignedReading, gateway: Secp256k1Key) -> SignedReading:
    return replace(signed, gateway_signature=gateway.sign(signed_digest(REGISTRY, signed)))


def out_of_a_document(parts: Parts, energy_wh: int = 5, counter: int = 1) -> SignedReading:
    key = parts.keys[0]
    (signed,) = read(cose(key, senml_json(net_energy_record(energy_wh, TIME)), counter), COSE, key)
    return signed


async def take(parts: Parts, signed: SignedReading) -> Verdict:
    (verdict,) = await parts.ingest.submit([to_payload(signed)])
    return verdict


@pytest.fixture(autouse=True)
def slot_has_passed(oracle: Parts, peer: Parts) -> None:
    oracle.clock.time = peer.clock.time = slot_end(FIRST_SLOT)


async def test_submit__document_with_a_flawed_reading__the_others_are_taken_and_it_is_counted(oracle: Parts) -> None:
    now = "2016-07-20T09:45:00,000+0200 S"
    record = ocmf(oracle.keys[1], ocmf_reading(TM=now), ocmf_reading(TM=now, ST="T", RI="1-b:2.8.0"), page="T1")
    good, bad = await oracle.ingest.submit_body(record, OCMF)
    assert (good.status, good.counter) == ("accepted", 512)
    assert (bad.status, bad.reason, bad.counter) == ("rejected", "meter_error", 513)
    assert [one.status for one in await oracle.ingest.submit_body(record, OCMF)] == ["duplicate", "rejected"]
    (stored,) = oracle.readings.find([(oracle.keys[1].device_id, 512)])
    assert stored is not None
    assert stored.signed.document == record.split(b"|")[1]


async def test_submit__device_registered_a_moment_ago__is_found_on_chain(oracle: Parts) -> None:
    key = P256Key(5_005)
    body = cose(key, senml_json(net_energy_record(5, TIME)), unprotected={})
    with pytest.raises(InputError, match="no registered device has"):
        await oracle.ingest.submit_body(body, COSE)
    oracle.registry.register(key)
    (verdict,) = await oracle.ingest.submit_body(body, COSE)
    assert verdict.status == "accepted"
    assert oracle.readings.rejections()["unknown_device"]["count"] == 1


# INV-O15
@pytest.mark.parametrize("change", ["value", "signature", "document"])
async def test_vote__attached_reading_its_document_does_not_bear_out__is_refused_and_not_logged(
    oracle: Parts, change: str
) -> None:
    member = make_member(oracle)
    await member.follower.step(0)
    signed, *others = make_readings(oracle)
    told = out_of_a_document(oracle)
    if change == "value":
        told = replace(told, reading=replace(told.reading, value=6))
    elif change == "signature":
        told = replace(told, signature=signed.signature)
    else:  # a document the device signed, but another one
        told = replace(told, document=out_of_a_document(oracle, energy_wh=7).document)
    oracle.append(others, 0)
    answer = await member.answer(make_request([told, *others], attached=True))
    assert isinstance(answer, Refusal)
    reason = "wrong_signature" if change == "signature" else "wrong_document"
    assert (answer.problem, reason in answer.detail) == ("invalid", True)
    assert oracle.readings.find([(told.reading.device_id, 1)]) == [None]


async def test_vote__readings_out_of_documents__are_signed_and_kept_with_them(oracle: Parts) -> None:
    member = make_member(oracle)
    await member.follower.step(0)
    told, (_, *others) = out_of_a_document(oracle), make_readings(oracle)
    assert isinstance(await member.answer(make_request([told, *others], attached=True)), SignAnswer)
    (stored,) = oracle.readings.find([(told.reading.device_id, 1)])
    assert stored is not None
    assert stored.signed == told
    assert key_of(stored.signed) == key_of(told) != key_of(replace(told, document=b""))


async def test_take__gateway__needs_to_be_a_delegate_for_data_at_the_readings_time(oracle: Parts) -> None:
    home, signed = oracle.keys[0], co_signed(net_energy(oracle.keys[0], 1, FIRST_SLOT, 5), GATEWAY)
    assert (await take(oracle, signed)).reason == "unknown_gateway"
    for useless in (
        Delegation(address_of(GATEWAY), Scope.TRADE, 0, 1 << 39),
        Delegation(address_of(GATEWAY), Scope.DATA, TIME + 1, 1 << 39),
        Delegation(address_of(GATEWAY), Scope.DATA, 0, TIME - 1),
        Delegation(address_of(GATEWAY), Scope.DATA, 0, 1 << 39, until=TIME),
        Delegation(address_of(Secp256k1Key(8)), Scope.DATA, 0, 1 << 39),
    ):
        oracle.registry.delegate(home, useless)
    assert (await take(oracle, signed)).reason == "unknown_gateway"
    oracle.registry.delegate(home, Delegation(address_of(GATEWAY), Scope.DATA | Scope.CONSENT, TIME, TIME))
    assert (await take(oracle, signed)).status == "accepted"  # the delegation is read from the chain by then
    (stored,) = oracle.readings.find([(home.device_id, 1)])
    assert stored is not None
    assert gateway_of(REGISTRY, stored.signed) == address_of(GATEWAY)


async def test_take__gateway_and_time_both_news_to_the_oracle__is_found_on_chain(oracle: Parts) -> None:
    oracle.clock.time, oracle.clock.head_time = TIME, slot_end(FIRST_SLOT)
    oracle.registry.delegate(oracle.keys[0], Delegation(address_of(GATEWAY), Scope.DATA, 0, 1 << 39))
    assert (await take(oracle, co_signed(net_energy(oracle.keys[0], 1, FIRST_SLOT, 5), GATEWAY))).status == "accepted"


async def test_take__gateway_for_a_document__signs_the_documents_hash(oracle: Parts) -> None:
    oracle.registry.delegate(oracle.keys[0], Delegation(address_of(GATEWAY), Scope.DATA, 0, 1 << 39))
    told = out_of_a_document(oracle)
    wrong = replace(told, gateway_signature=GATEWAY.sign(signed_digest(REGISTRY, replace(told, document=b""))))
    assert (await take(oracle, wrong)).reason == "unknown_gateway"
    assert (await take(oracle, co_signed(told, GATEWAY))).status == "accepted"


async def test_due__documents_larger_than_a_proposal__are_spread_over_batches(oracle: Parts) -> None:
    key, padding = oracle.keys[0], "x" * 16_000
    records = [ocmf_reading(TM="2016-07-20T09:45:00,000+0200 S", RI=f"1-b:{index}.8.0") for index in range(200)]
    readings = [
        signed
        for page, record in enumerate(records)
        for signed in read(ocmf(key, record, page=f"T{page}", U1=padding), OCMF, key)
    ]
    oracle.append(readings, 0)
    oracle.append(make_readings(oracle), 0)
    keys = decode_keys(oracle.reading_batches.due(slot_end(FIRST_SLOT)) or "", ReadingKeys)
    assert 100 < len(keys.readings) < 140
    oracle.attest(oracle.reading_batches, oracle.reading_batches.due(slot_end(FIRST_SLOT)) or "")
    assert oracle.reading_batches.due(slot_end(FIRST_SLOT) + 7_200) is not None
