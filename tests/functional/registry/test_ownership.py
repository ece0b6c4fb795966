"""What owners do with their devices: retire them, and let delegates sign for them."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from gridwitness.domain.devices import DeviceStatus
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import Secp256k1Key
from tests.actors import HOUR_SECONDS, Device, refused, registration_args

DIGEST = keccak(b"a schedule")


def signed_by(account: Any, digest: bytes = DIGEST) -> bytes:
    """`signer || r || s || v` of an externally owned account."""
    key = Secp256k1Key(int(account.private_key, 16))
    return key.device_id[12:] + key.sign(digest)


@pytest.fixture
def plant(any_device: Device, prosumer: Any) -> Device:
    """A registered device of the prosumer, one run per curve."""
    any_device.register(prosumer)
    return any_device


@pytest.fixture
def agent(accounts: Any) -> Any:
    """Account of a trading agent."""
    return accounts[9]


def is_authorised(registry: Any, device: Device, signature: bytes) -> bool:
    """First value of `isAuthorised` over DIGEST."""
    authorised, _ = registry.isAuthorised(device.device_id, DIGEST, signature)
    return bool(authorised)


def test_retire__by_owner__is_final(registry: Any, plant: Device, prosumer: Any) -> None:
    receipt = registry.retire(plant.device_id, sender=prosumer)
    assert receipt.events == [registry.DeviceRetired(plant.device_id, prosumer)]
    assert registry.device(plant.device_id).status == DeviceStatus.RETIRED

    registration = plant.registration(prosumer)
    with refused(registry.DeviceAlreadyRegistered, deviceId=plant.device_id, status=DeviceStatus.RETIRED):
        registry.register(registration_args(registration), plant.sign_registration(registration), sender=prosumer)
    with refused(registry.DeviceNotActive, deviceId=plant.device_id, status=DeviceStatus.RETIRED):
        registry.retire(plant.device_id, sender=prosumer)


def test_retire__by_anyone_else__is_refused(registry: Any, plant: Device, prosumer: Any, intruder: Any) -> None:
    with refused(registry.NotOwner, deviceId=plant.device_id, caller=intruder, owner=prosumer):
        registry.retire(plant.device_id, sender=intruder)


def test_retire__unknown_device__is_refused(registry: Any, any_device: Device, intruder: Any) -> None:
    with refused(registry.DeviceNotActive, deviceId=any_device.device_id, status=DeviceStatus.UNKNOWN):
        registry.retire(any_device.device_id, sender=intruder)


def test_set_delegate__by_owner__is_recorded_and_announced(
    registry: Any, plant: Device, prosumer: Any, agent: Any
) -> None:
    receipt = registry.setDelegate(plant.device_id, agent, 2**40 - 1, sender=prosumer)
    assert registry.delegateExpiry(plant.device_id, agent) == 2**40 - 1
    assert receipt.events == [registry.DelegateSet(plant.device_id, prosumer, agent, 2**40 - 1)]


def test_set_delegate__by_anyone_else__is_refused(registry: Any, plant: Device, prosumer: Any, agent: Any) -> None:
    with refused(registry.NotOwner, deviceId=plant.device_id, caller=agent, owner=prosumer):
        registry.setDelegate(plant.device_id, agent, 2**40 - 1, sender=agent)


def test_set_delegate__retired_device__is_refused(registry: Any, plant: Device, prosumer: Any, agent: Any) -> None:
    registry.retire(plant.device_id, sender=prosumer)
    with refused(registry.DeviceNotActive, deviceId=plant.device_id, status=DeviceStatus.RETIRED):
        registry.setDelegate(plant.device_id, agent, 2**40 - 1, sender=prosumer)


def test_authorise__device_key_or_owner__counts(registry: Any, plant: Device, prosumer: Any) -> None:
    assert is_authorised(registry, plant, plant.key.sign(DIGEST))
    assert is_authorised(registry, plant, signed_by(prosumer))


def test_authorise__any_verdict__brings_the_record(registry: Any, plant: Device, prosumer: Any) -> None:
    for signature in (plant.key.sign(DIGEST), b""):
        _, record = registry.isAuthorised(plant.device_id, DIGEST, signature)
        assert tuple(record) == tuple(registry.device(plant.device_id))


def test_authorise__signature_over_another_digest__does_not_count(registry: Any, plant: Device, prosumer: Any) -> None:
    other = keccak(b"another schedule")
    assert not is_authorised(registry, plant, plant.key.sign(other))
    assert not is_authorised(registry, plant, signed_by(prosumer, other))


def test_authorise__stranger__does_not_count(registry: Any, plant: Device, prosumer: Any, intruder: Any) -> None:
    assert not is_authorised(registry, plant, signed_by(intruder))
    # the owner's name before a stranger's signature
    assert not is_authorised(registry, plant, signed_by(prosumer)[:20] + signed_by(intruder)[20:])


@pytest.mark.parametrize("length", [0, 1, 19, 20, 45, 65, 84, 85, 86, 108, 128, 200])
def test_authorise__garbage_of_any_length__does_not_count(registry: Any, plant: Device, length: int) -> None:
    for filling in (b"\x00", b"\x01", b"\xff"):
        assert not is_authorised(registry, plant, filling * length)


def test_authorise__delegate__counts_until_the_last_second(
    registry: Any, plant: Device, prosumer: Any, agent: Any
) -> None:
    expires_at = ape.chain.pending_timestamp + HOUR_SECONDS
    assert not is_authorised(registry, plant, signed_by(agent))
    registry.setDelegate(plant.device_id, agent, expires_at, sender=prosumer)
    assert is_authorised(registry, plant, signed_by(agent))

    ape.chain.mine(timestamp=expires_at)
    assert is_authorised(registry, plant, signed_by(agent))
    ape.chain.mine(timestamp=expires_at + 1)
    assert not is_authorised(registry, plant, signed_by(agent))


def test_authorise__withdrawn_delegate__does_not_count(registry: Any, plant: Device, prosumer: Any, agent: Any) -> None:
    registry.setDelegate(plant.device_id, agent, 2**40 - 1, sender=prosumer)
    registry.setDelegate(plant.device_id, agent, 0, sender=prosumer)
    assert registry.delegateExpiry(plant.device_id, agent) == 0
    assert not is_authorised(registry, plant, signed_by(agent))


def test_authorise__delegate_of_another_device__does_not_count(
    registry: Any, meter: Device, charger: Device, prosumer: Any, agent: Any
) -> None:
    meter.register(prosumer)
    charger.register(prosumer)
    registry.setDelegate(meter.device_id, agent, 2**40 - 1, sender=prosumer)
    assert is_authorised(registry, meter, signed_by(agent))
    assert not is_authorised(registry, charger, signed_by(agent))


def test_authorise__retired_or_unknown_device__does_not_count(
    registry: Any, plant: Device, prosumer: Any, agent: Any, registry_domain_712: Any
) -> None:
    registry.setDelegate(plant.device_id, agent, 2**40 - 1, sender=prosumer)
    registry.retire(plant.device_id, sender=prosumer)
    unknown = Device(Secp256k1Key(0xDEAD), registry, registry_domain_712)
    assert not is_authorised(registry, plant, plant.key.sign(DIGEST))
    assert not is_authorised(registry, plant, signed_by(prosumer))
    assert not is_authorised(registry, plant, signed_by(agent))
    assert not is_authorised(registry, unknown, unknown.key.sign(DIGEST))
