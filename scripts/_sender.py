"""Transactions that are sent exactly once, whatever happens to the script, the node or the chain.

The signed bytes are in the manifest before they leave. A later run finds them there: it waits for the same transaction,
or sends the same bytes again, which a chain takes once only. A raised fee is another attempt with the same nonce, of
which a chain takes one. What a reorganisation drops is sent again, byte for byte.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import click
from ape.api import AccountAPI, ProviderAPI
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.types import TxReceipt

from gridwitness.chain.reverts import decode_revert
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import ChainError
from scripts._fees import GWEI, Fees, Market, coins, gwei
from scripts._manifest import Entry, ManifestFile

MAX_TRANSACTION_GAS = 16_777_216  # EIP-7825
WAIT_S = 600.0
RECEIPT_TRIES = 15
# What nodes say of bytes they have, of a nonce that was mined a moment ago, of a pool that holds a dearer attempt, and
# of a base fee that rose since it was asked for: the next look at it offers more.
_HARMLESS = (
    "already known", "known transaction", "already imported", "nonce too low", "replacement",
    "less than block base fee",
)  # fmt: skip


class Reorganised(ChainError):
    """What a script saw of the chain holds no more: it has to look anew before it sends anything."""


class Sends(Protocol):
    """Carries out what a script decides: for real, on a throw-away fork, or into a file for a Safe."""

    address: str

    def send(
        self, keys: tuple[str, ...], entry: Any, data: str, to: str | None = None, *, what: str, probe: str = ""
    ) -> TxReceipt:
        """Send a transaction (a deployment without `to`) and record `entry` under `keys` of the manifest.

        An entry that is a table also gets the transaction, its block, and for a deployment the address. With None
        nothing is recorded. `what` is for people: "grant … to …". `probe` is creation code that is tried first: a
        factory does not hand on why a constructor refuses. Raises Reverted, before anything is signed if the node can
        tell, and ChainError.
        """
        ...

    def resume(self) -> None:
        """Bring to its end what an earlier run left pending, and bring back what a reorganisation took since."""
        ...

    def settle(self) -> None:
        """The script has done all: see that what it sent is still part of the chain."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What transactions may cost at most, in wei per gas, and how many blocks must stand on theirs."""

    max_fee: int = 500 * GWEI
    confirmations: int = 0
    poll_s: float = 2.0


