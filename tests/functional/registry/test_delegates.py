"""Who signs for a device: its key, its owner, and delegates by scope and time."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from gridwitness.domain.devices import DeviceStatus
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import Secp256k1Key
from tests.actors import HOUR_SECONDS, Device, refused
from tests.functional.registry.scene import (
    ALL_SCOPES,
    CONSENT,
    DATA,
    FOREVER,
    OWN_CALL,
    PAYMENT,
    TRADE,
    Scene,
    account_id,
    key_signature,
)

DIGEST = keccak(b"a schedule")
NOBODY = "0x" + "00" * 20
SCOPES = (TRADE, DATA, CONSENT, PAYMENT)


def delegate(scene: Scene, agent: Any, scopes: int = TRADE, expires_at: int = FOREVER) -> Any:
    """Receipt of a delegation by the owner's call."""
    return scene.registry.setDelegate(scene.device.device_id, agent, scopes, expires_at, OWN_CALL, sender=scene.owner)


def counts(scene: Scene, signature: bytes, scope: int = TRADE) -> bool:
    """First value of `verifySignature` over DIGEST."""
    authorized, _ = scene.registry.verifySignature(scene.device.device_id, scope, DIGEST, signature)
    return bool(authorized)


def test_set_delegate__by_owner__is_recorded_and_announced(plant: Scene, agent: Any) -> None:
    receipt = delegate(plant, agent, TRADE | DATA)
    device_id = plant.device.device_id
    assert tuple(plant.registry.delegation(device_id, agent)) == (TRADE | DATA, receipt.timestamp, FOREVER)
    assert receipt.events == [plant.registry.DelegateSet(device_id, plant.owner, agent, TRADE | DATA, FOREVER)]


def test_set_delegate__zero_delegate__is_refused(plant: Scene) -> None:
    with refused(plant.registry.ZeroDelegate, deviceId=plant.device.device_id):
        delegate(plant, NOBODY)


# INV-R4
def test_set_delegate__retired_device__is_refused(plant: Scene, agent: Any) -> None:
    device_id = plant.device.device_id
    plant.registry.retire(device_id, OWN_CALL, sender=plant.owner)
    with refused(plant.registry.DeviceNotActive, deviceId=device_id, status=DeviceStatus.RETIRED):
        delegate(plant, agent)


def test_scopes__of_the_registry__are_single_bits_apart(registry: Any) -> None:
    scopes = (registry.SCOPE_TRADE(), registry.SCOPE_DATA(), registry.SCOPE_CONSENT(), registry.SCOPE_PAYMENT())
    assert scopes == SCOPES


# INV-R15
def test_verify_signature__device_key_or_owner__counts_in_every_scope(plant: Scene) -> None:
    for scope in (*SCOPES, ALL_SCOPES, 0):
        assert counts(plant, plant.device.key.sign(DIGEST), scope)
        assert counts(plant, key_signature(plant.owner, DIGEST), scope)


# INV-R8
@pytest.mark.parametrize("granted", [TRADE, DATA | CONSENT, ALL_SCOPES])
def test_verify_signature__delegate__counts_in_its_scopes_only(plant: Scene, agent: Any, granted: int) -> None:
    delegate(plant, agent, granted)
    signature = key_signature(agent, DIGEST)
    for scope in range(16):
        assert counts(plant, signature, scope) == (scope != 0 and granted & scope == scope)


def test_verify_signature__any_verdict__brings_the_record(plant: Scene) -> None:
    for signature in (plant.device.key.sign(DIGEST), b""):
        _, record = plant.registry.verifySignature(plant.device.device_id, TRADE, DIGEST, signature)
        assert tuple(record) == tuple(plant.record)


def test_verify_signature__over_another_digest__does_not_count(plant: Scene) -> None:
    other = keccak(b"another schedule")
    assert not counts(plant, plant.device.key.sign(other))
    assert not counts(plant, key_signature(plant.owner, other))


# INV-R15
def test_verify_signature__stranger__does_not_count(plant: Scene, intruder: Any) -> None:
    assert not counts(plant, key_signature(intruder, DIGEST))
    # the owner's name before a stranger's signature
    assert not counts(plant, key_signature(plant.owner, DIGEST)[:20] + key_signature(intruder, DIGEST)[20:])


@pytest.mark.parametrize("length", [0, 1, 19, 20, 45, 65, 84, 85, 86, 108, 128, 200])
def test_verify_signature__garbage_of_any_length__does_not_count(plant: Scene, length: int) -> None:
    for filling in (b"\x00", b"\x01", b"\xff"):
        assert not counts(plant, filling * length)


