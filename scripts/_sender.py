"""Transactions that are sent exactly once, whenever the script is killed.

The signed bytes are in the manifest before they leave. A later run finds them there: it waits for the same
transaction, or sends the same bytes again, which a chain takes once only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click
from ape.api import AccountAPI, ProviderAPI
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.exceptions import ContractLogicError, TimeExhausted, TransactionNotFound, Web3RPCError
from web3.types import TxReceipt

from gridwitness.chain.reverts import decode_revert
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import ChainError
from scripts._manifest import ManifestFile

MAX_TRANSACTION_GAS = 16_777_216  # EIP-7825
WAIT_S = 600.0
RECEIPT_TRIES = 15


class Sender:
    """Sends transactions of one account and records in the manifest what they made."""

    def __init__(self, provider: ProviderAPI, account: AccountAPI, manifest: ManifestFile) -> None:
        self._provider = provider
        self._account = account
        self._manifest = manifest
        self._web3: Web3 = provider.web3
        self._poll_s = 0.05 if provider.network.is_dev else 2.0
        self._confirmations = provider.network.required_confirmations

    def send(self, keys: tuple[str, ...], entry: Any, data: str, to: str | None = None) -> TxReceipt:
        """Send a transaction (a deployment without `to`) and record `entry` under `keys` of the manifest.

        An entry that is a table also gets the transaction, its block, and for a deployment the address. With None
        nothing is recorded: `keys` then only say what it is. Raises Reverted, before anything is signed if the node can
        tell, and ChainError.
        """
        transaction = self._prepare(data, to)
        signed = self._account.sign_transaction(transaction)
        if signed is None:
            raise ChainError(f"{'.'.join(keys)} was not signed", hint="nothing was sent; run the command again")
        raw = bytes(signed.serialize_transaction())
        pending: dict[str, Any] = {
            "keys": list(keys),
            "entry": entry,
            "from": self._account.address,
            "nonce": signed.nonce,
            "raw": "0x" + raw.hex(),
            "transaction": "0x" + keccak(raw).hex(),
        }
        if to is None:
            pending["address"] = created_address(self._account.address, int(signed.nonce or 0))
        self._manifest.begin(pending)
        receipt = self._finish(pending)
        if receipt is None:
            raise ChainError(f"nonce {signed.nonce} of {self._account.address} was used by somebody else meanwhile")
        return receipt

    def resume(self) -> None:
        """Bring a transaction that an earlier run left pending to its end."""
        pending = self._manifest.pending
        if pending is None:
            return
        name = ".".join(pending["keys"])
        click.echo(f"… {name}: an earlier run sent {pending['transaction']} or was about to; finishing that one")
        if self._finish(pending) is None:
            click.echo(
                f"! {name}: {pending['transaction']} can never be mined, another transaction took nonce "
                f"{pending['nonce']} of {pending['from']}; it is sent anew"
            )
            self._manifest.drop_pending()

    def _prepare(self, data: str, to: str | None) -> Any:
        request: dict[str, Any] = {"from": self._account.address, "data": data}
        if to is not None:
            request["to"] = to
        gas = self._estimate(request)
        fields = {"to": to} if to is not None else {}
        transaction = self._provider.network.ecosystem.create_transaction(
            chain_id=self._web3.eth.chain_id,
            sender=self._account.address,
            nonce=self._web3.eth.get_transaction_count(to_checksum_address(self._account.address)),
            gas_limit=min(gas + gas // 5, MAX_TRANSACTION_GAS),
            data=data,
            **fields,
        )
        # Ape fills in the fees and looks whether the account can pay them.
        prepared = self._account.prepare_transaction(transaction)
        prepared.chain_id = self._web3.eth.chain_id
        return prepared

    def _estimate(self, request: Mapping[str, Any]) -> int:
        try:
            gas = self._web3.eth.estimate_gas(request)  # type: ignore[arg-type]
        except ContractLogicError as error:
            raise _reverted(error) from error
        except Web3RPCError as error:
            raise ChainError(f"the node does not take the transaction: {error.message}") from error
        if gas > MAX_TRANSACTION_GAS:
            raise ChainError(f"the transaction needs {gas} gas; one may use {MAX_TRANSACTION_GAS} (EIP-7825)")
        return gas

    def _finish(self, pending: Mapping[str, Any]) -> TxReceipt | None:
        """Broadcast, wait, record. None if another transaction took the nonce, so that this one is dead."""
        if self._web3.eth.get_transaction_count(pending["from"]) <= pending["nonce"]:
            self._broadcast(pending["raw"])
        elif not self._is_mined(pending["transaction"]):
            return None
        receipt = self._wait(pending["transaction"])
        if receipt["status"] != 1:
            self._manifest.drop_pending()
            raise ChainError(f"{'.'.join(pending['keys'])}: transaction {pending['transaction']} reverted")
        self._record(pending, receipt)
        return receipt

    def _record(self, pending: Mapping[str, Any], receipt: TxReceipt) -> None:
        entry = pending["entry"]
        if entry is None:
            self._manifest.drop_pending()
            return
        if isinstance(entry, dict):
            entry = {**entry, "transaction": pending["transaction"], "block": receipt["blockNumber"]}
            if address := receipt.get("contractAddress"):
                entry["address"] = to_checksum_address(address)
        self._manifest.record(tuple(pending["keys"]), entry)

    def _broadcast(self, raw: str) -> None:
        try:
            self._web3.eth.send_raw_transaction(bytes.fromhex(raw.removeprefix("0x")))
        except Web3RPCError as error:
            # A node that holds these very bytes says "already known"; they are in the pool, which is what we want.
            if "known" not in error.message and "already imported" not in error.message:
                raise ChainError(f"the node refused the transaction: {error.message}") from error

    def _is_mined(self, transaction: str) -> bool:
        """Asked repeatedly, as nodes behind one URL may know of a nonce before they know of its receipt."""
        for _ in range(RECEIPT_TRIES):
            try:
                self._web3.eth.get_transaction_receipt(transaction)  # type: ignore[arg-type]
            except TransactionNotFound:
                time.sleep(self._poll_s)
            else:
                return True
        return False

    def _wait(self, transaction: str) -> TxReceipt:
        """Receipt with the confirmations the network asks for; a reorg in between is waited out."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            try:
                receipt = self._web3.eth.wait_for_transaction_receipt(
                    transaction,  # type: ignore[arg-type]
                    timeout=deadline - time.monotonic(),
                    poll_latency=self._poll_s,
                )
            except TimeExhausted:
                break
            if self._web3.eth.block_number >= receipt["blockNumber"] + self._confirmations:
                return receipt
            time.sleep(self._poll_s)
        raise ChainError(
            f"transaction {transaction} was not mined and confirmed within {WAIT_S:.0f} s",
            hint="run the same command again: it goes on waiting and sends nothing twice",
        )


def created_address(sender: str, nonce: int) -> str:
    """Address of the contract that a sender's transaction of this nonce creates: keccak256(rlp([sender, nonce]))."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    encoded_nonce = number if len(number) == 1 and number[0] < 0x80 else bytes([0x80 + len(number)]) + number
    payload = b"\x94" + bytes.fromhex(sender.removeprefix("0x")) + encoded_nonce
    return to_checksum_address(keccak(bytes([0xC0 + len(payload)]) + payload)[-20:])


def _reverted(error: ContractLogicError) -> ChainError:
    data = error.data
    if isinstance(data, str) and data.startswith("0x"):
        return decode_revert(bytes.fromhex(data[2:]))
    return ChainError(f"the contract refuses: {error.message}")