class Sender:
    """Sends transactions of one account and records in the manifest what they made."""

    def __init__(self, provider: ProviderAPI, account: AccountAPI, manifest: ManifestFile, terms: Terms) -> None:
        self.address = str(account.address)
        self._ecosystem = provider.network.ecosystem
        self._account = account
        self._manifest = manifest
        self._web3: Web3 = provider.web3
        self._terms = terms
        self._waiting_for_base_fee = False

    def send(
        self, keys: tuple[str, ...], entry: Any, data: str, to: str | None = None, *, what: str, probe: str = ""
    ) -> TxReceipt:
        """See Sends. Raises Reorganised if blocks were taken back since the script decided to send this."""
        fields = {"from": self.address, "data": data} | ({"to": to} if to is not None else {})
        if probe:
            estimate_gas(self._web3, {"from": self.address, "data": probe})
        gas = gas_limit(estimate_gas(self._web3, fields))
        fees = Market.of(self._web3).offer(self._terms.max_fee)
        self._require_balance(gas * fees.max_fee, what)
        nonce = self._nonce()
        # After the nonce was asked for: one that a reorganisation freed belongs to the bytes that had it.
        if self.restore():
            raise Reorganised("a reorganisation took transactions back, which are there again now")
        attempt = self._sign(fields | {"gas": gas, "nonce": nonce}, fees, what)
        pending: Entry = {
            "attempts": [attempt],
            "entry": entry,
            "from": self.address,
            "keys": list(keys),
            "nonce": nonce,
            "what": what,
        }
        self._manifest.begin(pending)
        receipt = self._finish(pending)
        if receipt is None:
            raise ChainError(f"nonce {nonce} of {self.address} was used by somebody else meanwhile")
        return receipt

    def resume(self) -> None:
        """See Sends."""
        pending = self._manifest.pending
        self.restore(below=None if pending is None else pending["nonce"])
        if pending is None:
            return
        newest = pending["attempts"][-1]["transaction"]
        click.echo(f"… {pending['what']}: an earlier run sent {newest} or was about to; finishing that one")
        if self._finish(pending) is None:
            click.echo(
                f"! {pending['what']}: {newest} can never be mined, another transaction took nonce "
                f"{pending['nonce']} of {pending['from']}; it is sent anew"
            )
            self._manifest.drop_pending()

    def settle(self) -> None:
        """See Sends."""
        self.restore()
        for sent in self._manifest.sent:
            if (receipt := find_receipt(self._web3, [sent])) is None:
                raise ChainError(
                    f"{sent['what']}: {sent['transaction']} was mined and is no more, another one has its nonce",
                    hint="run the same command again: it sends what is missing",
                )
            entry = self._manifest.get(*sent["keys"])
            if isinstance(entry, dict) and entry.get("transaction") == sent["transaction"]:
                self._manifest.record(tuple(sent["keys"]), {**entry, "block": receipt["blockNumber"]})
        self._manifest.settle()

    def _finish(self, pending: Entry) -> TxReceipt | None:
        """Broadcast, wait, record. None if another transaction took the nonce, so that this one is dead."""
        deadline = time.monotonic() + WAIT_S
        pause, strange = self._terms.poll_s / 16, 0
        while time.monotonic() < deadline:
            receipt = find_receipt(self._web3, pending["attempts"])
            if receipt is not None:
                if self._web3.eth.block_number >= receipt["blockNumber"] + self._terms.confirmations:
                    self._record(pending, receipt)
                    return receipt
            elif self._nonce(pending["from"]) > pending["nonce"]:
                # Asked repeatedly, as nodes behind one URL may know of a nonce before they know of its receipt.
                strange += 1
                if strange > RECEIPT_TRIES:
                    return None
            else:
                self._push(pending)
            time.sleep(pause)
            pause = min(2 * pause, self._terms.poll_s)
        raise ChainError(
            f"{pending['what']}: {pending['attempts'][-1]['transaction']} was not mined and confirmed within "
            f"{WAIT_S:.0f} s",
            hint="run the same command again: it goes on waiting and sends nothing twice",
        )

    def _push(self, pending: Entry) -> None:
        """See that the pool has the transaction, at a price for which it is taken, and those before it."""
        self.restore(below=pending["nonce"])
        newest = pending["attempts"][-1]
        offered = Fees(newest["max_fee_per_gas"], newest["max_priority_fee_per_gas"])
        market = Market.of(self._web3)
        if market.base_fee <= offered.max_fee:
            self._broadcast(newest)
            return
        fees = market.outbid(offered, self._terms.max_fee) if pending["from"] == self.address else None
        if fees is not None:
            click.echo(
                f"… {pending['what']}: the base fee is {gwei(market.base_fee)} gwei now; offering up to "
                f"{gwei(fees.max_fee)} instead of {gwei(offered.max_fee)}, with the same nonce"
            )
            fields = TypedTransaction.from_bytes(HexBytes(newest["raw"])).as_dict()
            pending["attempts"].append(self._sign(fields, fees, pending["what"]))
            self._manifest.begin(pending)
            self._broadcast(pending["attempts"][-1])
        elif not self._waiting_for_base_fee:
            self._waiting_for_base_fee = True
            click.echo(
                f"! {pending['what']}: the base fee is {gwei(market.base_fee)} gwei, --max-fee-gwei "
                f"{gwei(self._terms.max_fee)}; waiting for it to fall"
            )

    def restore(self, below: int | None = None) -> int:
        """Send again, byte for byte, what a reorganisation dropped of earlier transactions, and wait for it.

        `below` is the nonce of one that is under way. Returns how many were dropped. Raises ChainError.
        """
        dropped = self._dropped(below)
        count = len(dropped)
        for sent in dropped:
            click.echo(
                f"! {sent['what']}: a reorganisation dropped {sent['transaction']}; sending the same bytes again"
            )
        deadline = time.monotonic() + WAIT_S
        while dropped:
            if time.monotonic() > deadline:
                raise ChainError(
                    f"{dropped[0]['what']}: {dropped[0]['transaction']}, dropped by a reorganisation, was not mined "
                    f"again within {WAIT_S:.0f} s",
                    hint="run the same command again",
                )
            for sent in dropped:
                self._broadcast(sent)
            time.sleep(self._terms.poll_s)
            dropped = self._dropped(below)
        return count

    def _dropped(self, below: int | None) -> list[Entry]:
        """What was mined and is no more: the account's next nonce is not beyond it."""
        sent = [sent for sent in self._manifest.sent if below is None or sent["nonce"] < below]
        nonces = {account: self._nonce(account) for account in {entry["from"] for entry in sent}}
        return [entry for entry in sent if entry["nonce"] >= nonces[entry["from"]]]

    def _sign(self, fields: Mapping[str, Any], fees: Fees, what: str) -> Entry:
        """The signed bytes of an attempt."""
        transaction = self._ecosystem.create_transaction(
            type=2,
            chain_id=self._web3.eth.chain_id,
            sender=self.address,
            nonce=fields["nonce"],
            gas_limit=fields["gas"],
            data=HexBytes(fields["data"]),
            max_fee=fees.max_fee,
            max_priority_fee=fees.tip,
            **({"to": to_checksum_address(fields["to"])} if fields.get("to") else {}),
        )
        signed = self._account.sign_transaction(transaction)
        if signed is None:
            raise ChainError(f"{what} was not signed", hint="nothing was sent; run the command again")
        raw = bytes(signed.serialize_transaction())
        return {
            "max_fee_per_gas": fees.max_fee,
            "max_priority_fee_per_gas": fees.tip,
            "raw": "0x" + raw.hex(),
            "transaction": "0x" + keccak(raw).hex(),
        }

    def _record(self, pending: Entry, receipt: TxReceipt) -> None:
        transaction = "0x" + bytes(receipt["transactionHash"]).hex()
        if receipt["status"] != 1:
            self._manifest.drop_pending()
            raise ChainError(f"{pending['what']}: transaction {transaction} reverted")
        raw = next(attempt["raw"] for attempt in pending["attempts"] if attempt["transaction"] == transaction)
        sent = {name: pending[name] for name in ("from", "keys", "nonce", "what")}
        self._manifest.finish(
            {**sent, "raw": raw, "transaction": transaction}, tuple(pending["keys"]), mined(pending["entry"], receipt)
        )
        click.echo(f"✓ {pending['what']}, block {receipt['blockNumber']}, {receipt['gasUsed']:,} gas")

    def _broadcast(self, attempt: Mapping[str, Any]) -> None:
        if self._is_in_pool(attempt["transaction"]):
            return
        try:
            self._web3.eth.send_raw_transaction(HexBytes(attempt["raw"]))
        except Web3RPCError as error:
            if not any(word in _words_of(error).lower() for word in _HARMLESS):
                raise ChainError(f"the node refused the transaction: {_words_of(error)}") from error

    def _is_in_pool(self, transaction: str) -> bool:
        try:
            self._web3.eth.get_transaction(transaction)  # type: ignore[arg-type]
        except TransactionNotFound:
            return False
        return True

    def _nonce(self, account: str | None = None) -> int:
        return self._web3.eth.get_transaction_count(to_checksum_address(account or self.address))

    def _require_balance(self, cost: int, what: str) -> None:
        symbol = self._ecosystem.fee_token_symbol
        balance = self._web3.eth.get_balance(to_checksum_address(self.address))
        if balance < cost:
            raise ChainError(
                f"{self.address} has a balance of {coins(balance, symbol)}; {what} needs up to {coins(cost, symbol)}",
                hint="`--dry-run` shows what everything costs",
            )


