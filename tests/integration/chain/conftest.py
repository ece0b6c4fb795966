"""A real anvil with the real contracts, deployed by web3, for each test that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from web3 import Web3

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain, calldata
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.market import Market
from gridwitness.chain.outbox import Outbox, OutboxRules
from gridwitness.chain.signing_key import LocalKey
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import NO_ORDER, Order, Side, SignedSchedule, ZoneParams
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import PROFILE_TYPES, schema_of
from tests.deployed import ACCESS_CONTROL, MARKET_CONTRACTS, deploy_all, dev_account
from tests.integration.chain.market_scene import BUYER, DEPOSIT, LIAR, SELLER, ZONE, Scene, signed_by, zone_params
from tests.integration.chain.outbox_scene import OpenOutbox, PromptOutbox
from tests.integration.chain.parties import GENESIS_TIME, Committee, register


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    with Anvil(genesis_time=GENESIS_TIME) as running:
        yield running


@pytest.fixture
def deployer() -> LocalAccount:
    return dev_account(0)


@pytest.fixture
def transmitter() -> LocalAccount:
    return dev_account(1)


@pytest.fixture
def outsider() -> LocalAccount:
    return dev_account(2)


@pytest.fixture
def oracles() -> list[LocalAccount]:
    """Three committee members in ascending order of address."""
    return sorted((dev_account(index) for index in (5, 6, 7)), key=lambda account: int(account.address, 16))


@pytest.fixture
def manifest(anvil: Anvil, deployer: LocalAccount) -> Manifest:
    """All contracts of the market, freshly deployed."""
    return Manifest(anvil.chain_id, deploy_all(Web3(Web3.HTTPProvider(anvil.url)), deployer, MARKET_CONTRACTS))


@pytest.fixture
def chain(anvil: Anvil, manifest: Manifest) -> Chain:
    return Chain(anvil.url, manifest)


@pytest.fixture
def open_stream(chain: Chain, deployer: LocalAccount, oracles: list[LocalAccount]) -> Callable[[str, bytes], bytes]:
    """Open a stream of a name and schema with the oracles as a 2-of-3 committee; returns its id."""

    def opened(name: str, schema: bytes) -> bytes:
        name_bytes = name.encode().ljust(32, b"\0")
        members = [oracle.address for oracle in oracles]
        function = chain.contract("DataAttestation").functions.openStream(name_bytes, schema, (2, members))
        chain.transact(deployer, function)
        return keccak(bytes.fromhex(deployer.address[2:]).rjust(32, b"\0") + name_bytes)

    return opened


@pytest.fixture
def token(chain: Chain) -> Any:
    return chain.contract("EuroToken")


@pytest.fixture
def mint(token: Any, transmitter: LocalAccount) -> Callable[[int], tuple[str, bytes]]:
    """Recipient and calldata of a call that leaves a trace: minting."""
    return lambda amount: (token.address, calldata(token.functions.mint(transmitter.address, amount)))


@pytest.fixture
def profiles(chain: Chain, open_stream: Callable[[str, bytes], bytes], oracles: list[LocalAccount]) -> Committee:
    return Committee(chain, open_stream("profiles", schema_of(PROFILE_TYPES)), oracles, 2)


@pytest.fixture
def params(profiles: Committee) -> ZoneParams:
    return zone_params(profiles.stream_id)


@pytest.fixture
def market(chain: Chain, params: ZoneParams, deployer: LocalAccount, outsider: LocalAccount) -> Market:
    """An open zone with a funded backstop, and an owner with money in."""
    market, token = Market(chain), chain.contract("EuroToken")
    access = chain.web3.eth.contract(address=chain.contract("EnergyMarket").address, abi=ACCESS_CONTROL)
    chain.transact(deployer, access.functions.grantRole(keccak(b"ZONE_OPERATOR_ROLE"), deployer.address))
    chain.transact(deployer, chain.contract("EnergyMarket").functions.openZone(ZONE, astuple(params)))
    for account in (deployer, outsider):
        chain.transact(account, token.functions.mint(account.address, DEPOSIT))
        chain.transact(account, token.functions.approve(market.address, DEPOSIT))
    chain.transact(deployer, market.fund_backstop(ZONE, DEPOSIT))
    chain.transact(outsider, market.deposit(outsider.address, DEPOSIT))
    return market


@pytest.fixture
def scene(
    chain: Chain,
    anvil: Anvil,
    market: Market,
    params: ZoneParams,
    profiles: Committee,
    deployer: LocalAccount,
    outsider: LocalAccount,
    transmitter: LocalAccount,
) -> Scene:
    """The market with the owner's three devices, of which the seller's and the liar's are green."""
    for key, kind in ((BUYER, DeviceKind.CONSUMPTION), (SELLER, DeviceKind.PROSUMER), (LIAR, DeviceKind.PROSUMER)):
        register(chain, outsider, outsider.address, key, kind, ZONE)
    return Scene(chain, anvil, market, params, profiles, deployer, outsider, transmitter)


@pytest.fixture
def rows(chain: Chain, outsider: LocalAccount) -> list[SignedSchedule]:
    """The buyer bids and the seller offers in every slot, with other ticks and energies each; the liar bids as well."""
    bids = tuple(Order(Side.BID, 60 + slot % 20, 400 + slot) for slot in range(96))
    offers = tuple(Order(Side.OFFER, 30 + slot % 40, 900 - slot) for slot in range(96))
    few = (*[Order(Side.BID, 77, 51)] * 4, *[NO_ORDER] * 92)
    return [signed_by(chain, key, outsider, orders) for key, orders in ((BUYER, bids), (SELLER, offers), (LIAR, few))]


@pytest.fixture
def open_outbox(chain: Chain, anvil: Anvil, transmitter: LocalAccount, tmp_path: Path) -> Iterator[OpenOutbox]:
    """Open the transmitter's outbox; the same file every time. `through` is another way to the same chain."""
    opened: list[Outbox] = []

    def open_it(through: Chain = chain, **options: Any) -> Outbox:
        while opened:
            opened.pop().close()
        key, path = LocalKey(transmitter), tmp_path / "outbox.sqlite"
        opened.append(PromptOutbox(anvil, through, key, path, OutboxRules(**options)))
        return opened[-1]

    yield open_it
    while opened:
        opened.pop().close()
