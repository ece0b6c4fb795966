"""A device's keys over time: what each speaks for, and who can change them."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from gridwitness.domain.devices import DeviceStatus, KeyType
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256_ORDER, SECP256K1_ORDER, DeviceKey, P256Key, Secp256k1Key
from tests.actors import HOUR_SECONDS, refused
from tests.functional.registry.scene import FOREVER, OWN_CALL, TRADE, Scene, new_keys, rotate
from tests.functional.registry.test_register import high_s

DIGEST = keccak(b"a reading")
DAY_SECONDS = 86_400
LATEST_SECONDS = 30 * DAY_SECONDS


def speaks(scene: Scene, key: DeviceKey, time: int) -> bool:
    """Whether a signature of `key` counts as the device's at `time`."""
    return bool(scene.registry.isDeviceSignature(scene.device.device_id, DIGEST, key.sign(DIGEST), time))


@pytest.mark.parametrize("key", new_keys()[:2], ids=["p256", "secp256k1"])
def test_rotate__by_owner__announces_and_counts(plant: Scene, key: DeviceKey) -> None:
    starts = ape.chain.pending_timestamp + DAY_SECONDS
    receipt = rotate(plant, key, starts)
    device_id = plant.device.device_id
    assert receipt.events == [plant.registry.KeyRotated(device_id, key.device_id, key.key_type, starts)]
    record = plant.record
    assert (record.rotations, record.nonce) == (1, 1)
    assert record.keyType == plant.device.key.key_type


# INV-R14
def test_is_device_signature__before_and_after_a_rotation__is_by_the_key_of_the_time(plant: Scene) -> None:
    old, new = plant.device.key, plant.new_key
    starts = ape.chain.pending_timestamp + DAY_SECONDS
    rotate(plant, new, starts)
    ape.chain.mine(timestamp=starts + 10 * DAY_SECONDS)
    assert [speaks(plant, old, time) for time in (0, starts - 1, starts, FOREVER)] == [True, True, False, False]
    assert [speaks(plant, new, time) for time in (0, starts - 1, starts, FOREVER)] == [False, False, True, True]


# INV-R14
def test_key_at__several_rotations__is_the_last_that_began(plant: Scene) -> None:
    keys = [plant.device.key, *(P256Key(0x4000 + n) if n % 2 else Secp256k1Key(0x4000 + n) for n in range(7))]
    start = ape.chain.pending_timestamp + HOUR_SECONDS
    starts = [0, *(start + n * HOUR_SECONDS for n in range(7))]
    for key, time in zip(keys[1:], starts[1:], strict=True):
        rotate(plant, key, time)
        ape.chain.mine(timestamp=time)
    device_id = plant.device.device_id
    for key, begins, ends in zip(keys, starts, [*starts[1:], FOREVER], strict=True):
        assert plant.registry.keyAt(device_id, begins) == key.device_id
        assert plant.registry.keyAt(device_id, ends - 1) == key.device_id
    methods = [tuple(method) for method in plant.registry.verificationMethods(device_id)]
    ends = [*starts[1:], FOREVER]
    assert methods == [
        (key.device_id, key.key_type, begins, end) for key, begins, end in zip(keys, starts, ends, strict=True)
    ]


def test_verify_signature__rotated_key__counts_from_its_first_second(plant: Scene) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    starts = ape.chain.pending_timestamp + DAY_SECONDS
    rotate(plant, plant.new_key, starts)

    def counting() -> list[bool]:
        keys = (plant.device.key, plant.new_key)
        return [registry.verifySignature(device_id, TRADE, DIGEST, key.sign(DIGEST))[0] for key in keys]

    ape.chain.mine(timestamp=starts - 1)
    assert counting() == [True, False]
    ape.chain.mine(timestamp=starts)
    assert counting() == [False, True]