# INV-R8
def test_verify_signature__delegate__counts_until_the_last_second(plant: Scene, agent: Any) -> None:
    expires_at, signature = ape.chain.pending_timestamp + HOUR_SECONDS, key_signature(agent, DIGEST)
    assert not counts(plant, signature)
    delegate(plant, agent, TRADE, expires_at)
    assert counts(plant, signature)
    ape.chain.mine(timestamp=expires_at)
    assert counts(plant, signature)
    ape.chain.mine(timestamp=expires_at + 1)
    assert not counts(plant, signature)


@pytest.mark.parametrize(("scopes", "expires_at"), [(0, FOREVER), (TRADE, 0), (TRADE, 1)])
def test_verify_signature__withdrawn_delegate__does_not_count(
    plant: Scene, agent: Any, scopes: int, expires_at: int
) -> None:
    delegate(plant, agent)
    delegate(plant, agent, scopes, expires_at)
    assert not counts(plant, key_signature(agent, DIGEST))


# INV-R8
def test_is_authorized__withdrawn_delegate__was_until_the_second_before(plant: Scene, agent: Any) -> None:
    start = ape.chain.pending_timestamp + 10
    ape.chain.pending_timestamp = start
    delegate(plant, agent, DATA)
    ape.chain.pending_timestamp = start + 100
    delegate(plant, agent, 0)
    verdicts = [
        plant.registry.isAuthorized(plant.device.device_id, account_id(agent), DATA, time)
        for time in (start - 1, start, start + 99, start + 100)
    ]
    assert verdicts == [False, True, True, False]
    ape.chain.pending_timestamp = start + 200
    delegate(plant, agent, 0)
    assert plant.registry.delegation(plant.device.device_id, agent).expiresAt == start + 99


@pytest.mark.parametrize(("scopes", "is_renewal"), [(DATA, True), (TRADE | DATA, True), (DATA | CONSENT, False)])
def test_set_delegate__renewed_in_time__keeps_its_beginning_if_it_adds_no_scope(
    plant: Scene, agent: Any, scopes: int, is_renewal: bool
) -> None:
    start = ape.chain.pending_timestamp + 10
    ape.chain.pending_timestamp = start
    delegate(plant, agent, TRADE | DATA, start + 100)
    ape.chain.pending_timestamp = start + 100
    delegate(plant, agent, scopes)
    begins = start if is_renewal else start + 100
    assert tuple(plant.registry.delegation(plant.device.device_id, agent)) == (scopes, begins, FOREVER)


def test_set_delegate__renewed_too_late__begins_anew(plant: Scene, agent: Any) -> None:
    start = ape.chain.pending_timestamp + 10
    ape.chain.pending_timestamp = start
    delegate(plant, agent, DATA, start + 100)
    ape.chain.pending_timestamp = start + 101
    delegate(plant, agent, DATA)
    assert plant.registry.delegation(plant.device.device_id, agent).validFrom == start + 101


def test_withdraw__never_a_delegate__leaves_nothing(plant: Scene, agent: Any) -> None:
    delegate(plant, agent, 0)
    assert tuple(plant.registry.delegation(plant.device.device_id, agent)) == (0, 0, 0)
    assert not plant.registry.isAuthorized(plant.device.device_id, account_id(agent), 0, FOREVER)


# INV-R8
def test_verify_signature__delegate_of_another_device__does_not_count(
    plant: Scene, agent: Any, registry_domain_712: Any
) -> None:
    other = Device(Secp256k1Key(0x07E2), plant.registry, registry_domain_712)
    other.register(plant.owner)
    delegate(plant, agent)
    authorized, _ = plant.registry.verifySignature(other.device_id, TRADE, DIGEST, key_signature(agent, DIGEST))
    assert counts(plant, key_signature(agent, DIGEST)) and not authorized


# INV-R10
def test_verify_signature__retired_or_unknown_device__does_not_count(
    plant: Scene, agent: Any, registry_domain_712: Any
) -> None:
    delegate(plant, agent)
    plant.registry.retire(plant.device.device_id, OWN_CALL, sender=plant.owner)
    unknown = Device(Secp256k1Key(0xDEAD), plant.registry, registry_domain_712)
    assert not counts(plant, plant.device.key.sign(DIGEST))
    assert not counts(plant, key_signature(plant.owner, DIGEST))
    assert not counts(plant, key_signature(agent, DIGEST))
    assert not plant.registry.verifySignature(unknown.device_id, TRADE, DIGEST, unknown.key.sign(DIGEST))[0]
