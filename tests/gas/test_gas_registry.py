"""Gas of the registry, whole transactions on anvil (osaka), against gas.json."""

from __future__ import annotations

from typing import Any

import ape

from gridwitness.domain.devices import DeviceKind, Rotation
from gridwitness.encoding.eip712 import rotate_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from gridwitness.encoding.leaves import leaf_hash
from tests.actors import HOUR_SECONDS, Device, registration_args
from tests.gas.conftest import execution_gas

FLEET_DEPTH = 20  # of a fleet of 10^6 devices
BATCH = 100
OWN_CALL = (0, b"")
TRADE = 1
DIGEST = keccak(b"a schedule")


def fleet_of_a_million(device: Device, kind: DeviceKind) -> tuple[bytes, list[bytes]]:
    """Root and proof of one device in a tree as deep as that of 10^6 leaves; the siblings stand for the others."""
    node = leaf_hash((device.device_id, int(kind)))
    siblings = [keccak(bytes([level])) for level in range(FLEET_DEPTH)]
    for sibling in siblings:
        node = keccak(min(node, sibling) + max(node, sibling))
    return node, siblings


def register_batch(meter: Device, curve: type[P256Key | Secp256k1Key], owner: Any, carrier: Any) -> Any:
    """Receipt of a batch of 100 devices of one curve."""
    devices = [Device(curve(10_000 + index), meter.registry, meter.domain) for index in range(BATCH)]
    deadline = ape.chain.pending_timestamp + HOUR_SECONDS
    registrations = [device.registration(owner, deadline=deadline) for device in devices]
    signatures = b"".join(
        device.sign_registration(fields) for device, fields in zip(devices, registrations, strict=True)
    )
    _, *shared = registration_args(registrations[0])
    ids = [device.device_id for device in devices]
    return meter.registry.registerBatch((*shared, ids), signatures, sender=carrier)


def rotate(device: Device, secret: int, owner: Any, ahead: int) -> Any:
    """Receipt of the rotation of `device` to the P-256 key `secret`, called by its owner."""
    registry, new = device.registry, P256Key(secret)
    now = ape.chain.pending_timestamp
    rotation = Rotation(device.device_id, new.device_id, now + ahead, now + HOUR_SECONDS)
    proof = new.sign(rotate_digest(device.domain, rotation, registry.device(device.device_id).nonce))
    fields = (rotation.device_id, rotation.new_key_id, rotation.valid_from, rotation.deadline)
    return registry.rotate(fields, proof, OWN_CALL, sender=owner)


def test_spend__device_registry__as_recorded(
    gas_record: Any,
    registry: Any,
    meter: Device,
    charger: Device,
    deployer: Any,
    prosumer: Any,
    neighbour: Any,
    manufacturer: Any,
    transmitter: Any,
) -> None:
    measured = {
        "register/p256": gas_record.of(meter.register(prosumer, carrier=transmitter)),
        "register/secp256k1": gas_record.of(charger.register(prosumer, carrier=transmitter)),
    }
    batch = register_batch(meter, P256Key, prosumer, transmitter)
    measured["registerBatch/n=100,per-device"] = gas_record.of(batch, BATCH)
    batch = register_batch(meter, Secp256k1Key, prosumer, transmitter)
    measured["registerBatch/n=100,per-device,secp256k1"] = gas_record.of(batch, BATCH)

    device = Device(P256Key(0xF1EE7), registry, meter.domain)
    root, proof = fleet_of_a_million(device, DeviceKind.PROSUMER)
    registration = device.registration(prosumer)
    enrolment = registry.enrolFleet(root, 10**6, sender=manufacturer)
    measured["enrolFleet/10^6"] = gas_record.of(enrolment)
    signature = device.sign_activation(registration, enrolment.events[0].fleetId)
    measured["activate/10^6"] = gas_record.of(
        registry.activate(registration_args(registration), manufacturer, proof, signature, sender=transmitter)
    )

    measured["acceptDevices/n=1"] = gas_record.of(registry.acceptDevices([meter.device_id], sender=prosumer))
    meter_id, agent, soon = meter.device_id, transmitter, ape.chain.pending_timestamp + HOUR_SECONDS
    registry.grantRole(registry.STEWARD_ROLE(), deployer, sender=deployer)
    for use in ("first", "steady"):
        measured |= {
            f"setDelegate/{use}": gas_record.of(
                registry.setDelegate(meter_id, agent, TRADE, soon, OWN_CALL, sender=prosumer)
            ),
            f"setPayee/{use}": gas_record.of(registry.setPayee(meter_id, agent, OWN_CALL, sender=prosumer)),
            f"suspend/{use}": gas_record.of(registry.suspend(meter_id, 1, sender=deployer)),
            f"reinstate/{use}": gas_record.of(registry.reinstate(meter_id, sender=deployer)),
            f"offerTransfer/{use}": gas_record.of(
                registry.offerTransfer(meter_id, neighbour, soon, OWN_CALL, sender=prosumer)
            ),
        }
    measured |= {
        f"verifySignature/{case},execution": spending for case, spending in signatures(gas_record, meter, agent)
    }
    measured |= {"rotate/first": gas_record.of(rotate(meter, 0x2ED, prosumer, 60))}
    ape.chain.mine(timestamp=ape.chain.pending_timestamp + 60)
    measured |= {
        "acceptTransfer/own": gas_record.of(registry.acceptTransfer(meter_id, OWN_CALL, sender=neighbour)),
        "rotate/steady": gas_record.of(rotate(meter, 0x32D, neighbour, 60)),
        # A second later, so that the time it begins at is another one too, whether or not the clock has moved on.
        "rotate/in-place-of-one-announced": gas_record.of(rotate(meter, 0x33D, neighbour, 61)),
        "retire/own": gas_record.of(registry.retire(charger.device_id, OWN_CALL, sender=prosumer)),
    }
    gas_record.compare("DeviceRegistry", measured)


def signatures(gas_record: Any, meter: Device, agent: Any) -> list[tuple[str, Any]]:
    """Spending of `verifySignature` for the device's key and for a delegate, by itself."""
    key = Secp256k1Key(int(agent.private_key, 16))
    cases = {"p256": meter.key.sign(DIGEST), "delegate": key.device_id[12:] + key.sign(DIGEST)}
    calls = {
        case: bytes(meter.registry.verifySignature.encode_input(meter.device_id, TRADE, DIGEST, signature))
        for case, signature in cases.items()
    }
    assert all(meter.registry.verifySignature(meter.device_id, TRADE, DIGEST, s)[0] for s in cases.values())
    return [(case, gas_record.spending(execution_gas(meter.registry, call), len(call))) for case, call in calls.items()]
