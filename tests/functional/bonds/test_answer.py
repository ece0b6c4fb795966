"""Answers: what counts as the device's signature, and what convicts at once."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import ape
import pytest
from eth_abi import encode

from gridwitness.domain.devices import Rotation
from gridwitness.encoding.eip712 import reading_digest, rotate_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import SECP256K1_ORDER, P256Key, Secp256k1Key
from tests.actors import HOUR_SECONDS, Device, refused
from tests.functional.bonds.doubts import (
    ANSWERED,
    BATCH_CONVICTED,
    BOND,
    CONVICTED,
    STAKE,
    STANDING,
    BondedStream,
    Evidence,
    in_document,
    leaf_of,
    reading_of,
    signed,
)

Readings = Callable[[int], list[Evidence]]
# COSE: the Sig_structure of RFC 9052 over {1: 250}; OCMF: its JSON payload section.
COSE = bytes.fromhex("846a5369676e61747572653143a1012640") + b"\x44\xa1\x01\x18\xfa"
OCMF = b'{"FV":"1.0","GI":"charger","PG":"T1","RD":[{"TM":"2023-11-14T22:13:20,000+0000 S","RV":0.25,"RU":"kWh"}]}'


def doubt(stream: BondedStream, evidence: Evidence, challenger: Any) -> bytes:
    """Attest one reading and challenge it; returns the challenge's id."""
    return stream.challenge(evidence, stream.attest(evidence), challenger)


def assert_answered(stream: BondedStream, evidence: Evidence, challenger: Any, operator: Any) -> None:
    """The evidence answers for its leaf."""
    challenge_id = doubt(stream, evidence, challenger)
    stream.answer(challenge_id, evidence, operator)
    assert stream.status(challenge_id) == ANSWERED


def assert_convicted(stream: BondedStream, evidence: Evidence, challenger: Any, operator: Any) -> None:
    """The evidence is the leaf's own and still convicts, whoever brings it."""
    challenge_id = doubt(stream, evidence, challenger)
    stream.answer(challenge_id, evidence, operator)
    assert stream.status(challenge_id) == CONVICTED
    assert (stream.payout(challenger), stream.payout(operator)) == (BOND + STAKE, 0)


# INV-B5
def test_answer__device_signature__pays_who_brings_it(
    attestation: Any, bonded: BondedStream, any_device: Device, watchdog: Any, operator: Any
) -> None:
    evidence = signed(any_device.domain, any_device.key, reading_of(any_device.device_id))
    challenge_id = doubt(bonded, evidence, watchdog)
    receipt = bonded.answer(challenge_id, evidence, operator)
    assert receipt.events == [attestation.ChallengeAnswered(challenge_id, operator, evidence.signature, b"")]
    assert bonded.status(challenge_id) == ANSWERED
    assert (bonded.payout(operator), bonded.payout(watchdog)) == (STAKE, 0)
    assert (bonded.bond.amount, bonded.bond.openChallenges, bonded.marks) == (BOND, 0, 0)
    assert bonded.batch_status(1) == STANDING
    assert bonded.is_proven(evidence, 1)


# INV-B5
@pytest.mark.parametrize("document", [COSE, OCMF], ids=["cose", "ocmf"])
def test_answer__document_the_device_signed__is_good_and_made_public(
    attestation: Any, bonded: BondedStream, any_device: Device, watchdog: Any, operator: Any, document: bytes
) -> None:
    evidence = in_document(any_device.key, reading_of(any_device.device_id), document)
    challenge_id = doubt(bonded, evidence, watchdog)
    receipt = bonded.answer(challenge_id, evidence, operator)
    assert receipt.events == [attestation.ChallengeAnswered(challenge_id, operator, evidence.signature, document)]
    assert bonded.status(challenge_id) == ANSWERED


def test_answer__last_second_and_after__is_taken_and_refused(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any, operator: Any
) -> None:
    one, two = readings(2)
    seq = bonded.attest(one, two)
    first, second = bonded.challenge(one, seq, watchdog), bonded.challenge(two, seq, watchdog, index=1)
    ape.chain.pending_timestamp = attestation.challengeOf(first).deadline
    bonded.answer(first, one, operator)
    deadline = attestation.challengeOf(second).deadline
    ape.chain.pending_timestamp = deadline + 1
    with refused(attestation.AnswerPeriodOver, challengeId=second, deadline=deadline, timestamp=deadline + 1):
        bonded.answer(second, two, operator)


# INV-B3
def test_answer__twice_or_unasked__is_refused(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any, operator: Any
) -> None:
    one, two = readings(2)
    challenge_id = doubt(bonded, one, watchdog)
    bonded.answer(challenge_id, one, operator)
    with refused(attestation.ChallengeNotOpen, challengeId=challenge_id, status=ANSWERED):
        bonded.answer(challenge_id, one, operator)
    unasked = bonded.challenge_id(two, 1)
    with refused(attestation.ChallengeNotOpen, challengeId=unasked, status=0):
        bonded.answer(unasked, two, operator)


