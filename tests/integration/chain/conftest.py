"""A real anvil with the real contracts, compiled by forge and deployed by web3, for each test that asks for it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain, calldata
from gridwitness.chain.manifest import DeployedContract, Manifest
from gridwitness.encoding.hashing import keccak

ROOT = Path(__file__).resolve().parents[3]
GENESIS_TIME = 1_469_000_000
SOURCES = {
    "DeviceRegistry": "contracts/DeviceRegistry.sol",
    "DataAttestation": "contracts/DataAttestation.sol",
    "EuroToken": "contracts/mocks/EuroToken.sol",
    "EnergyMarket": "contracts/EnergyMarket.sol",
}


@pytest.fixture(scope="session")
def bytecode() -> dict[str, str]:
    """Creation bytecode by contract; compiled in folders of its own, so that other builds are not disturbed."""
    out = ROOT / "out" / "chain-tests"
    environment = {**os.environ, "FOUNDRY_OUT": str(out), "FOUNDRY_CACHE_PATH": str(ROOT / "cache" / "chain-tests")}
    forge = ROOT / ".toolchain" / "bin" / "forge"
    command = [str(forge), "build", "--root", str(ROOT), *SOURCES.values()]
    built = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return {
        name: json.loads((out / Path(source).name / f"{name}.json").read_text())["bytecode"]["object"]
        for name, source in SOURCES.items()
    }


def dev_account(index: int) -> LocalAccount:
    """One of anvil's funded accounts, from its well-known test mnemonic."""
    Account.enable_unaudited_hdwallet_features()
    mnemonic = "test test test test test test test test test test test junk"
    return Account.from_mnemonic(mnemonic, account_path=f"m/44'/60'/0'/0/{index}")


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
def manifest(anvil: Anvil, deployer: LocalAccount, bytecode: dict[str, str]) -> Manifest:
    """All contracts, freshly deployed."""
    web3 = Web3(Web3.HTTPProvider(anvil.url))
    deployed: dict[str, DeployedContract] = {}
    for name in ("DeviceRegistry", "DataAttestation", "EuroToken", "EnergyMarket"):
        arguments = {
            "DeviceRegistry": lambda: [deployer.address],
            "DataAttestation": lambda: [deployed["DeviceRegistry"].address],
            "EuroToken": list,
            "EnergyMarket": lambda: [*(entry.address for entry in deployed.values()), deployer.address],
        }[name]()
        deployed[name] = _deploy(web3, deployer, bytecode[name], arguments)
    return Manifest(chain_id=anvil.chain_id, contracts=deployed)


def _deploy(web3: Web3, deployer: LocalAccount, code: str, arguments: list[Any]) -> DeployedContract:
    encoded = web3.codec.encode(["address"] * len(arguments), arguments).hex()
    transaction = {
        "from": deployer.address,
        "data": code + encoded,
        "nonce": web3.eth.get_transaction_count(deployer.address),
        "chainId": web3.eth.chain_id,
        "gas": 12_000_000,
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 10**9,
        "value": 0,
    }
    digest = web3.eth.send_raw_transaction(deployer.sign_transaction(transaction).raw_transaction)
    receipt = web3.eth.wait_for_transaction_receipt(digest)
    assert receipt["status"] == 1
    return DeployedContract(receipt["contractAddress"], receipt["blockNumber"])


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
