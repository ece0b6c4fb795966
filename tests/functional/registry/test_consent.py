"""Signatures that others carry: what each counts for, how often, and how long."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from gridwitness.domain.devices import DeviceStatus
from tests.actors import refused
from tests.functional.registry.scene import BY_OWNER, OWN_CALL, TYPES, Scene, key_of

TARGETS = (*TYPES, "RotateNewKey")
SOURCES = (*TYPES, "Reading")
SIGNED = (*BY_OWNER, "AcceptTransfer")
PAIRS = [(source, target) for source in SOURCES for target in TARGETS if source != target.removesuffix("NewKey")]

# What parts the types is their hash, whatever the curve.
pytestmark = pytest.mark.parametrize("any_device", ["p256"], indirect=True)


def own_call(scene: Scene, kind: str, sender: Any) -> Any:
    """The call of `kind` without a signature."""
    registry, device_id = scene.registry, scene.device.device_id
    match kind:
        case "Rotate":
            fields = (device_id, scene.new_key.device_id, scene.time, scene.deadline)
            return registry.rotate(fields, scene.new_key.sign(scene.digest("Rotate")), OWN_CALL, sender=sender)
        case "Retire":
            return registry.retire(device_id, OWN_CALL, sender=sender)
        case "OfferTransfer":
            return registry.offerTransfer(device_id, scene.other, scene.time, OWN_CALL, sender=sender)
        case "AcceptTransfer":
            return registry.acceptTransfer(device_id, OWN_CALL, sender=sender)
        case "SetDelegate":
            return registry.setDelegate(device_id, scene.other, 1, scene.time, OWN_CALL, sender=sender)
        case "SetPayee":
            return registry.setPayee(device_id, scene.other, OWN_CALL, sender=sender)
    raise AssertionError(kind)


# INV-R6
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_sign__permit_for_one_action__is_no_permit_for_another(scene: Scene, source: str, target: str) -> None:
    scene.prepare(target)
    error, inputs = scene.refusal(target)
    with refused(error, **inputs):
        scene.send(target, scene.digest(source))
    assert scene.send(target, scene.digest(target)).events


# INV-R18
@pytest.mark.parametrize("kind", SIGNED)
def test_sign__owner_or_acceptor__anyone_may_carry_it_once(scene: Scene, kind: str) -> None:
    scene.prepare(kind)
    nonce, digest = scene.nonce, scene.digest(kind)
    scene.send(kind, digest)
    assert scene.nonce == nonce + 1
    with ape.reverts():
        scene.send(kind, digest)
    assert scene.nonce == nonce + 1


# INV-R18
@pytest.mark.parametrize("kind", ["OfferTransfer", "SetDelegate", "SetPayee"])
def test_sign__reused_nonce__is_refused(scene: Scene, kind: str) -> None:
    scene.prepare(kind)
    digest = scene.digest(kind)
    scene.send(kind, digest)
    error, inputs = scene.refusal(kind)
    with refused(error, **inputs):
        scene.send(kind, digest)


# INV-R18
@pytest.mark.parametrize("kind", SIGNED)
@pytest.mark.parametrize("step", [-1, 1])
def test_sign__any_other_nonce__is_refused(scene: Scene, kind: str, step: int) -> None:
    scene.prepare(kind)
    scene.registry.invalidateNonce(scene.device.device_id, sender=scene.owner)
    error, inputs = scene.refusal(kind)
    with refused(error, **inputs):
        scene.send(kind, scene.digest(kind, nonce=scene.nonce + step))


# INV-R18
@pytest.mark.parametrize("kind", SIGNED)
def test_sign__expired_deadline__is_refused(scene: Scene, kind: str) -> None:
    scene.prepare(kind)
    deadline = ape.chain.pending_timestamp + 5
    ape.chain.pending_timestamp = deadline + 1
    with refused(scene.registry.DeadlinePassed, deadline=deadline, timestamp=deadline + 1):
        scene.send(kind, scene.digest(kind, deadline=deadline), deadline=deadline)


# INV-R9, INV-R16
@pytest.mark.parametrize("kind", SIGNED)
def test_sign__by_a_stranger__is_refused(scene: Scene, kind: str, intruder: Any) -> None:
    scene.prepare(kind)
    error, inputs = scene.refusal(kind)
    with refused(error, **inputs):
        scene.send(kind, scene.digest(kind), signer=key_of(intruder))


FORGED = [
    ("Rotate", {"time": 1}),
    ("OfferTransfer", {"to": "carrier"}),
    ("OfferTransfer", {"time": 1}),
    ("AcceptTransfer", {"from_": "carrier"}),
    ("SetDelegate", {"to": "carrier"}),
    ("SetDelegate", {"scopes": 15}),
    ("SetDelegate", {"time": 1}),
    ("SetPayee", {"to": "carrier"}),
]


# INV-R9, INV-R16
@pytest.mark.parametrize(("kind", "field"), FORGED)
def test_sign__front_run_with_a_changed_field__is_refused(scene: Scene, kind: str, field: dict[str, Any]) -> None:
    scene.prepare(kind)
    changes = {name: scene.carrier if value == "carrier" else value for name, value in field.items()}
    error, inputs = scene.refusal(kind)
    with refused(error, **inputs):
        scene.send(kind, scene.digest(kind, **changes))


# INV-R9
@pytest.mark.parametrize("kind", BY_OWNER)
def test_call__by_anyone_but_the_owner__is_refused(scene: Scene, kind: str, intruder: Any) -> None:
    scene.prepare(kind)
    with refused(scene.registry.NotOwner, deviceId=scene.device.device_id, caller=intruder, owner=scene.owner):
        own_call(scene, kind, intruder)


@pytest.mark.parametrize("kind", ["Retire", "OfferTransfer", "SetDelegate", "SetPayee"])
def test_call__by_the_owner__takes_no_nonce(scene: Scene, kind: str) -> None:
    scene.prepare(kind)
    own_call(scene, kind, scene.owner)
    assert scene.nonce == 0


@pytest.mark.parametrize("kind", BY_OWNER)
def test_call__of_an_unknown_device__is_refused(scene: Scene, kind: str, intruder: Any) -> None:
    with refused(scene.registry.DeviceNotActive, deviceId=scene.device.device_id, status=DeviceStatus.UNKNOWN):
        own_call(scene, kind, intruder)


# INV-R18
def test_invalidate_nonce__by_the_owner__voids_what_was_signed(plant: Scene) -> None:
    digest = plant.digest("Retire")
    receipt = plant.registry.invalidateNonce(plant.device.device_id, sender=plant.owner)
    assert receipt.events == [plant.registry.NonceInvalidated(plant.device.device_id, 0)]
    error, inputs = plant.refusal("Retire")
    with refused(error, **inputs):
        plant.send("Retire", digest)


# INV-R9
def test_invalidate_nonce__by_anyone_else__is_refused(plant: Scene, intruder: Any) -> None:
    with refused(plant.registry.NotOwner, deviceId=plant.device.device_id, caller=intruder, owner=plant.owner):
        plant.registry.invalidateNonce(plant.device.device_id, sender=intruder)