def test_answer__with_another_leaf__is_refused(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any, operator: Any
) -> None:
    one, two = readings(2)
    challenge_id = doubt(bonded, one, watchdog)
    with refused(attestation.LeafMismatch, challengeId=challenge_id, given=bonded.challenge_id(two, 1)):
        bonded.answer(challenge_id, two, operator)


def refuse_evidence(stream: BondedStream, challenge_id: bytes, leaf: Any, brought: Evidence, operator: Any) -> None:
    """Expect EvidenceMismatch for signature and document that are not the leaf's."""
    given = keccak(brought.signature)
    if brought.document:
        given = keccak(given + sha256(brought.document).digest())
    with refused(stream.contract.EvidenceMismatch, challengeId=challenge_id, given=given, expected=leaf[6]):
        stream.contract.answer(challenge_id, leaf, brought.signature, brought.document, sender=operator)


def test_answer__evidence_that_is_not_the_leafs__is_refused(
    bonded: BondedStream, charger: Device, readings: Readings, watchdog: Any, operator: Any
) -> None:
    native, other = readings(2)
    reading = reading_of(charger.device_id, counter=9)
    documented = in_document(charger.key, reading, OCMF)
    seq = bonded.attest(native, documented)
    first = bonded.challenge(native, seq, watchdog)
    for brought in (other, Evidence(native.leaf, native.signature, OCMF), Evidence(native.leaf, b"")):
        refuse_evidence(bonded, first, native.leaf, brought, operator)
    second = bonded.challenge(documented, seq, watchdog, index=1)
    for brought in (
        Evidence(documented.leaf, documented.signature),
        Evidence(documented.leaf, documented.signature, COSE),
        signed(charger.domain, charger.key, reading),
    ):
        refuse_evidence(bonded, second, documented.leaf, brought, operator)


# INV-B5
def test_answer__hash_of_a_document_brought_as_a_false_signature__does_not_convict(
    attestation: Any, bonded: BondedStream, charger: Device, watchdog: Any
) -> None:
    evidence = in_document(charger.key, reading_of(charger.device_id), OCMF)
    challenge_id = doubt(bonded, evidence, watchdog)
    disguised = encode(["bytes32", "bytes32"], [keccak(evidence.signature), sha256(OCMF).digest()])
    assert keccak(disguised) == evidence.leaf[6]
    with refused(
        attestation.EvidenceMismatch, challengeId=challenge_id, given=evidence.leaf[6], expected=evidence.leaf[6]
    ):
        attestation.answer(challenge_id, evidence.leaf, disguised, b"", sender=watchdog)


# INV-B4, INV-B6
def test_answer__signature_of_another_device__convicts_at_once(
    attestation: Any, bonded: BondedStream, false_reading: Evidence, watchdog: Any, operator: Any
) -> None:
    assert_convicted(bonded, false_reading, watchdog, operator)
    assert (bonded.marks, bonded.batch_status(1)) == (1, BATCH_CONVICTED)
    assert not bonded.is_proven(false_reading, 1)


def test_answer__value_changed_after_signing__convicts_at_once(
    bonded: BondedStream, any_device: Device, watchdog: Any, operator: Any
) -> None:
    genuine = signed(any_device.domain, any_device.key, reading_of(any_device.device_id))
    leaf = (*genuine.leaf[:4], genuine.leaf[4] + 1, *genuine.leaf[5:])
    assert_convicted(bonded, Evidence(leaf, genuine.signature), watchdog, operator)


def test_answer__score_changed__is_no_matter_of_the_device(
    bonded: BondedStream, readings: Readings, watchdog: Any, operator: Any
) -> None:
    (genuine,) = readings(1)
    leaf = (*genuine.leaf[:5], 9_999, genuine.leaf[6])
    assert_answered(bonded, Evidence(leaf, genuine.signature), watchdog, operator)


def test_answer__malleable_signature__convicts_at_once(
    bonded: BondedStream, readings: Readings, watchdog: Any, operator: Any
) -> None:
    (genuine,) = readings(1)
    s = SECP256K1_ORDER - int.from_bytes(genuine.signature[32:64], "big")
    twin = genuine.signature[:32] + s.to_bytes(32, "big") + bytes([55 - genuine.signature[64]])
    assert_convicted(bonded, Evidence((*genuine.leaf[:6], keccak(twin)), twin), watchdog, operator)


@pytest.mark.parametrize("length", [0, 64, 128])
def test_answer__document_of_another_device__convicts_at_once(
    bonded: BondedStream, charger: Device, meter: Device, watchdog: Any, operator: Any, length: int
) -> None:
    forged = in_document(meter.key, reading_of(charger.device_id), OCMF)
    signature = forged.signature[:length]
    leaf = (*forged.leaf[:6], keccak(keccak(signature) + sha256(OCMF).digest()))
    assert_convicted(bonded, Evidence(leaf, signature, OCMF), watchdog, operator)


