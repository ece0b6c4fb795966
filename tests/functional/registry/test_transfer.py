"""Handing a device over, in two steps."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from gridwitness.domain.devices import DeviceStatus
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import Secp256k1Key
from tests.actors import Device, refused
from tests.functional.registry.scene import DATA, FOREVER, OWN_CALL, TRADE, Scene, account_id, key_signature

DIGEST = keccak(b"a schedule")
NOBODY = "0x" + "00" * 20


def offer(scene: Scene, to: Any, expires_at: int = FOREVER, sender: Any | None = None) -> Any:
    """Receipt of an offer, by the owner's call."""
    return scene.registry.offerTransfer(scene.device.device_id, to, expires_at, OWN_CALL, sender=sender or scene.owner)


def accept(scene: Scene, sender: Any) -> Any:
    """Receipt of an acceptance, by call."""
    return scene.registry.acceptTransfer(scene.device.device_id, OWN_CALL, sender=sender)


# INV-R16
def test_accept_transfer__by_whom_it_was_offered_to__changes_the_owner(plant: Scene) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    receipt = offer(plant, plant.other)
    assert receipt.events == [registry.TransferOffered(device_id, plant.owner, plant.other, FOREVER)]
    assert tuple(registry.transferOffer(device_id)) == (plant.other, FOREVER)
    assert plant.record.owner == plant.owner

    receipt = accept(plant, plant.other)
    assert receipt.events == [registry.DeviceTransferred(device_id, plant.owner, plant.other)]
    assert (plant.record.owner, plant.record.nonce) == (plant.other, 1)
    assert tuple(registry.transferOffer(device_id)) == (NOBODY, 0)
    assert not registry.isAuthorized(device_id, account_id(plant.owner), TRADE, receipt.timestamp)
    with refused(registry.NotOwner, deviceId=device_id, caller=plant.owner, owner=plant.other):
        registry.retire(device_id, OWN_CALL, sender=plant.owner)


# INV-R16
def test_accept_transfer__wrong_acceptor__is_refused(plant: Scene, intruder: Any) -> None:
    offer(plant, plant.other)
    device_id = plant.device.device_id
    for caller in (intruder, plant.owner):
        with refused(plant.registry.TransferNotOffered, deviceId=device_id, caller=caller, to=plant.other):
            accept(plant, caller)


# INV-R16
def test_accept_transfer__never_offered__is_refused(plant: Scene) -> None:
    device_id, error = plant.device.device_id, plant.registry.TransferNotOffered
    with refused(error, deviceId=device_id, caller=plant.other, to=NOBODY):
        accept(plant, plant.other)
    with refused(error, deviceId=device_id, caller=plant.carrier, to=NOBODY):
        plant.send("AcceptTransfer", plant.digest("AcceptTransfer"))


# INV-R16
def test_accept_transfer__expired_offer__is_refused(plant: Scene) -> None:
    expires_at = ape.chain.pending_timestamp + 60
    offer(plant, plant.other, expires_at)
    ape.chain.pending_timestamp = expires_at + 1
    with refused(
        plant.registry.TransferOfferExpired,
        deviceId=plant.device.device_id,
        expiresAt=expires_at,
        timestamp=expires_at + 1,
    ):
        accept(plant, plant.other)


def test_accept_transfer__last_second_of_the_offer__is_accepted(plant: Scene) -> None:
    expires_at = ape.chain.pending_timestamp + 60
    offer(plant, plant.other, expires_at)
    ape.chain.pending_timestamp = expires_at
    assert accept(plant, plant.other).timestamp == expires_at


# INV-R16
def test_accept_transfer__withdrawn_offer__is_refused(plant: Scene) -> None:
    offer(plant, plant.other)
    offer(plant, NOBODY)
    device_id = plant.device.device_id
    assert tuple(plant.registry.transferOffer(device_id)) == (NOBODY, 0)
    with refused(plant.registry.TransferNotOffered, deviceId=device_id, caller=plant.other, to=NOBODY):
        accept(plant, plant.other)


def test_accept_transfer__offered_to_another_since__is_refused(plant: Scene, intruder: Any) -> None:
    offer(plant, intruder)
    offer(plant, plant.other)
    device_id = plant.device.device_id
    with refused(plant.registry.TransferNotOffered, deviceId=device_id, caller=intruder, to=plant.other):
        accept(plant, intruder)


