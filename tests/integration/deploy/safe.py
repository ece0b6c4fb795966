"""A real Safe (its contracts from npm), and owners who sign what a Transaction Builder file holds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract

from tests.integration.deploy.conftest import DEPLOYER, ROOT

BUILD = ROOT / "node_modules" / "@safe-global" / "safe-smart-account" / "build" / "artifacts" / "contracts"
MNEMONIC = "test test test test test test test test test test test junk"  # anvil's
ZERO = "0x" + "0" * 40
# How the Transaction Builder writes a batch before it hashes it: checksum.ts of its source.
SERIALISE = """
const table = (value, keys) => `{${JSON.stringify(keys)}${keys.map((key) => text(value[key]) + ',').join('')}}`
const text = (value) => Array.isArray(value) ? `[${value.map(text).join(',')}]`
  : value !== null && typeof value === 'object' ? table(value, Object.keys(value).sort())
  : JSON.stringify(value)
const batch = JSON.parse(require('fs').readFileSync(process.argv[1], 'utf8'))
delete batch.meta.checksum
process.stdout.write(text(batch))
"""


def owner(index: int) -> LocalAccount:
    """An account of anvil's, with its key."""
    Account.enable_unaudited_hdwallet_features()
    return Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")


def builder_text(path: Path) -> str:
    """What a Transaction Builder hashes of a file."""
    return subprocess.run(["node", "-e", SERIALISE, str(path)], capture_output=True, text=True, check=True).stdout


class Safe:
    """A Safe of some owners, of whom two must sign."""

    def __init__(self, web3: Web3, owners: Sequence[int]) -> None:
        self.web3 = web3
        self.owners = sorted(map(owner, owners), key=lambda account: int(account.address, 16))
        singleton = self._deploy("Safe.sol/Safe")
        factory = self._deploy("proxies/SafeProxyFactory.sol/SafeProxyFactory")
        self._multi_send = self._deploy("libraries/MultiSendCallOnly.sol/MultiSendCallOnly")
        addresses = [account.address for account in self.owners]
        setup = singleton.encode_abi("setup", [addresses, 2, ZERO, b"", ZERO, ZERO, 0, ZERO])
        create = factory.functions.createProxyWithNonce(singleton.address, setup, 0)
        self.address = str(create.call({"from": DEPLOYER}))
        web3.eth.wait_for_transaction_receipt(create.transact({"from": DEPLOYER}))
        self._contract: Contract = web3.eth.contract(address=self.address, abi=singleton.abi)

    def execute(self, path: Path, signers: int) -> bool:
        """Execute a batch as the Transaction Builder does, signed by so many owners; whether it came to pass."""
        batch = json.loads(path.read_text(encoding="utf-8"))
        assert batch["chainId"] == str(self.web3.eth.chain_id)
        packed = b"".join(
            b"\0" + bytes.fromhex(call["to"][2:]) + int(call["value"]).to_bytes(32, "big")
            + len(data := bytes.fromhex(call["data"][2:])).to_bytes(32, "big") + data
            for call in batch["transactions"]
        )  # fmt: skip
        data = self._multi_send.encode_abi("multiSend", [packed])
        delegate_call = 1
        call: list[Any] = [self._multi_send.address, 0, data, delegate_call, 0, 0, 0, ZERO, ZERO]
        digest = self._contract.functions.getTransactionHash(*call, self._contract.functions.nonce().call()).call()
        signatures = b"".join(bytes(signer.unsafe_sign_hash(digest).signature) for signer in self.owners[:signers])
        sent = self._contract.functions.execTransaction(*call, signatures).transact(
            {"from": DEPLOYER, "gas": 1_000_000}
        )
        return self.web3.eth.wait_for_transaction_receipt(sent)["status"] == 1

    def _deploy(self, name: str) -> Contract:
        build = json.loads((BUILD / f"{name}.json").read_text(encoding="utf-8"))
        sent = (
            self.web3.eth.contract(abi=build["abi"], bytecode=build["bytecode"])
            .constructor()
            .transact({"from": DEPLOYER})
        )
        receipt = self.web3.eth.wait_for_transaction_receipt(sent)
        return self.web3.eth.contract(address=receipt["contractAddress"], abi=build["abi"])
