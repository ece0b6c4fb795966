"""Assets and what they are made of: the factory, terms, two codes on one storage."""

from __future__ import annotations

import json
from typing import Any

import ape
import pytest
import solcx

from tests.functional.shares.conftest import MakePlant
from tests.functional.shares.plant import ZERO, Plant, at, refuse, rules, terms
from toolchain.install_solc import ROOT, SOLC_VERSION

MOST_CODE_BYTES = 24_576  # EIP-170
CONTRACTS = ("Passports", "AssetShares", "AssetFactory", "ShareMarket", "AssetGovernance")


def test_create__by_anyone__makes_an_asset_its_admin_runs(
    project: Any, asset_factory: Any, passports: Any, euro: Any, intruder: Any, prosumer: Any
) -> None:
    receipt = asset_factory.create(terms(passports, euro), rules(), prosumer, sender=intruder)
    (created,) = receipt.decode_logs(asset_factory.AssetCreated.abi)
    assert created.admin == prosumer
    asset = at(project, created.asset)
    assert asset_factory.isAsset(asset)
    assert not asset_factory.isAsset(asset_factory)
    roles = bytes(32), asset.ISSUER_ROLE(), asset.AGENT_ROLE()
    assert [asset.hasRole(role, prosumer) for role in roles] == [True] * 3
    assert [asset.hasRole(role, intruder) for role in roles] == [False] * 3
    assert asset_factory.version() == "1.0.0"


def test_create__bad_input__names_value_and_limit(
    asset_factory: Any, project: Any, passports: Any, euro: Any, intruder: Any, shared_plant: Plant
) -> None:
    asset = shared_plant.asset

    def refuse_create(error: Any, values: tuple[Any, ...], admin: Any = intruder, **changes: Any) -> None:
        parties = {"passports": passports, "cash": euro} | changes
        call = (terms(**parties), rules(), admin)
        refuse(asset_factory.create, *call, sender=intruder, error=error, values=values)

    refuse_create(asset_factory.AdminInvalid, (ZERO,), admin=ZERO)
    refuse_create(asset.TermInvalid, (b"decimals".ljust(32, b"\0"), 7, 6), decimals=7)
    refuse_create(asset.TermInvalid, (b"cash".ljust(32, b"\0"), 0, 1), cash=ZERO)
    refuse_create(asset.TermInvalid, (b"passports".ljust(32, b"\0"), 0, 1), passports=ZERO)
    refuse_create(asset.TermInvalid, (b"reservePerShare".ljust(32, b"\0"), 0, 1), reserve=euro.address)


def test_begin__a_second_time_or_by_anyone__is_refused(
    asset_factory: Any, project: Any, shared_plant: Plant, intruder: Any, share_issuer: Any
) -> None:
    there = project.AssetGovernance.at(shared_plant.asset.address, fetch_from_explorer=False)
    for caller in (intruder, share_issuer):
        error, values = there.AccessControlUnauthorizedAccount, (caller, bytes(32))
        refuse(there.begin, intruder, rules(), sender=caller, error=error, values=values)
        code = project.AssetGovernance.at(asset_factory.governance(), fetch_from_explorer=False)
        refuse(code.begin, intruder, rules(), sender=caller, error=error, values=values)
    ape.chain.contracts[shared_plant.asset.address] = shared_plant.asset.contract_type


def test_call__governance_itself__has_nothing_to_govern(asset_factory: Any, project: Any, intruder: Any) -> None:
    code = project.AssetGovernance.at(asset_factory.governance(), fetch_from_explorer=False)
    assert not code.hasRole(bytes(32), asset_factory)
    assert (code.holders(), code.isPaused()) == (0, False)
    error, values = code.AccessControlUnauthorizedAccount, (intruder, code.ISSUER_ROLE())
    refuse(code.mint, intruder, 1, sender=intruder, error=error, values=values)


def test_call__function_nobody_has_or_ether__reverts(shared_plant: Plant, intruder: Any) -> None:
    eth = ape.networks.provider.web3.eth
    for call in ({"data": "0xdeadbeef"}, {"value": 1}, {"data": "0x"}):
        with pytest.raises(Exception, match="revert"):
            eth.call({"from": str(intruder), "to": shared_plant.asset.address, **call})


def test_selectors__of_shares_and_governance__never_shadow_one_another(project: Any) -> None:
    """A function of the governance that the shares had too could never be called."""
    shares, governance = (
        {method.selector for method in getattr(project, name).contract_type.methods}
        for name in ("AssetShares", "AssetGovernance")
    )
    assert shares & governance == set()


@pytest.mark.parametrize("name", CONTRACTS)
def test_size__of_each_contract__fits_eip_170(project: Any, name: str) -> None:
    code = getattr(project, name).contract_type.runtime_bytecode.bytecode
    assert len(code.removeprefix("0x")) // 2 <= MOST_CODE_BYTES


def storage_of(name: str, path: str) -> list[tuple[str, int, int, str]]:
    """Label, slot, offset and type of each state variable, in the compiler's words."""
    request = {
        "language": "Solidity",
        "sources": {path: {"urls": [path]}},
        "settings": {
            "evmVersion": "osaka",
            "remappings": ["@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/"],
            "outputSelection": {path: {name: ["storageLayout"]}},
        },
    }
    output = solcx.compile_standard(request, solc_version=SOLC_VERSION, base_path=str(ROOT), allow_paths=str(ROOT))
    layout = output["contracts"][path][name]["storageLayout"]
    return [
        (one["label"], int(one["slot"]), one["offset"], layout["types"][one["type"]]["label"])
        for one in layout["storage"]
    ]


# INV-S10
def test_storage__of_shares_and_governance__is_the_ledgers_first() -> None:
    ledger = storage_of("ShareLedger", "contracts/shares/ShareLedger.sol")
    shares = storage_of("AssetShares", "contracts/AssetShares.sol")
    governance = storage_of("AssetGovernance", "contracts/shares/AssetGovernance.sol")
    assert len(ledger) == 9, json.dumps(ledger)
    assert shares == ledger
    assert governance[: len(ledger)] == ledger
    assert min(slot for _, slot, _, _ in governance[len(ledger) :]) > max(slot for _, slot, _, _ in ledger)


# INV-S10
def test_write__governance_of_one_asset__leaves_others_alone(
    new_plant: MakePlant, shared_plant: Plant, euro: Any, investors: list[Any]
) -> None:
    twin = new_plant(euro)
    twin.mint(investors[0], 5)
    twin.asset.setFrozenTokens(investors[0], 3, sender=twin.agent)
    twin.asset.setPaused(True, sender=twin.agent)
    one = shared_plant.asset
    assert (one.totalSupply(), one.getFrozenTokens(investors[0]), one.isPaused()) == (10_000, 0, False)