# INV-R13
def test_accept_transfer__suspended_in_between__waits_for_reinstatement(plant: Scene, steward: Any) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    offer(plant, plant.other)
    registry.suspend(device_id, 5, sender=steward)
    with refused(registry.DeviceNotActive, deviceId=device_id, status=DeviceStatus.SUSPENDED):
        accept(plant, plant.other)
    registry.reinstate(device_id, sender=steward)
    accept(plant, plant.other)
    assert plant.record.owner == plant.other


def test_accept_transfer__retired_in_between__is_refused(plant: Scene) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    offer(plant, plant.other)
    registry.retire(device_id, OWN_CALL, sender=plant.owner)
    assert tuple(registry.transferOffer(device_id)) == (NOBODY, 0)
    with refused(registry.DeviceNotActive, deviceId=device_id, status=DeviceStatus.RETIRED):
        accept(plant, plant.other)


# INV-R8, INV-R17, INV-R18
def test_transfer__there_and_back__revives_no_signature_delegate_or_payee(plant: Scene, agent: Any) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    registry.setDelegate(device_id, agent, TRADE | DATA, FOREVER, OWN_CALL, sender=plant.owner)
    registry.setPayee(device_id, agent, OWN_CALL, sender=plant.owner)
    stale = plant.digest("Retire", nonce=0)

    offer(plant, plant.other)
    accept(plant, plant.other)
    assert tuple(registry.delegation(device_id, agent)) == (0, 0, 0)
    assert registry.payeeOf(device_id) == plant.other
    offer(plant, plant.owner, sender=plant.other)
    accept(plant, plant.owner)

    assert (plant.record.owner, plant.record.nonce) == (plant.owner, 2)
    assert registry.payeeOf(device_id) == plant.owner
    assert tuple(registry.delegation(device_id, agent)) == (0, 0, 0)
    assert not registry.verifySignature(device_id, TRADE, DIGEST, key_signature(agent, DIGEST))[0]
    with refused(registry.AuthorizationInvalid, deviceId=device_id, signer=plant.owner, nonce=2):
        plant.send("Retire", stale)


# INV-R19
def test_accept_transfer__of_a_device_that_was_not_accepted__accepts_it(plant: Scene) -> None:
    assert plant.registry.isAccepted(plant.device.device_id)
    other = Device(Secp256k1Key(0x07E3), plant.registry, plant.device.domain)
    other.register(plant.owner, carrier=plant.other)
    plant.registry.offerTransfer(other.device_id, plant.other, FOREVER, OWN_CALL, sender=plant.owner)
    assert not plant.registry.isAccepted(other.device_id)
    plant.registry.acceptTransfer(other.device_id, OWN_CALL, sender=plant.other)
    assert plant.registry.isAccepted(other.device_id)


# INV-R5
def test_transfer__device_keeps_its_keys_and_standing(plant: Scene) -> None:
    device_id = plant.device.device_id
    before = plant.record
    offer(plant, plant.other)
    accept(plant, plant.other)
    after = plant.record
    kept = ("status", "keyType", "kind", "zone", "registeredAt", "rotations")
    assert [getattr(after, field) for field in kept] == [getattr(before, field) for field in kept]
    assert plant.registry.keyAt(device_id, FOREVER) == device_id


@pytest.mark.parametrize("any_device", ["p256"], indirect=True)
def test_transfer__127_times__is_the_last_time(plant: Scene) -> None:
    parties = (plant.owner, plant.other)
    for n in range(127):
        offer(plant, parties[(n + 1) % 2], sender=parties[n % 2])
        accept(plant, parties[(n + 1) % 2])
    offer(plant, plant.owner, sender=plant.other)
    with refused(plant.registry.TransfersExhausted, deviceId=plant.device.device_id, transfers=127):
        accept(plant, plant.owner)


# INV-R17
def test_set_payee__by_owner__is_paid_until_taken_back(plant: Scene, agent: Any) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    assert registry.payeeOf(device_id) == plant.owner
    receipt = registry.setPayee(device_id, agent, OWN_CALL, sender=plant.owner)
    assert receipt.events == [registry.PayeeSet(device_id, plant.owner, agent)]
    assert registry.payeeOf(device_id) == agent
    registry.setPayee(device_id, NOBODY, OWN_CALL, sender=plant.owner)
    assert registry.payeeOf(device_id) == plant.owner
