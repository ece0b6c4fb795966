"""Following the registry's events, in small steps and through reorganisations."""

from __future__ import annotations

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain
from gridwitness.chain.registry import RegistryFollower
from gridwitness.domain.devices import DeviceKind, DeviceStatus, KeyType
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from tests.integration.chain.parties import register

METER, GATEWAY = P256Key(11), Secp256k1Key(12)


def test_follow_registry__both_curves__have_their_records(
    chain: Chain, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    follower = RegistryFollower(chain)
    follower.sync()
    assert follower.device(METER.device_id) is None
    register(chain, transmitter, outsider.address, METER, DeviceKind.PROSUMER, 7)
    registered_at = chain.head_time()
    register(chain, transmitter, outsider.address, GATEWAY, DeviceKind.FEEDER, 7)
    register(chain, transmitter, outsider.address, P256Key(13), DeviceKind.SENSOR, 8)
    follower.sync()
    device = follower.device(METER.device_id)
    assert device is not None
    assert (device.owner, device.status, device.key_type) == (outsider.address, DeviceStatus.ACTIVE, KeyType.P256)
    assert (device.kind, device.zone, device.registered_at) == (DeviceKind.PROSUMER, 7, registered_at)
    assert [found.device_id for found in follower.devices(7)] == sorted([METER.device_id, GATEWAY.device_id])
    on_chain = chain.call(chain.contract("DeviceRegistry").functions.device(METER.device_id))
    assert tuple(on_chain)[:6] == (
        device.owner, device.status, device.key_type, device.kind, device.zone, device.registered_at,
    )  # fmt: skip


def test_follow_registry__retired__stays_known_as_retired(chain: Chain, transmitter: LocalAccount) -> None:
    follower = RegistryFollower(chain)
    register(chain, transmitter, transmitter.address, METER, DeviceKind.CONSUMPTION, 7)
    follower.sync()
    chain.transact(transmitter, chain.contract("DeviceRegistry").functions.retire(METER.device_id))
    follower.sync()
    device = follower.device(METER.device_id)
    assert device is not None
    assert device.status is DeviceStatus.RETIRED
    assert [found.status for found in follower.devices(7)] == [DeviceStatus.RETIRED]


def test_follow_registry__delegate_set__has_its_expiry(
    chain: Chain, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    follower = RegistryFollower(chain)
    register(chain, transmitter, transmitter.address, METER, DeviceKind.CONSUMPTION, 7)
    functions = chain.contract("DeviceRegistry").functions
    chain.transact(transmitter, functions.setDelegate(METER.device_id, outsider.address, 1_800_000_000))
    follower.sync()
    assert follower.delegate_expiry(METER.device_id, outsider.address) == 1_800_000_000
    assert follower.delegate_expiry(METER.device_id, transmitter.address) == 0
    chain.transact(transmitter, functions.setDelegate(METER.device_id, outsider.address, 0))
    follower.sync()
    assert follower.delegate_expiry(METER.device_id, outsider.address) == 0


@pytest.mark.parametrize("block_range", [1, 3, 2_000])
def test_follow_registry__any_block_range__finds_every_device(
    chain: Chain, anvil: Anvil, transmitter: LocalAccount, block_range: int
) -> None:
    for secret in range(1, 8):
        register(chain, transmitter, transmitter.address, P256Key(secret), DeviceKind.CONSUMPTION, 7)
        anvil.mine(secret)
    follower = RegistryFollower(chain, block_range=block_range)
    follower.sync()
    assert len(follower.devices(7)) == 7


@pytest.mark.parametrize("reorg_depth", [1, 12])
def test_follow_registry__reorganised_deeper_and_shallower_than_reread__forgets_and_finds(
    chain: Chain, anvil: Anvil, transmitter: LocalAccount, reorg_depth: int
) -> None:
    follower = RegistryFollower(chain, reorg_depth=reorg_depth)
    register(chain, transmitter, transmitter.address, METER, DeviceKind.CONSUMPTION, 7)
    register(chain, transmitter, transmitter.address, GATEWAY, DeviceKind.CONSUMPTION, 7)
    anvil.mine(2)
    follower.sync()
    assert len(follower.devices(7)) == 2
    anvil.node.rpc("anvil_reorg", 3, [])
    follower.sync()
    assert [device.device_id for device in follower.devices(7)] == [METER.device_id]
    chain = Chain(anvil.url, chain.manifest)
    register(chain, transmitter, transmitter.address, GATEWAY, DeviceKind.FEEDER, 8)
    follower.sync()
    assert [device.kind for device in follower.devices(8)] == [DeviceKind.FEEDER]
    assert len(follower.devices(7)) == 1


def test_follow_registry__synced_again_without_news__keeps_everything(chain: Chain, transmitter: LocalAccount) -> None:
    follower = RegistryFollower(chain)
    register(chain, transmitter, transmitter.address, METER, DeviceKind.CONSUMPTION, 7)
    follower.sync()
    before = follower.devices(7)
    for _ in range(3):
        follower.sync()
    assert follower.devices(7) == before
