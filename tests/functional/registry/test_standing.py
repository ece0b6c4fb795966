"""Suspension by a steward, and retirement by the owner."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from gridwitness.domain.devices import DeviceStatus
from gridwitness.encoding.hashing import keccak
from tests.actors import refused, registration_args
from tests.functional.registry.scene import (
    DATA,
    FOREVER,
    OWN_CALL,
    TRADE,
    Scene,
    account_id,
    key_signature,
)

DIGEST = keccak(b"a schedule")
TAMPERED = 2
STEWARD_ROLE = keccak(b"STEWARD_ROLE")


def authorities(scene: Scene, agent: Any, time: int) -> set[bool]:
    """Whether key, owner and a delegate may act at `time`; one value if they agree."""
    registry, device_id = scene.registry, scene.device.device_id
    signers = (scene.device.device_id, account_id(scene.owner), account_id(agent))
    return {registry.isAuthorized(device_id, signer, DATA, time) for signer in signers}


# INV-R3, INV-R4
def test_retire__by_owner__is_final(plant: Scene, steward: Any) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    receipt = registry.retire(device_id, OWN_CALL, sender=plant.owner)
    assert receipt.events == [registry.DeviceRetired(device_id, plant.owner)]
    assert tuple(registry.standing(device_id)) == (0, 0, receipt.timestamp, 0)
    state = {"deviceId": device_id, "status": DeviceStatus.RETIRED}
    registration = plant.device.registration(plant.owner)
    with refused(registry.DeviceAlreadyRegistered, **state):
        registry.register(
            registration_args(registration), plant.device.sign_registration(registration), sender=plant.owner
        )
    with refused(registry.DeviceNotActive, **state):
        registry.retire(device_id, OWN_CALL, sender=plant.owner)
    with refused(registry.DeviceNotActive, **state):
        registry.suspend(device_id, TAMPERED, sender=steward)
    with refused(registry.DeviceNotSuspended, **state):
        registry.reinstate(device_id, sender=steward)


# INV-R10
def test_is_authorized__retired_device__was_until_then(plant: Scene, agent: Any) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    registry.setDelegate(device_id, agent, DATA, FOREVER, OWN_CALL, sender=plant.owner)
    given = registry.delegation(device_id, agent).validFrom
    retired = registry.retire(device_id, OWN_CALL, sender=plant.owner).timestamp
    assert authorities(plant, agent, retired) == {False}
    if given < retired:
        assert authorities(plant, agent, retired - 1) == {True}


# INV-R10, INV-R13
def test_suspend__by_a_steward__takes_authority_from_all(plant: Scene, steward: Any, agent: Any) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    registry.setDelegate(device_id, agent, TRADE | DATA, FOREVER, OWN_CALL, sender=plant.owner)
    signatures = [plant.device.key.sign(DIGEST), key_signature(plant.owner, DIGEST), key_signature(agent, DIGEST)]

    def counting() -> set[bool]:
        return {registry.verifySignature(device_id, TRADE, DIGEST, signature)[0] for signature in signatures}

    assert counting() == {True}
    receipt = registry.suspend(device_id, TAMPERED, sender=steward)
    assert receipt.events == [registry.DeviceSuspended(device_id, steward, TAMPERED)]
    assert tuple(registry.standing(device_id)) == (receipt.timestamp, 0, 0, TAMPERED)
    assert counting() == {False}

    receipt = registry.reinstate(device_id, sender=steward)
    assert receipt.events == [registry.DeviceReinstated(device_id, steward)]
    assert registry.standing(device_id).suspendedUntil == receipt.timestamp
    assert counting() == {True}


# INV-R10
def test_is_authorized__suspended_for_a_while__was_before_and_is_after(plant: Scene, steward: Any, agent: Any) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    registry.setDelegate(device_id, agent, DATA, FOREVER, OWN_CALL, sender=plant.owner)
    start = ape.chain.pending_timestamp + 100
    ape.chain.pending_timestamp = start
    registry.suspend(device_id, TAMPERED, sender=steward)
    assert authorities(plant, agent, start - 1) == {True}
    assert authorities(plant, agent, start) == authorities(plant, agent, FOREVER) == {False}

    ape.chain.pending_timestamp = start + 50
    registry.reinstate(device_id, sender=steward)
    assert authorities(plant, agent, start - 1) == authorities(plant, agent, start + 50) == {True}
    assert authorities(plant, agent, start) == authorities(plant, agent, start + 49) == {False}


# INV-R13
def test_retire__suspended_device__is_open_to_its_owner(plant: Scene, steward: Any) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    suspended = registry.suspend(device_id, TAMPERED, sender=steward).timestamp
    retired = registry.retire(device_id, OWN_CALL, sender=plant.owner).timestamp
    assert tuple(registry.standing(device_id)) == (suspended, 0, retired, TAMPERED)
    assert plant.record.status == DeviceStatus.RETIRED


# INV-R13
@pytest.mark.parametrize("call", ["offerTransfer", "setDelegate", "setPayee"])
def test_govern__suspended_device__is_refused(plant: Scene, steward: Any, agent: Any, call: str) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    registry.suspend(device_id, TAMPERED, sender=steward)
    fields = {"offerTransfer": (agent, FOREVER), "setDelegate": (agent, TRADE, FOREVER), "setPayee": (agent,)}[call]
    with refused(registry.DeviceNotActive, deviceId=device_id, status=DeviceStatus.SUSPENDED):
        getattr(registry, call)(device_id, *fields, OWN_CALL, sender=plant.owner)


# INV-R13
def test_suspend__by_anyone_else__is_refused(plant: Scene, deployer: Any, intruder: Any) -> None:
    registry, device_id = plant.registry, plant.device.device_id
    for caller in (plant.owner, deployer, intruder):
        with refused(registry.AccessControlUnauthorizedAccount, account=caller, neededRole=STEWARD_ROLE):
            registry.suspend(device_id, TAMPERED, sender=caller)
        with refused(registry.AccessControlUnauthorizedAccount, account=caller, neededRole=STEWARD_ROLE):
            registry.reinstate(device_id, sender=caller)


# INV-R13
def test_suspend__twice_or_unknown__is_refused(scene: Scene, steward: Any) -> None:
    registry, device_id = scene.registry, scene.device.device_id
    with refused(registry.DeviceNotActive, deviceId=device_id, status=DeviceStatus.UNKNOWN):
        registry.suspend(device_id, TAMPERED, sender=steward)
    scene.device.register(scene.owner)
    with refused(registry.DeviceNotSuspended, deviceId=device_id, status=DeviceStatus.ACTIVE):
        registry.reinstate(device_id, sender=steward)
    registry.suspend(device_id, TAMPERED, sender=steward)
    with refused(registry.DeviceNotActive, deviceId=device_id, status=DeviceStatus.SUSPENDED):
        registry.suspend(device_id, TAMPERED, sender=steward)


# INV-R10
def test_is_authorized__unknown_device__nobody_is(scene: Scene, agent: Any) -> None:
    assert authorities(scene, agent, FOREVER) == {False}


# INV-R15
def test_is_authorized__before_registration__only_the_key_is(plant: Scene) -> None:
    registry, device_id, entered = plant.registry, plant.device.device_id, plant.record.registeredAt
    owner = account_id(plant.owner)
    assert registry.isAuthorized(device_id, device_id, TRADE, entered - 1)
    assert not registry.isAuthorized(device_id, owner, TRADE, entered - 1)
    assert registry.isAuthorized(device_id, owner, TRADE, entered)
    assert not registry.isAuthorized(device_id, b"\x01" + owner[1:], TRADE, entered)