def find_receipt(web3: Web3, attempts: Iterable[Mapping[str, Any]]) -> TxReceipt | None:
    """Receipt of the one attempt that was mined, if any was."""
    for attempt in attempts:
        try:
            return web3.eth.get_transaction_receipt(attempt["transaction"])
        except TransactionNotFound:
            continue
    return None


def mined(entry: Any, receipt: TxReceipt) -> Any:
    """An entry of the manifest with what the receipt tells, if it is a table."""
    if not isinstance(entry, dict):
        return entry
    transaction = "0x" + bytes(receipt["transactionHash"]).hex()
    entry = {**entry, "transaction": transaction, "block": receipt["blockNumber"]}
    if address := receipt.get("contractAddress"):
        entry["address"] = to_checksum_address(address)
    return entry


def estimate_gas(web3: Web3, request: Mapping[str, Any]) -> int:
    """Gas that a transaction uses. Raises Reverted, or ChainError if the node or EIP-7825 does not allow it."""
    try:
        gas = web3.eth.estimate_gas(request)  # type: ignore[arg-type]
    except ContractLogicError as error:
        raise _reverted(error) from error
    except Web3RPCError as error:
        raise ChainError(f"the node does not take the transaction: {_words_of(error)}") from error
    if gas > MAX_TRANSACTION_GAS:
        raise ChainError(f"the transaction needs {gas} gas; one may use {MAX_TRANSACTION_GAS} (EIP-7825)")
    return int(gas)


def gas_limit(estimate: int) -> int:
    """A limit with a fifth to spare, within EIP-7825."""
    return min(estimate + estimate // 5, MAX_TRANSACTION_GAS)


def _words_of(error: Web3RPCError) -> str:
    """What the node says, without what it says around it."""
    response = error.rpc_response or {}
    details = response.get("error")
    return str(details.get("message") if isinstance(details, dict) else error.message)


def _reverted(error: ContractLogicError) -> ChainError:
    data = error.data
    if isinstance(data, str) and data.startswith("0x"):
        return decode_revert(bytes.fromhex(data[2:]))
    return ChainError(f"the contract refuses: {error.message}")