# INV-R14
@pytest.mark.parametrize("lead", [-1, LATEST_SECONDS + 1])
def test_rotate__from_a_time_past_or_far_ahead__is_refused(plant: Scene, lead: int) -> None:
    now = ape.chain.pending_timestamp + 5
    ape.chain.pending_timestamp = now
    with refused(plant.registry.RotationTimeInvalid, validFrom=now + lead, earliest=now, latest=now + LATEST_SECONDS):
        rotate(plant, plant.new_key, now + lead)


@pytest.mark.parametrize("lead", [0, LATEST_SECONDS])
def test_rotate__from_the_first_or_last_second_allowed__is_accepted(plant: Scene, lead: int) -> None:
    now = ape.chain.pending_timestamp + 5
    ape.chain.pending_timestamp = now
    assert rotate(plant, plant.new_key, now + lead).timestamp == now
    assert plant.registry.keyAt(plant.device.device_id, now + lead) == plant.new_key.device_id


# INV-R14
def test_rotate__not_after_the_last_rotation__is_refused(plant: Scene) -> None:
    now = ape.chain.pending_timestamp + 5
    first, second, _ = new_keys()
    ape.chain.pending_timestamp = now
    rotate(plant, first, now)
    ape.chain.provider.make_request("anvil_setBlockTimestampInterval", [0])
    try:
        ape.chain.pending_timestamp = now
        with refused(plant.registry.RotationTimeInvalid, validFrom=now, earliest=now + 1, latest=now + LATEST_SECONDS):
            rotate(plant, second, now)
    finally:
        ape.chain.provider.make_request("anvil_removeBlockTimestampInterval", [])


# INV-R14
@pytest.mark.parametrize("lead", [0, HOUR_SECONDS, 2 * DAY_SECONDS])
def test_rotate__before_the_announced_one_began__takes_its_place(plant: Scene, lead: int) -> None:
    announced, urgent, _ = new_keys()
    now = ape.chain.pending_timestamp + 5
    rotate(plant, announced, now + DAY_SECONDS)
    ape.chain.pending_timestamp = now
    rotate(plant, urgent, now + lead)

    assert (plant.record.rotations, plant.record.nonce) == (1, 2)
    methods = plant.registry.verificationMethods(plant.device.device_id)
    assert [method.keyId for method in methods] == [plant.device.device_id, urgent.device_id]
    assert [speaks(plant, announced, time) for time in (now, now + lead, FOREVER)] == [False] * 3
    assert [speaks(plant, urgent, time) for time in (now + lead - 1, now + lead)] == [False, True]


# INV-R14
def test_rotate__once_the_announced_one_began__comes_after_it(plant: Scene) -> None:
    first, second, _ = new_keys()
    begins = ape.chain.pending_timestamp + HOUR_SECONDS
    rotate(plant, first, begins)
    ape.chain.pending_timestamp = begins
    rotate(plant, second, begins + 1)
    assert plant.record.rotations == 2
    assert speaks(plant, first, begins) and speaks(plant, second, begins + 1)


def test_rotate__to_the_key_in_force__is_refused(plant: Scene) -> None:
    device_id, begins = plant.device.device_id, ape.chain.pending_timestamp + 10
    with refused(plant.registry.KeyUnchanged, deviceId=device_id, keyId=device_id):
        rotate(plant, plant.device.key, plant.time)
    rotate(plant, plant.new_key, begins)
    ape.chain.mine(timestamp=begins)
    with refused(plant.registry.KeyUnchanged, deviceId=device_id, keyId=plant.new_key.device_id):
        rotate(plant, plant.new_key, plant.time)


# INV-R14
def test_rotate__key_not_held__is_refused(plant: Scene, intruder: Any) -> None:
    claimed, held, _ = new_keys()
    fields = (plant.device.device_id, claimed.device_id, plant.time, plant.deadline)
    with refused(plant.registry.PossessionNotProven, keyId=claimed.device_id):
        plant.registry.rotate(fields, held.sign(plant.digest("Rotate")), OWN_CALL, sender=plant.owner)


