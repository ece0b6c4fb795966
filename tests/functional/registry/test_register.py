"""Registration with proof of possession of the device's key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
import pytest

from gridwitness.domain.devices import DeviceKind, DeviceStatus, KeyType
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256_ORDER, SECP256K1_ORDER, is_signature_of
from tests.actors import Device, refused, registration_args
from tests.functional.registry.scene import CONSENT, DATA, FOREVER, TRADE

DIGEST = keccak(b"a schedule")
NOBODY = "0x" + "00" * 20
NO_FLEET = bytes(32)


def high_s(signature: bytes, order: int) -> bytes:
    """The second valid signature that everybody can make of a first: s becomes order − s."""
    if len(signature) == 128:
        s = int.from_bytes(signature[96:], "big")
        return signature[:96] + (order - s).to_bytes(32, "big")
    s = int.from_bytes(signature[32:64], "big")
    return signature[:32] + (order - s).to_bytes(32, "big") + bytes([55 - signature[64]])


def test_register__new_device__fills_one_record(registry: Any, any_device: Device, prosumer: Any) -> None:
    receipt = any_device.register(prosumer, kind=DeviceKind.GENERATION, zone=0xABCDEF)

    record = registry.device(any_device.device_id)
    assert record.owner == prosumer
    assert record.status == DeviceStatus.ACTIVE
    assert record.keyType == any_device.key.key_type
    assert record.kind == DeviceKind.GENERATION
    assert record.zone == 0xABCDEF
    assert record.registeredAt == receipt.timestamp
    assert (record.nonce, record.rotations) == (0, 0)


# INV-R12
def test_register__new_device__writes_one_storage_slot(any_device: Device, prosumer: Any) -> None:
    receipt = any_device.register(prosumer)
    trace = receipt.provider.make_request("debug_traceTransaction", [receipt.txn_hash, {}])
    written = {step["stack"][-1] for step in trace["structLogs"] if step["op"] == "SSTORE"}
    assert len(written) == 1


def test_register__new_device__is_announced(registry: Any, any_device: Device, prosumer: Any) -> None:
    receipt = any_device.register(prosumer, kind=DeviceKind.STORAGE, zone=3)
    assert receipt.events == [
        registry.DeviceRegistered(
            any_device.device_id, prosumer, any_device.key.key_type, DeviceKind.STORAGE, 3, NO_FLEET
        )
    ]


def test_register__carried_by_a_stranger__still_belongs_to_the_signed_owner(
    registry: Any, any_device: Device, prosumer: Any, intruder: Any
) -> None:
    any_device.register(prosumer, carrier=intruder)
    assert registry.device(any_device.device_id).owner == prosumer


# INV-R19
@pytest.mark.parametrize("by_owner", [True, False])
def test_register__carried_by_owner_or_stranger__is_accepted_only_by_the_owner(
    registry: Any, any_device: Device, prosumer: Any, intruder: Any, by_owner: bool
) -> None:
    any_device.register(prosumer, carrier=prosumer if by_owner else intruder)
    device_id = any_device.device_id
    signature = any_device.key.sign(DIGEST)
    assert registry.isAccepted(device_id) is by_owner
    for scope, counts in ((DATA, True), (TRADE, by_owner), (TRADE | DATA, by_owner), (CONSENT, by_owner)):
        assert registry.verifySignature(device_id, scope, DIGEST, signature)[0] is counts
        assert registry.isAuthorized(device_id, device_id, scope, FOREVER) is counts


# INV-R19
def test_accept_devices__entered_by_a_stranger__lets_their_keys_act(
    registry: Any, any_device: Device, prosumer: Any, intruder: Any
) -> None:
    any_device.register(prosumer, carrier=intruder)
    device_id = any_device.device_id
    before = tuple(registry.device(device_id))
    receipt = registry.acceptDevices([device_id, device_id], sender=prosumer)
    assert receipt.events == [registry.DeviceAccepted(device_id, prosumer)] * 2
    assert registry.verifySignature(device_id, TRADE, DIGEST, any_device.key.sign(DIGEST))[0]
    assert tuple(registry.device(device_id)) == before


def test_accept_devices__not_the_owner__accepts_none(
    registry: Any, meter: Device, charger: Device, prosumer: Any, neighbour: Any, intruder: Any
) -> None:
    meter.register(neighbour, carrier=intruder)
    charger.register(prosumer, carrier=intruder)
    with refused(registry.NotOwner, deviceId=charger.device_id, caller=neighbour, owner=prosumer):
        registry.acceptDevices([meter.device_id, charger.device_id], sender=neighbour)
    with refused(registry.NotOwner, deviceId=NO_FLEET, caller=neighbour, owner=NOBODY):
        registry.acceptDevices([NO_FLEET], sender=neighbour)
    assert not registry.isAccepted(meter.device_id)


# INV-R1
@pytest.mark.parametrize("field", ["owner", "kind", "zone", "deadline"])
def test_register__front_run_with_a_changed_field__is_refused(
    registry: Any, any_device: Device, prosumer: Any, intruder: Any, field: str
) -> None:
    signed = any_device.registration(prosumer)
    changed = {
        "owner": str(intruder),
        "kind": DeviceKind.FEEDER,
        "zone": signed.zone + 1,
        "deadline": signed.deadline + 1,
    }[field]
    forged = replace(signed, **{field: changed})
    with refused(registry.PossessionNotProven, keyId=any_device.device_id):
        registry.register(registration_args(forged), any_device.sign_registration(signed), sender=intruder)


# INV-R1
@pytest.mark.parametrize("length", [65, 128])
@pytest.mark.parametrize("filling", [0x00, 0x01, 0xFF])
def test_register__zero_identity_with_garbage_signature__is_refused(
    registry: Any, meter: Device, intruder: Any, length: int, filling: int
) -> None:
    nobody = replace(meter.registration(intruder), device_id=bytes(32))
    with refused(registry.PossessionNotProven, keyId=bytes(32)):
        registry.register(registration_args(nobody), bytes([filling]) * length, sender=intruder)


# INV-R2
def test_register__zero_owner__is_refused(registry: Any, any_device: Device, transmitter: Any) -> None:
    nobody = any_device.registration(NOBODY)
    with refused(registry.ZeroOwner, deviceId=any_device.device_id):
        registry.register(registration_args(nobody), any_device.sign_registration(nobody), sender=transmitter)


# INV-R1
def test_register__another_devices_signature__is_refused(
    registry: Any, meter: Device, charger: Device, prosumer: Any
) -> None:
    claimed = replace(meter.registration(prosumer), device_id=charger.device_id)
    with refused(registry.PossessionNotProven, keyId=charger.device_id):
        registry.register(registration_args(claimed), meter.sign_registration(claimed), sender=prosumer)


# INV-R7
def test_register__malleable_high_s_signature__is_refused(registry: Any, any_device: Device, prosumer: Any) -> None:
    order = P256_ORDER if any_device.key.key_type == KeyType.P256 else SECP256K1_ORDER
    registration = any_device.registration(prosumer)
    signature = high_s(any_device.sign_registration(registration), order)
    with refused(registry.PossessionNotProven, keyId=any_device.device_id):
        registry.register(registration_args(registration), signature, sender=prosumer)


def test_register__recovery_id_without_27__is_refused(registry: Any, charger: Device, prosumer: Any) -> None:
    registration = charger.registration(prosumer)
    signature = charger.sign_registration(registration)
    bare = signature[:64] + bytes([signature[64] - 27])
    with refused(registry.PossessionNotProven, keyId=charger.device_id):
        registry.register(registration_args(registration), bare, sender=prosumer)


def test_register__point_off_the_curve__is_refused(registry: Any, meter: Device, prosumer: Any) -> None:
    point = (1).to_bytes(32, "big") + (1).to_bytes(32, "big")
    claimed = replace(meter.registration(prosumer), device_id=keccak(point))
    signature = point + meter.sign_registration(claimed)[64:]
    with refused(registry.PossessionNotProven, keyId=claimed.device_id):
        registry.register(registration_args(claimed), signature, sender=prosumer)


@pytest.mark.parametrize("length", [0, 20, 64, 66, 127, 129])
def test_register__signature_of_no_curves_length__is_refused(
    registry: Any, meter: Device, prosumer: Any, length: int
) -> None:
    registration = meter.registration(prosumer)
    with refused(registry.SignatureLengthInvalid, length=length):
        registry.register(registration_args(registration), b"\x01" * length, sender=prosumer)


def test_register__expired_deadline__is_refused(registry: Any, any_device: Device, prosumer: Any) -> None:
    registration = any_device.registration(prosumer)
    signature = any_device.sign_registration(registration)
    ape.chain.pending_timestamp = registration.deadline + 1
    with refused(registry.DeadlinePassed, deadline=registration.deadline, timestamp=registration.deadline + 1):
        registry.register(registration_args(registration), signature, sender=prosumer)


def test_register__last_second_of_the_deadline__is_accepted(registry: Any, any_device: Device, prosumer: Any) -> None:
    registration = any_device.registration(prosumer)
    signature = any_device.sign_registration(registration)
    ape.chain.pending_timestamp = registration.deadline
    receipt = registry.register(registration_args(registration), signature, sender=prosumer)
    assert receipt.timestamp == registration.deadline
    assert registry.device(any_device.device_id).status == DeviceStatus.ACTIVE


# INV-R3
def test_register__same_signature_again__is_refused(
    registry: Any, any_device: Device, prosumer: Any, intruder: Any
) -> None:
    registration = any_device.registration(prosumer)
    call = (registration_args(registration), any_device.sign_registration(registration))
    registry.register(*call, sender=prosumer)
    with refused(registry.DeviceAlreadyRegistered, deviceId=any_device.device_id, status=DeviceStatus.ACTIVE):
        registry.register(*call, sender=intruder)


def test_register__kind_beyond_the_enum__is_refused(registry: Any, any_device: Device, prosumer: Any) -> None:
    registration = replace(any_device.registration(prosumer), kind=8)
    with ape.reverts():
        registry.register(registration_args(registration), any_device.sign_registration(registration), sender=prosumer)
    assert registry.device(any_device.device_id).status == DeviceStatus.UNKNOWN


# INV-R7
def test_verify_device_signature__python_and_solidity__agree(registry: Any, any_device: Device) -> None:
    digest = keccak(b"any message")
    good = any_device.key.sign(digest)
    order = P256_ORDER if any_device.key.key_type == KeyType.P256 else SECP256K1_ORDER
    flipped = [bytes([*good[:i], good[i] ^ 1, *good[i + 1 :]]) for i in range(0, len(good), 16)]
    candidates = [good, high_s(good, order), good[:-1], good + b"\0", b"", bytes(65), bytes(128), *flipped]
    verdicts = [registry.isDeviceSignature(any_device.device_id, digest, s, 0) for s in candidates]
    assert verdicts == [is_signature_of(any_device.device_id, digest, s) for s in candidates]
    assert verdicts == [True] + [False] * (len(candidates) - 1)
