"""Contracts on a node of a test's own, deployed by web3 as Ape compiled them (`make compile`)."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

from gridwitness.chain.client import MAX_TRANSACTION_GAS
from gridwitness.chain.manifest import DeployedContract

_BUILD = Path(__file__).resolve().parents[1] / ".build" / "__local__.json"
# What each is made with: its admin, or contracts made before it.
_NEEDS: dict[str, tuple[str, ...]] = {
    "DeviceRegistry": ("admin",),
    "DataAttestation": ("DeviceRegistry",),
    "EuroToken": (),
    "EnergyMarket": ("DeviceRegistry", "DataAttestation", "EuroToken", "admin"),
    "Passports": ("admin",),
    "AssetFactory": (),
    "ShareMarket": (),
}
MARKET_CONTRACTS = ("DeviceRegistry", "DataAttestation", "EuroToken", "EnergyMarket")
ASSET_CONTRACTS = (*MARKET_CONTRACTS, "Passports", "AssetFactory", "ShareMarket")
ACCESS_CONTROL = [
    {
        "type": "function",
        "name": "grantRole",
        "stateMutability": "nonpayable",
        "inputs": [{"name": "role", "type": "bytes32"}, {"name": "account", "type": "address"}],
        "outputs": [],
    }
]


def dev_account(index: int) -> LocalAccount:
    """One of anvil's funded accounts, from its well-known test mnemonic."""
    Account.enable_unaudited_hdwallet_features()
    mnemonic = "test test test test test test test test test test test junk"
    account: LocalAccount = Account.from_mnemonic(mnemonic, account_path=f"m/44'/60'/0'/0/{index}")
    return account


@functools.cache
def _compiled() -> dict[str, Any]:
    assert _BUILD.exists(), f"{_BUILD} is missing: run `make compile`"
    kinds: dict[str, Any] = json.loads(_BUILD.read_text(encoding="utf-8"))["contractTypes"]
    return kinds


def abi_of(name: str) -> list[dict[str, Any]]:
    """ABI of a contract."""
    abi: list[dict[str, Any]] = _compiled()[name]["abi"]
    return abi


def deploy(web3: Web3, deployer: LocalAccount, name: str, arguments: Sequence[Any]) -> DeployedContract:
    """Deploy a contract by its name and wait for it."""
    inputs: list[dict[str, Any]] = next((one["inputs"] for one in abi_of(name) if one["type"] == "constructor"), [])
    encoded = web3.codec.encode([one["type"] for one in inputs], list(arguments)).hex()
    transaction = {
        "from": deployer.address,
        "data": _compiled()[name]["deploymentBytecode"]["bytecode"] + encoded,
        "nonce": web3.eth.get_transaction_count(deployer.address),
        "chainId": web3.eth.chain_id,
        "gas": MAX_TRANSACTION_GAS,
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 10**9,
        "value": 0,
    }
    digest = web3.eth.send_raw_transaction(deployer.sign_transaction(transaction).raw_transaction)
    receipt = web3.eth.wait_for_transaction_receipt(digest, poll_latency=0.02)
    assert receipt["status"] == 1, name
    return DeployedContract(str(receipt["contractAddress"]), receipt["blockNumber"])


def deploy_all(
    web3: Web3, deployer: LocalAccount, names: Sequence[str], admin: LocalAccount | None = None
) -> dict[str, DeployedContract]:
    """Deploy contracts in the order of their names, each with those before it; the deployer is admin unless told."""
    deployed: dict[str, DeployedContract] = {}
    for name in names:
        known = {"admin": (admin or deployer).address} | {one: entry.address for one, entry in deployed.items()}
        deployed[name] = deploy(web3, deployer, name, [known[need] for need in _NEEDS[name]])
    return deployed
