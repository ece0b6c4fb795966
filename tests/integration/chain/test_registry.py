"""Following the registry's events, in small steps and through reorganisations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain
from gridwitness.chain.node import Block
from gridwitness.chain.registry import BY_ITSELF, RegistryFollower
from gridwitness.domain.devices import DeviceKind, DeviceStatus, KeyType, Suspension
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from gridwitness.errors import ChainError
from tests.integration.chain.parties import FAR_FUTURE, register, register_batch, rotate

GRANT_ROLE = {
    "type": "function",
    "name": "grantRole",
    "inputs": [{"name": "role", "type": "bytes32"}, {"name": "account", "type": "address"}],
    "outputs": [],
    "stateMutability": "nonpayable",
}
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


def _on_chain(chain: Chain, view: str, *arguments: object) -> Any:
    return chain.call(chain.contract("DeviceRegistry").functions[view](*arguments))


def test_follow_registry__retired__stays_known_as_retired_from_then_on(chain: Chain, transmitter: LocalAccount) -> None:
    follower = RegistryFollower(chain)
    register(chain, transmitter, transmitter.address, METER, DeviceKind.CONSUMPTION, 7)
    follower.sync()
    chain.transact(transmitter, chain.contract("DeviceRegistry").functions.retire(METER.device_id, BY_ITSELF))
    follower.sync()
    device = follower.device(METER.device_id)
    assert device is not None
    assert device.status is DeviceStatus.RETIRED
    assert device.retired_at == chain.head_time() == _on_chain(chain, "standing", METER.device_id)[2]
    assert [device.status_at(chain.head_time() + shift) for shift in (-1, 0)] == [
        DeviceStatus.ACTIVE,
        DeviceStatus.RETIRED,
    ]
    assert [found.status for found in follower.devices(7)] == [DeviceStatus.RETIRED]


def test_follow_registry__suspended_and_reinstated__has_both_times(
    chain: Chain, anvil: Anvil, deployer: LocalAccount, transmitter: LocalAccount
) -> None:
    follower = RegistryFollower(chain)
    register(chain, transmitter, transmitter.address, METER, DeviceKind.CONSUMPTION, 7)
    functions = chain.contract("DeviceRegistry").functions
    roles = chain.web3.eth.contract(chain.contract("DeviceRegistry").address, abi=[GRANT_ROLE])
    chain.transact(deployer, roles.functions.grantRole(keccak(b"STEWARD_ROLE"), deployer.address))
    chain.transact(deployer, functions.suspend(METER.device_id, 2))
    follower.sync()
    device = follower.device(METER.device_id)
    assert device is not None
    assert (device.status, device.suspensions) == (DeviceStatus.SUSPENDED, (Suspension(chain.head_time()),))
    since = chain.head_time()
    anvil.set_next_time(since + 60)
    chain.transact(deployer, functions.reinstate(METER.device_id))
    follower.sync()
    device = follower.device(METER.device_id)
    assert device is not None
    assert (device.status, device.suspensions) == (DeviceStatus.ACTIVE, (Suspension(since, since + 60),))
    times = (since - 1, since, since + 59, since + 60)
    signer = METER.device_id
    authorized = [_on_chain(chain, "isAuthorized", signer, signer, 2, time) for time in times]
    assert [device.status_at(time) is DeviceStatus.ACTIVE for time in times] == authorized == [True, False, False, True]


def test_follow_registry__key_rotated_twice__each_speaks_for_its_time(
    chain: Chain, anvil: Anvil, transmitter: LocalAccount
) -> None:
    follower = RegistryFollower(chain)
    register(chain, transmitter, transmitter.address, METER, DeviceKind.CONSUMPTION, 7)
    start = chain.head_time() + 1_000
    rotate(chain, transmitter, METER.device_id, P256Key(30), start + 900, 0)
    follower.sync()
    rotate(chain, transmitter, METER.device_id, Secp256k1Key(31), start, 1)  # in place of the one announced
    anvil.set_next_time(start)
    rotate(chain, transmitter, METER.device_id, P256Key(32), start + 500, 2)
    follower.sync()
    device = follower.device(METER.device_id)
    assert device is not None
    times = (0, start - 1, start, start + 499, start + 500, (1 << 40) - 1)
    assert [device.key_at(time) for time in times] == [_on_chain(chain, "keyAt", METER.device_id, t) for t in times]
    assert len({device.key_at(time) for time in times}) == 3


def _hand_over(chain: Chain, owner: LocalAccount, buyer: LocalAccount) -> None:
    functions = chain.contract("DeviceRegistry").functions
    chain.transact(owner, functions.offerTransfer(METER.device_id, buyer.address, FAR_FUTURE - 1, BY_ITSELF))
    chain.transact(buyer, functions.acceptTransfer(METER.device_id, BY_ITSELF))


def _ownership(follower: RegistryFollower) -> tuple[str, int]:
    device = follower.device(METER.device_id)
    assert device is not None
    return device.owner, device.owned_since


def test_follow_registry__transferred_twice__has_the_newest_owner_and_since_when(
    chain: Chain, anvil: Anvil, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    follower = RegistryFollower(chain)
    register(chain, transmitter, transmitter.address, METER, DeviceKind.CONSUMPTION, 7)
    follower.sync()
    assert _ownership(follower) == (transmitter.address, 0)
    _hand_over(chain, transmitter, outsider)
    first = chain.head_time()
    follower.sync()
    assert _ownership(follower) == (outsider.address, first)
    anvil.set_next_time(first + 3_600)
    _hand_over(chain, outsider, transmitter)
    second = first + 3_600
    anvil.mine(2)
    follower.sync()
    assert _ownership(follower) == (transmitter.address, second)
    assert _on_chain(chain, "device", METER.device_id)[0] == transmitter.address
    restarted = RegistryFollower(chain)
    restarted.sync()
    assert restarted.device(METER.device_id) == follower.device(METER.device_id)


def test_follow_registry__transfer_taken_back__has_the_owner_of_before(
    chain: Chain, anvil: Anvil, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    follower = RegistryFollower(chain)
    register(chain, transmitter, transmitter.address, METER, DeviceKind.CONSUMPTION, 7)
    anvil.mine(2)
    _hand_over(chain, transmitter, outsider)
    follower.sync()
    assert _ownership(follower)[0] == outsider.address
    anvil.node.rpc("anvil_reorg", 2, [])
    follower.sync()
    assert _ownership(follower) == (transmitter.address, 0)


def test_follow_registry__block_of_a_transfer_is_not_told__knows_neither_of_it_until_it_is(
    chain: Chain, transmitter: LocalAccount, outsider: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = RegistryFollower(chain)
    register(chain, transmitter, transmitter.address, METER, DeviceKind.CONSUMPTION, 7)
    follower.sync()
    _hand_over(chain, transmitter, outsider)
    handed_over, ask = chain.head(), chain.node.block
    told = [None, replace(handed_over, hash=bytes(32), time=1)]  # by a node behind, and by one elsewhere

    def block(number: int | str = "latest") -> Block | None:
        return told[0] if number == handed_over.number else ask(number)

    for _ in range(2):
        with monkeypatch.context() as context:
            context.setattr(chain.node, "block", block)
            with pytest.raises(ChainError, match="changed while its events were read"):
                follower.sync()
        assert _ownership(follower) == (transmitter.address, 0)
        told.reverse()
    follower.sync()
    assert _ownership(follower) == (outsider.address, handed_over.time)


def test_follow_registry__stopped_while_built_anew__has_nothing_left_of_what_was_taken_back(
    chain: Chain, anvil: Anvil, transmitter: LocalAccount, outsider: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = RegistryFollower(chain)
    register(chain, transmitter, transmitter.address, METER, DeviceKind.CONSUMPTION, 7)
    anvil.mine(2)
    register(chain, transmitter, transmitter.address, GATEWAY, DeviceKind.CONSUMPTION, 7)
    follower.sync()
    anvil.node.rpc("anvil_reorg", 1, [])
    chain = Chain(anvil.url, chain.manifest)
    _hand_over(chain, transmitter, outsider)
    with monkeypatch.context() as context:
        context.setattr(follower, "_block_time", _fail)
        with pytest.raises(ChainError):
            follower.sync()
    follower.sync()
    assert [device.device_id for device in follower.devices(7)] == [METER.device_id]
    assert _ownership(follower) == (outsider.address, chain.head_time())


def _fail(event: object) -> int:
    raise ChainError("the node is away")


def test_follow_registry__entered_as_a_batch__has_every_device(chain: Chain, transmitter: LocalAccount) -> None:
    keys = [P256Key(secret) for secret in range(41, 46)]
    follower = RegistryFollower(chain)
    register(chain, transmitter, transmitter.address, keys[0], DeviceKind.STORAGE, 7)
    register_batch(chain, transmitter, transmitter.address, keys, DeviceKind.STORAGE, 7)
    follower.sync()
    devices = follower.devices(7)
    assert [device.device_id for device in devices] == sorted(key.device_id for key in keys)
    assert {device.key_type for device in devices} == {KeyType.P256}
    assert [device.registered_at for device in devices] == [
        _on_chain(chain, "device", device.device_id)[5] for device in devices
    ]


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