def test_rotate__zero_key_with_garbage_signature__is_refused(plant: Scene) -> None:
    fields = (plant.device.device_id, bytes(32), plant.time, plant.deadline)
    for garbage in (bytes(65), b"\x01" * 65, bytes(128), b"\xff" * 128):
        with refused(plant.registry.PossessionNotProven, keyId=bytes(32)):
            plant.registry.rotate(fields, garbage, OWN_CALL, sender=plant.owner)


def test_rotate__new_keys_signature_of_no_curves_length__is_refused(plant: Scene) -> None:
    fields = (plant.device.device_id, plant.new_key.device_id, plant.time, plant.deadline)
    with refused(plant.registry.SignatureLengthInvalid, length=64):
        plant.registry.rotate(fields, bytes(64), OWN_CALL, sender=plant.owner)


# INV-R7
@pytest.mark.parametrize("key", new_keys()[:2], ids=["p256", "secp256k1"])
def test_rotate__malleable_high_s_signature__is_refused(plant: Scene, key: DeviceKey) -> None:
    plant.new_key = key
    fields = (plant.device.device_id, key.device_id, plant.time, plant.deadline)
    order = P256_ORDER if key.key_type == KeyType.P256 else SECP256K1_ORDER
    with refused(plant.registry.PossessionNotProven, keyId=key.device_id):
        plant.registry.rotate(fields, high_s(key.sign(plant.digest("Rotate")), order), OWN_CALL, sender=plant.owner)


# INV-R18
def test_rotate__new_keys_signature_again__is_refused(plant: Scene) -> None:
    first, second, _ = new_keys()
    plant.new_key = first
    digest = plant.digest("Rotate")
    fields = (plant.device.device_id, first.device_id, plant.time, plant.deadline)
    plant.registry.rotate(fields, first.sign(digest), OWN_CALL, sender=plant.owner)
    rotate(plant, second, plant.time + 60)
    again = (plant.device.device_id, first.device_id, plant.time + 120, plant.deadline)
    with refused(plant.registry.PossessionNotProven, keyId=first.device_id):
        plant.registry.rotate(again, first.sign(digest), OWN_CALL, sender=plant.owner)


@pytest.mark.parametrize("any_device", ["p256"], indirect=True)
def test_rotate__255_times__is_the_last_time(plant: Scene) -> None:
    start = ape.chain.pending_timestamp + HOUR_SECONDS
    for n in range(255):
        ape.chain.pending_timestamp = start + n
        rotate(plant, Secp256k1Key(0x5000 + n), start + n)
    with refused(plant.registry.RotationsExhausted, deviceId=plant.device.device_id, rotations=255):
        rotate(plant, plant.new_key, start + 500)
    for n in (0, 1, 100, 254):
        assert plant.registry.keyAt(plant.device.device_id, start + n) == Secp256k1Key(0x5000 + n).device_id


# INV-R13
def test_rotate__suspended_device__takes_a_new_key(plant: Scene, steward: Any) -> None:
    plant.registry.suspend(plant.device.device_id, 1, sender=steward)
    rotate(plant, plant.new_key, plant.time)
    assert plant.registry.keyAt(plant.device.device_id, plant.time) == plant.new_key.device_id
    assert plant.record.status == DeviceStatus.SUSPENDED


# INV-R4
def test_rotate__retired_device__is_refused(plant: Scene) -> None:
    plant.registry.retire(plant.device.device_id, OWN_CALL, sender=plant.owner)
    with refused(plant.registry.DeviceNotActive, deviceId=plant.device.device_id, status=DeviceStatus.RETIRED):
        rotate(plant, plant.new_key, plant.time)


def test_verification_methods__unknown_device__are_none(scene: Scene) -> None:
    assert list(scene.registry.verificationMethods(scene.device.device_id)) == []
    assert scene.registry.keyAt(scene.device.device_id, 5) == scene.device.device_id


def test_did__any_device__names_chain_and_id(plant: Scene) -> None:
    expected = f"did:gridwitness:{ape.chain.chain_id}:0x{plant.device.device_id.hex()}"
    assert plant.registry.did(plant.device.device_id) == expected
