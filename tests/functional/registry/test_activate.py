"""Fleet enrolment by a manufacturer, and activation of its devices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from gridwitness.domain.devices import DeviceKind, DeviceStatus
from gridwitness.encoding.eip712 import Domain
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key
from gridwitness.encoding.leaves import leaf_hash
from gridwitness.encoding.merkle import StandardMerkleTree
from tests.actors import Device, refused, registration_args

KIND = DeviceKind.PROSUMER


@dataclass(frozen=True)
class Fleet:
    """Devices of one kind under one root."""

    devices: list[Device]
    tree: StandardMerkleTree


@pytest.fixture
def fleet(registry: Any, registry_domain_712: Domain, meter: Device, charger: Device) -> Fleet:
    """Eleven devices of both curves, not yet enrolled."""
    others = [Device(P256Key(secret), registry, registry_domain_712) for secret in range(1001, 1010)]
    devices = [meter, charger, *others]
    return Fleet(devices, StandardMerkleTree([leaf_hash((device.device_id, int(KIND))) for device in devices]))


@pytest.fixture
def enrolled(registry: Any, fleet: Fleet, manufacturer: Any) -> Fleet:
    """The fleet, enrolled by the manufacturer."""
    registry.enrolFleet(fleet.tree.root, len(fleet.devices), sender=manufacturer)
    return fleet


def test_enrol_fleet__any_size__is_recorded_and_announced(registry: Any, fleet: Fleet, manufacturer: Any) -> None:
    receipt = registry.enrolFleet(fleet.tree.root, 2**32 - 1, sender=manufacturer)
    record = registry.fleet(fleet.tree.root)
    assert (record.manufacturer, record.count, record.enrolledAt) == (
        manufacturer,
        2**32 - 1,
        receipt.timestamp,
    )
    assert receipt.events == [registry.FleetEnrolled(fleet.tree.root, manufacturer, 2**32 - 1)]


def test_enrol_fleet__same_root_again__is_refused(registry: Any, enrolled: Fleet, manufacturer: Any) -> None:
    with refused(registry.FleetAlreadyEnrolled, fleetRoot=enrolled.tree.root, manufacturer=manufacturer):
        registry.enrolFleet(enrolled.tree.root, 1, sender=manufacturer)


def test_enrol_fleet__no_devices__is_refused(registry: Any, fleet: Fleet, manufacturer: Any) -> None:
    with refused(registry.FleetEmpty, fleetRoot=fleet.tree.root, count=0):
        registry.enrolFleet(fleet.tree.root, 0, sender=manufacturer)


@pytest.mark.parametrize("index", [0, 1, 2, 10])
def test_activate__enrolled_device__is_entered(
    registry: Any, enrolled: Fleet, prosumer: Any, transmitter: Any, index: int
) -> None:
    device = enrolled.devices[index]
    registration = device.registration(prosumer, kind=KIND, zone=9)
    signature = device.sign_activation(registration, enrolled.tree.root)
    receipt = registry.activate(
        registration_args(registration),
        enrolled.tree.root,
        enrolled.tree.proof(index),
        signature,
        sender=transmitter,
    )

    record = registry.device(device.device_id)
    assert (record.owner, record.status, record.keyType, record.kind, record.zone) == (
        prosumer,
        DeviceStatus.ACTIVE,
        device.key.key_type,
        KIND,
        9,
    )
    assert receipt.events == [
        registry.DeviceRegistered(device.device_id, prosumer, device.key.key_type, KIND, 9, enrolled.tree.root)
    ]


def activation_of(fleet: Fleet, device: Device, owner: Any, **fields: Any) -> tuple[Any, ...]:
    """Arguments of a valid `activate` for a device of the fleet."""
    registration = device.registration(owner, kind=KIND, **fields)
    return (
        registration_args(registration),
        fleet.tree.root,
        fleet.tree.proof(fleet.devices.index(device)),
        device.sign_activation(registration, fleet.tree.root),
    )


def test_activate__fleet_never_enrolled__is_refused(registry: Any, fleet: Fleet, meter: Device, prosumer: Any) -> None:
    with refused(registry.NotInFleet, deviceId=meter.device_id, fleetRoot=fleet.tree.root):
        registry.activate(*activation_of(fleet, meter, prosumer), sender=prosumer)


def test_activate__kind_other_than_enrolled__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any
) -> None:
    registration = meter.registration(prosumer, kind=DeviceKind.FEEDER)
    signature = meter.sign_activation(registration, enrolled.tree.root)
    with refused(registry.NotInFleet, deviceId=meter.device_id, fleetRoot=enrolled.tree.root):
        registry.activate(
            registration_args(registration),
            enrolled.tree.root,
            enrolled.tree.proof(0),
            signature,
            sender=prosumer,
        )


def test_activate__stranger_with_anothers_proof__is_refused(
    registry: Any, enrolled: Fleet, registry_domain_712: Domain, intruder: Any
) -> None:
    stranger = Device(P256Key(0xBAD), registry, registry_domain_712)
    registration = stranger.registration(intruder, kind=KIND)
    signature = stranger.sign_activation(registration, enrolled.tree.root)
    with refused(registry.NotInFleet, deviceId=stranger.device_id, fleetRoot=enrolled.tree.root):
        registry.activate(
            registration_args(registration),
            enrolled.tree.root,
            enrolled.tree.proof(0),
            signature,
            sender=intruder,
        )


@pytest.mark.parametrize("change", ["shorter", "longer", "other"])
def test_activate__wrong_proof__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any, change: str
) -> None:
    registration, root, proof, signature = activation_of(enrolled, meter, prosumer)
    wrong = {"shorter": proof[:-1], "longer": (*proof, keccak(b"")), "other": enrolled.tree.proof(5)}[change]
    with refused(registry.NotInFleet, deviceId=meter.device_id, fleetRoot=root):
        registry.activate(registration, root, wrong, signature, sender=prosumer)


def test_activate__signature_made_for_register__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any, intruder: Any
) -> None:
    signed = meter.registration(prosumer, kind=KIND)
    with refused(registry.PossessionNotProven, deviceId=meter.device_id):
        registry.activate(
            registration_args(signed),
            enrolled.tree.root,
            enrolled.tree.proof(0),
            meter.sign_registration(signed),
            sender=intruder,
        )


def test_register__signature_made_for_activate__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any, intruder: Any
) -> None:
    registration, _, _, signature = activation_of(enrolled, meter, prosumer)
    with refused(registry.PossessionNotProven, deviceId=meter.device_id):
        registry.register(registration, signature, sender=intruder)


def test_activate__signature_made_for_another_fleet__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any, intruder: Any
) -> None:
    lookalike = StandardMerkleTree([leaf_hash((meter.device_id, int(KIND)))])
    registry.enrolFleet(lookalike.root, 1, sender=intruder)
    registration, _, _, signature = activation_of(enrolled, meter, prosumer)
    with refused(registry.PossessionNotProven, deviceId=meter.device_id):
        registry.activate(registration, lookalike.root, [], signature, sender=intruder)


@pytest.mark.parametrize("field", ["owner", "zone", "deadline"])
def test_activate__front_run_with_a_changed_field__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any, intruder: Any, field: str
) -> None:
    signed = meter.registration(prosumer, kind=KIND)
    changed = {"owner": str(intruder), "zone": 8, "deadline": signed.deadline + 1}[field]
    with refused(registry.PossessionNotProven, deviceId=meter.device_id):
        registry.activate(
            registration_args(replace(signed, **{field: changed})),
            enrolled.tree.root,
            enrolled.tree.proof(0),
            meter.sign_activation(signed, enrolled.tree.root),
            sender=intruder,
        )


def test_activate__device_already_registered__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any
) -> None:
    meter.register(prosumer)
    with refused(registry.DeviceAlreadyRegistered, deviceId=meter.device_id, status=DeviceStatus.ACTIVE):
        registry.activate(*activation_of(enrolled, meter, prosumer), sender=prosumer)
