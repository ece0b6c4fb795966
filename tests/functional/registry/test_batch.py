"""Registration of many devices at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ape
import pytest

from gridwitness.domain.devices import DeviceKind, DeviceStatus
from gridwitness.encoding.eip712 import Domain
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from tests.actors import HOUR_SECONDS, Device, refused
from tests.functional.registry.scene import OWN_CALL

NOBODY = "0x" + "00" * 20
ZONE = 9


@pytest.fixture(params=[P256Key, Secp256k1Key], ids=["p256", "secp256k1"])
def crowd(request: pytest.FixtureRequest, registry: Any, registry_domain_712: Domain) -> list[Device]:
    """Five devices of one curve."""
    return [Device(request.param(7_000 + index), registry, registry_domain_712) for index in range(5)]


@pytest.fixture
def deadline() -> int:
    """An hour away."""
    return int(ape.chain.pending_timestamp) + HOUR_SECONDS


def batch(devices: Sequence[Device], owner: Any, deadline: int, zone: int = ZONE) -> tuple[Any, ...]:
    """Arguments of a valid `registerBatch`, as storage devices."""
    fields = {"kind": DeviceKind.STORAGE, "zone": zone, "deadline": deadline}
    signatures = [device.sign_registration(device.registration(owner, **fields)) for device in devices]
    ids = [device.device_id for device in devices]
    return (str(owner), int(DeviceKind.STORAGE), zone, deadline, ids), b"".join(signatures)


def test_register_batch__devices_of_one_curve__are_all_entered(
    registry: Any, crowd: list[Device], prosumer: Any, transmitter: Any, deadline: int
) -> None:
    receipt = registry.registerBatch(*batch(crowd, prosumer, deadline), sender=transmitter)
    for device in crowd:
        record = registry.device(device.device_id)
        assert (record.owner, record.status, record.keyType) == (prosumer, DeviceStatus.ACTIVE, device.key.key_type)
        assert (record.kind, record.zone, record.registeredAt) == (DeviceKind.STORAGE, ZONE, receipt.timestamp)
    ids = [device.device_id for device in crowd]
    key_type = crowd[0].key.key_type
    assert receipt.events == [registry.DevicesRegistered(prosumer, key_type, DeviceKind.STORAGE, ZONE, ids)]


# INV-R19
@pytest.mark.parametrize("by_owner", [True, False])
def test_register_batch__carried_by_owner_or_stranger__is_accepted_only_by_the_owner(
    registry: Any, crowd: list[Device], prosumer: Any, intruder: Any, deadline: int, by_owner: bool
) -> None:
    registry.registerBatch(*batch(crowd, prosumer, deadline), sender=prosumer if by_owner else intruder)
    assert {registry.isAccepted(device.device_id) for device in crowd} == {by_owner}


@pytest.mark.parametrize("position", [0, 2, 4])
def test_register_batch__one_signature_carried_before__is_not_spoiled(
    registry: Any, crowd: list[Device], prosumer: Any, transmitter: Any, intruder: Any, deadline: int, position: int
) -> None:
    registry.registerBatch(*batch([crowd[position]], prosumer, deadline), sender=intruder)
    receipt = registry.registerBatch(*batch(crowd, prosumer, deadline), sender=transmitter)
    entered = [device_id for event in receipt.events for device_id in event.deviceIds]
    assert entered == [device.device_id for index, device in enumerate(crowd) if index != position]
    assert all(registry.device(device.device_id).owner == prosumer for device in crowd)


def test_register_batch__device_named_twice__is_entered_once(
    registry: Any, crowd: list[Device], prosumer: Any, deadline: int
) -> None:
    receipt = registry.registerBatch(*batch([crowd[0], crowd[0]], prosumer, deadline), sender=prosumer)
    assert [event.deviceIds for event in receipt.events] == [[crowd[0].device_id]]


# INV-R3, INV-R5
def test_register_batch__device_the_owner_has_in_another_zone__keeps_its_record(
    registry: Any, crowd: list[Device], prosumer: Any, deadline: int
) -> None:
    crowd[1].register(prosumer, zone=3)
    before = tuple(registry.device(crowd[1].device_id))
    receipt = registry.registerBatch(*batch(crowd, prosumer, deadline), sender=prosumer)
    assert tuple(registry.device(crowd[1].device_id)) == before
    assert crowd[1].device_id not in [device_id for event in receipt.events for device_id in event.deviceIds]


# INV-R3
def test_register_batch__device_of_another_owner__is_refused_whole(
    registry: Any, crowd: list[Device], prosumer: Any, neighbour: Any, deadline: int
) -> None:
    crowd[3].register(neighbour)
    with refused(registry.DeviceAlreadyRegistered, deviceId=crowd[3].device_id, status=DeviceStatus.ACTIVE):
        registry.registerBatch(*batch(crowd, prosumer, deadline), sender=prosumer)
    assert registry.device(crowd[0].device_id).status == DeviceStatus.UNKNOWN


# INV-R3, INV-R4
def test_register_batch__retired_device__is_refused_whole(
    registry: Any, crowd: list[Device], prosumer: Any, deadline: int
) -> None:
    crowd[3].register(prosumer)
    registry.retire(crowd[3].device_id, OWN_CALL, sender=prosumer)
    with refused(registry.DeviceAlreadyRegistered, deviceId=crowd[3].device_id, status=DeviceStatus.RETIRED):
        registry.registerBatch(*batch(crowd, prosumer, deadline), sender=prosumer)


# INV-R1
@pytest.mark.parametrize("field", ["owner", "kind", "zone", "deadline"])
def test_register_batch__front_run_with_a_changed_field__is_refused(
    registry: Any, crowd: list[Device], prosumer: Any, intruder: Any, deadline: int, field: str
) -> None:
    (owner, kind, zone, until, ids), signatures = batch(crowd, prosumer, deadline)
    fields = {"owner": owner, "kind": kind, "zone": zone, "deadline": until}
    fields |= {field: {"owner": str(intruder), "kind": 1, "zone": 8, "deadline": until + 1}[field]}
    with refused(registry.PossessionNotProven, keyId=ids[0]):
        registry.registerBatch((*fields.values(), ids), signatures, sender=intruder)


# INV-R1
def test_register_batch__signatures_in_another_order__are_refused(
    registry: Any, crowd: list[Device], prosumer: Any, deadline: int
) -> None:
    fields, _ = batch(crowd, prosumer, deadline)
    _, signatures = batch([crowd[0], crowd[2], crowd[1], *crowd[3:]], prosumer, deadline)
    with refused(registry.PossessionNotProven, keyId=crowd[1].device_id):
        registry.registerBatch(fields, signatures, sender=prosumer)


@pytest.mark.parametrize("change", [-65, -1, 1, 65])
def test_register_batch__signatures_of_another_length__are_refused(
    registry: Any, crowd: list[Device], prosumer: Any, deadline: int, change: int
) -> None:
    fields, signatures = batch(crowd, prosumer, deadline)
    wrong = (signatures + bytes(65))[: len(signatures) + change]
    with refused(registry.SignaturesLengthInvalid, length=len(wrong), count=len(crowd)):
        registry.registerBatch(fields, wrong, sender=prosumer)


def test_register_batch__both_curves__is_refused(
    registry: Any, meter: Device, charger: Device, prosumer: Any, deadline: int
) -> None:
    fields, signatures = batch([meter, charger], prosumer, deadline)
    with refused(registry.SignaturesLengthInvalid, length=128 + 65, count=2):
        registry.registerBatch(fields, signatures, sender=prosumer)


def test_register_batch__no_devices__is_refused(registry: Any, prosumer: Any, deadline: int) -> None:
    with refused(registry.SignaturesLengthInvalid, length=0, count=0):
        registry.registerBatch((prosumer, 1, ZONE, deadline, []), b"", sender=prosumer)


def test_register_batch__expired_deadline__is_refused(
    registry: Any, crowd: list[Device], prosumer: Any, deadline: int
) -> None:
    call = batch(crowd, prosumer, deadline)
    ape.chain.pending_timestamp = deadline + 1
    with refused(registry.DeadlinePassed, deadline=deadline, timestamp=deadline + 1):
        registry.registerBatch(*call, sender=prosumer)


# INV-R2
def test_register_batch__zero_owner__is_refused(
    registry: Any, crowd: list[Device], transmitter: Any, deadline: int
) -> None:
    with refused(registry.ZeroOwner, deviceId=crowd[0].device_id):
        registry.registerBatch(*batch(crowd, NOBODY, deadline), sender=transmitter)
