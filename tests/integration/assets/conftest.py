"""A real anvil with passports, a factory of assets, a market of shares and a token, for each test that asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount
from web3 import Web3

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.assets import PassportRegistry
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.market import Market
from gridwitness.domain.market import ZoneParams
from gridwitness.encoding.hashing import keccak
from tests.deployed import ACCESS_CONTROL, ASSET_CONTRACTS, deploy_all, dev_account
from tests.integration.assets.desk import Desk
from tests.integration.assets.scene import Scene
from tests.integration.chain.conftest import (  # noqa: F401 (fixtures)
    anvil,
    chain,
    deployer,
    market,
    open_stream,
    oracles,
    outsider,
    params,
    profiles,
    transmitter,
)
from tests.integration.chain.market_scene import Scene as MarketScene
from tests.integration.chain.parties import Committee


@pytest.fixture
def manifest(anvil: Anvil, deployer: LocalAccount) -> Manifest:  # noqa: F811
    """All contracts, freshly deployed; the deployer is admin and registrar."""
    return Manifest(anvil.chain_id, deploy_all(Web3(Web3.HTTPProvider(anvil.url)), deployer, ASSET_CONTRACTS))


@pytest.fixture
def registrar(chain: Chain, deployer: LocalAccount) -> LocalAccount:  # noqa: F811
    """Who gives passports."""
    account = dev_account(3)
    access = chain.web3.eth.contract(address=chain.contract("Passports").address, abi=ACCESS_CONTROL)
    chain.transact(deployer, access.functions.grantRole(keccak(b"REGISTRAR_ROLE"), account.address))
    return account


@pytest.fixture
def issuer() -> LocalAccount:
    """Who makes assets, and is their issuer and agent."""
    return dev_account(4)


@pytest.fixture
def investors() -> list[LocalAccount]:
    """Six wallets: the first four are given passports by `scene`, of Germany, France, Austria and America."""
    return [dev_account(index) for index in (2, 5, 6, 7, 8, 9)]


@pytest.fixture
def scene(
    chain: Chain,  # noqa: F811
    anvil: Anvil,  # noqa: F811
    issuer: LocalAccount,
    registrar: LocalAccount,
    investors: list[LocalAccount],
) -> Scene:
    """Solar One with 6,000 shares of the first investor, 4,000 of the second, who takes no Americans."""
    scene = Scene(chain, anvil, PassportRegistry(chain), issuer, registrar, investors)
    scene.begin()
    return scene


@pytest.fixture
def desk(scene: Scene, tmp_path: Path) -> Desk:
    """The issuer's folder, with key and settings."""
    return Desk(scene, tmp_path)


@pytest.fixture
def market_scene(
    chain: Chain,  # noqa: F811
    anvil: Anvil,  # noqa: F811
    market: Market,  # noqa: F811
    params: ZoneParams,  # noqa: F811
    profiles: Committee,  # noqa: F811
    deployer: LocalAccount,  # noqa: F811
    outsider: LocalAccount,  # noqa: F811
    transmitter: LocalAccount,  # noqa: F811
) -> MarketScene:
    """An open zone; the first investor owns the devices."""
    return MarketScene(chain, anvil, market, params, profiles, deployer, outsider, transmitter)
