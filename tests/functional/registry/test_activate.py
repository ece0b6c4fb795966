"""Fleet enrolment by a manufacturer, and activation of its devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gridwitness.domain.devices import DeviceKind, DeviceStatus
from gridwitness.encoding.eip712 import Domain, fleet_id
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
    manufacturer: str

    @property
    def fleet_id(self) -> bytes:
        """Id in the registry."""
        return fleet_id(self.manufacturer, self.tree.root)


@pytest.fixture
def fleet(registry: Any, registry_domain_712: Domain, meter: Device, charger: Device, manufacturer: Any) -> Fleet:
    """Eleven devices of both curves, not yet enrolled."""
    others = [Device(P256Key(secret), registry, registry_domain_712) for secret in range(1001, 1010)]
    devices = [meter, charger, *others]
    tree = StandardMerkleTree([leaf_hash((device.device_id, int(KIND))) for device in devices])
    return Fleet(devices, tree, str(manufacturer))


@pytest.fixture
def enrolled(registry: Any, fleet: Fleet, manufacturer: Any) -> Fleet:
    """The fleet, enrolled by the manufacturer."""
    registry.enrolFleet(fleet.tree.root, len(fleet.devices), sender=manufacturer)
    return fleet


def test_enrol_fleet__any_size__is_recorded_and_announced(registry: Any, fleet: Fleet, manufacturer: Any) -> None:
    receipt = registry.enrolFleet(fleet.tree.root, 2**32 - 1, sender=manufacturer)
    record = registry.fleet(fleet.fleet_id)
    assert (record.manufacturer, record.count, record.enrolledAt) == (manufacturer, 2**32 - 1, receipt.timestamp)
    assert receipt.return_value == fleet.fleet_id
    assert receipt.events == [registry.FleetEnrolled(fleet.fleet_id, manufacturer, fleet.tree.root, 2**32 - 1)]


# INV-R11
def test_enrol_fleet__same_root_again__is_refused(registry: Any, enrolled: Fleet, manufacturer: Any) -> None:
    with refused(registry.FleetAlreadyEnrolled, fleetId=enrolled.fleet_id):
        registry.enrolFleet(enrolled.tree.root, 1, sender=manufacturer)


def test_enrol_fleet__no_devices__is_refused(registry: Any, fleet: Fleet, manufacturer: Any) -> None:
    with refused(registry.FleetEmpty, root=fleet.tree.root):
        registry.enrolFleet(fleet.tree.root, 0, sender=manufacturer)


# INV-R11
def test_enrol_fleet__root_copied_first_by_a_stranger__hinders_nobody(
    registry: Any, fleet: Fleet, meter: Device, manufacturer: Any, prosumer: Any, intruder: Any
) -> None:
    copied = registry.enrolFleet(fleet.tree.root, 1, sender=intruder).return_value
    registry.enrolFleet(fleet.tree.root, len(fleet.devices), sender=manufacturer)
    assert copied != fleet.fleet_id
    assert registry.fleet(fleet.fleet_id).manufacturer == manufacturer

    registration, _, proof, signature = activation_of(fleet, meter, prosumer)
    with refused(registry.PossessionNotProven, keyId=meter.device_id):
        registry.activate(registration, intruder, proof, signature, sender=intruder)
    receipt = registry.activate(registration, manufacturer, proof, signature, sender=intruder)
    assert receipt.events[0].fleetId == fleet.fleet_id


@pytest.mark.parametrize("index", [0, 1, 2, 10])
def test_activate__enrolled_device__is_entered(
    registry: Any, enrolled: Fleet, prosumer: Any, transmitter: Any, index: int
) -> None:
    device = enrolled.devices[index]
    registration = device.registration(prosumer, kind=KIND, zone=9)
    signature = device.sign_activation(registration, enrolled.fleet_id)
    receipt = registry.activate(
        registration_args(registration),
        enrolled.manufacturer,
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
        registry.DeviceRegistered(device.device_id, prosumer, device.key.key_type, KIND, 9, enrolled.fleet_id)
    ]


def fleet_led_to(manufacturer: str, device: Device, kind: DeviceKind, proof: Sequence[bytes]) -> bytes:
    """Id of the fleet that a proof leads to, whether enrolled or not."""
    node = leaf_hash((device.device_id, int(kind)))
    for sibling in proof:
        node = keccak(min(node, sibling) + max(node, sibling))
    return fleet_id(manufacturer, node)


def activation_of(fleet: Fleet, device: Device, owner: Any, **fields: Any) -> tuple[Any, ...]:
    """Arguments of a valid `activate` for a device of the fleet."""
    registration = device.registration(owner, kind=KIND, **fields)
    return (
        registration_args(registration),
        fleet.manufacturer,
        fleet.tree.proof(fleet.devices.index(device)),
        device.sign_activation(registration, fleet.fleet_id),
    )


def test_activate__fleet_never_enrolled__is_refused(registry: Any, fleet: Fleet, meter: Device, prosumer: Any) -> None:
    with refused(registry.NotInFleet, deviceId=meter.device_id, fleetId=fleet.fleet_id):
        registry.activate(*activation_of(fleet, meter, prosumer), sender=prosumer)


def test_activate__kind_other_than_enrolled__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any
) -> None:
    registration = meter.registration(prosumer, kind=DeviceKind.FEEDER)
    signature = meter.sign_activation(registration, enrolled.fleet_id)
    fleet = fleet_led_to(enrolled.manufacturer, meter, DeviceKind.FEEDER, enrolled.tree.proof(0))
    with refused(registry.NotInFleet, deviceId=meter.device_id, fleetId=fleet):
        registry.activate(
            registration_args(registration),
            enrolled.manufacturer,
            enrolled.tree.proof(0),
            signature,
            sender=prosumer,
        )


def test_activate__stranger_with_anothers_proof__is_refused(
    registry: Any, enrolled: Fleet, registry_domain_712: Domain, intruder: Any
) -> None:
    stranger = Device(P256Key(0xBAD), registry, registry_domain_712)
    registration = stranger.registration(intruder, kind=KIND)
    signature = stranger.sign_activation(registration, enrolled.fleet_id)
    fleet = fleet_led_to(enrolled.manufacturer, stranger, KIND, enrolled.tree.proof(0))
    with refused(registry.NotInFleet, deviceId=stranger.device_id, fleetId=fleet):
        registry.activate(
            registration_args(registration),
            enrolled.manufacturer,
            enrolled.tree.proof(0),
            signature,
            sender=intruder,
        )


@pytest.mark.parametrize("change", ["shorter", "longer", "other"])
def test_activate__wrong_proof__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any, change: str
) -> None:
    registration, manufacturer, proof, signature = activation_of(enrolled, meter, prosumer)
    wrong = {"shorter": proof[:-1], "longer": (*proof, keccak(b"")), "other": enrolled.tree.proof(5)}[change]
    fleet = fleet_led_to(manufacturer, meter, KIND, wrong)
    with refused(registry.NotInFleet, deviceId=meter.device_id, fleetId=fleet):
        registry.activate(registration, manufacturer, wrong, signature, sender=prosumer)


# INV-R6
def test_activate__signature_made_for_register__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any, intruder: Any
) -> None:
    signed = meter.registration(prosumer, kind=KIND)
    with refused(registry.PossessionNotProven, keyId=meter.device_id):
        registry.activate(
            registration_args(signed),
            enrolled.manufacturer,
            enrolled.tree.proof(0),
            meter.sign_registration(signed),
            sender=intruder,
        )


# INV-R6
def test_register__signature_made_for_activate__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any, intruder: Any
) -> None:
    registration, _, _, signature = activation_of(enrolled, meter, prosumer)
    with refused(registry.PossessionNotProven, keyId=meter.device_id):
        registry.register(registration, signature, sender=intruder)


# INV-R1
def test_activate__signature_made_for_another_fleet__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any, intruder: Any
) -> None:
    lookalike = StandardMerkleTree([leaf_hash((meter.device_id, int(KIND)))])
    registry.enrolFleet(lookalike.root, 1, sender=intruder)
    registration, _, _, signature = activation_of(enrolled, meter, prosumer)
    with refused(registry.PossessionNotProven, keyId=meter.device_id):
        registry.activate(registration, intruder, [], signature, sender=intruder)


# INV-R1
@pytest.mark.parametrize("field", ["owner", "zone", "deadline"])
def test_activate__front_run_with_a_changed_field__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any, intruder: Any, field: str
) -> None:
    signed = meter.registration(prosumer, kind=KIND)
    changed = {"owner": str(intruder), "zone": 8, "deadline": signed.deadline + 1}[field]
    with refused(registry.PossessionNotProven, keyId=meter.device_id):
        registry.activate(
            registration_args(replace(signed, **{field: changed})),
            enrolled.manufacturer,
            enrolled.tree.proof(0),
            meter.sign_activation(signed, enrolled.fleet_id),
            sender=intruder,
        )


# INV-R3
def test_activate__device_already_registered__is_refused(
    registry: Any, enrolled: Fleet, meter: Device, prosumer: Any
) -> None:
    meter.register(prosumer)
    with refused(registry.DeviceAlreadyRegistered, deviceId=meter.device_id, status=DeviceStatus.ACTIVE):
        registry.activate(*activation_of(enrolled, meter, prosumer), sender=prosumer)