def test_answer__native_signature_passed_off_as_over_a_document__convicts_at_once(
    bonded: BondedStream, charger: Device, watchdog: Any, operator: Any
) -> None:
    reading = reading_of(charger.device_id)
    signature = charger.key.sign(reading_digest(charger.domain, reading))
    leaf = leaf_of(reading, keccak(keccak(signature) + sha256(OCMF).digest()))
    assert_convicted(bonded, Evidence(leaf, signature, OCMF), watchdog, operator)


def test_answer__superseded_meanwhile__still_pays(
    bonded: BondedStream, readings: Readings, watchdog: Any, operator: Any
) -> None:
    one, _ = readings(2)
    challenge_id = doubt(bonded, one, watchdog)
    bonded.contract.markCompromised(bonded.stream_id, 1, 1, sender=bonded.owner)
    bonded.answer(challenge_id, one, operator)
    assert (bonded.status(challenge_id), bonded.payout(operator)) == (ANSWERED, STAKE)


def rotate(device: Device, owner: Any, new_key: P256Key | Secp256k1Key) -> int:
    """Give the registered device a new key; returns the second it is valid from."""
    valid_from = ape.chain.pending_timestamp + 10
    rotation = Rotation(device.device_id, new_key.device_id, valid_from, valid_from + HOUR_SECONDS)
    nonce = device.registry.device(device.device_id).nonce
    signature = new_key.sign(rotate_digest(device.domain, rotation, nonce))
    args = (rotation.device_id, rotation.new_key_id, rotation.valid_from, rotation.deadline)
    device.registry.rotate(args, signature, (0, b""), sender=owner)
    return valid_from


# The old key counts up to 900 s beyond its end, the new one from its first second.
# INV-B5
@pytest.mark.parametrize(
    ("key", "offset", "is_good"),
    [
        ("old", -86_400, True),
        ("old", -1, True),
        ("old", 0, True),
        ("old", 899, True),
        ("old", 900, False),
        ("old", 86_400, False),
        ("new", -1, False),
        ("new", 0, True),
        ("new", 86_400, True),
    ],
)
def test_answer__after_a_rotation__the_key_of_the_readings_time_decides(
    bonded: BondedStream,
    any_device: Device,
    prosumer: Any,
    watchdog: Any,
    operator: Any,
    key: str,
    offset: int,
    is_good: bool,
) -> None:
    any_device.register(prosumer)
    new_key = P256Key(0x4E4557) if isinstance(any_device.key, Secp256k1Key) else Secp256k1Key(0x4E4557)
    valid_from = rotate(any_device, prosumer, new_key)
    reading = reading_of(any_device.device_id, time=valid_from + offset)
    evidence = signed(any_device.domain, any_device.key if key == "old" else new_key, reading)
    (assert_answered if is_good else assert_convicted)(bonded, evidence, watchdog, operator)


def test_answer__document_after_a_rotation__the_key_of_the_readings_time_decides(
    bonded: BondedStream, charger: Device, prosumer: Any, watchdog: Any, operator: Any
) -> None:
    charger.register(prosumer)
    valid_from = rotate(charger, prosumer, P256Key(0x4E4557))
    assert_answered(
        bonded, in_document(charger.key, reading_of(charger.device_id, 1, valid_from - 1), OCMF), watchdog, operator
    )
    late = in_document(charger.key, reading_of(charger.device_id, 2, valid_from + 900), OCMF)
    challenge_id = bonded.challenge(late, bonded.attest(late), watchdog)
    bonded.answer(challenge_id, late, operator)
    assert bonded.status(challenge_id) == CONVICTED


@pytest.mark.parametrize("time", [0, 899, 2**40 - 1, 2**40, 2**64 - 1])
def test_answer__time_at_the_ends_of_its_type__is_judged_by_the_first_or_the_last_key(
    bonded: BondedStream, charger: Device, prosumer: Any, watchdog: Any, operator: Any, time: int
) -> None:
    charger.register(prosumer)
    new_key = P256Key(0x4E4557)
    rotate(charger, prosumer, new_key)
    key = charger.key if time < 900 else new_key
    assert_answered(bonded, signed(charger.domain, key, reading_of(charger.device_id, time=time)), watchdog, operator)


# INV-B5
def test_answer__retired_device__is_good_for_what_it_said(
    bonded: BondedStream, charger: Device, prosumer: Any, readings: Readings, watchdog: Any, operator: Any
) -> None:
    charger.register(prosumer)
    charger.registry.retire(charger.device_id, (0, b""), sender=prosumer)
    assert_answered(bonded, readings(1)[0], watchdog, operator)
