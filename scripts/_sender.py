"""Transactions that are sent exactly once, whatever happens to the script, the node or the chain.

The signed bytes are in the manifest before they leave. A later run finds them there: it waits for the same transaction,
or sends the same bytes again, which a chain takes once only. A raised fee is another attempt with the same nonce, of
which a chain takes one. What a reorganisation drops is sent again, byte for byte.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import click
from ape.api import AccountAPI, ProviderAPI
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import TransactionNotFound, Web3RPCError
from web3.types import TxReceipt

from gridwitness.encoding.hashing import keccak
from gridwitness.errors import ChainError
from scripts._fees import GWEI, Fees, Market, coins, gwei
from scripts._manifest import Entry, ManifestFile
from scripts._transactions import estimate_gas, find_receipt, gas_limit, mined, words_of

WAIT_S = 600.0
RECEIPT_TRIES = 15
_OUTBID_AFTER_POLLS = 30
# What nodes say of bytes they have, of a nonce that was mined a moment ago, of a pool that holds a dearer attempt, and
# of a base fee that rose since it was asked for: the next look at it offers more.
_HARMLESS = (
    "already known", "known transaction", "already imported", "nonce too low", "replacement",
    "less than block base fee",
)  # fmt: skip
# What they say of a tip that they, or the validators behind them, want higher.
_UNDERPRICED = ("underpriced", "tip cap", "gas price", "fee too low", "feetoolow", "tip too low")
_LEAST_TIP = GWEI // 100


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
    """What transactions may cost at most, in wei per gas, and how many blocks must stand on theirs.

    Looked at every `poll_s` seconds. What `is_urgent` waits for no other account's transactions.
    """

    max_fee: int = 500 * GWEI
    confirmations: int = 0
    poll_s: float = 2.0
    is_urgent: bool = False


class Sender:
    """Sends transactions of one account and records in the manifest what they made."""

    def __init__(self, provider: ProviderAPI, account: AccountAPI, manifest: ManifestFile, terms: Terms) -> None:
        self.address = str(account.address)
        self._ecosystem = provider.network.ecosystem
        self._account = account
        self._manifest = manifest
        self._web3: Web3 = provider.web3
        self._terms = terms
        self._outbid_at = 0.0  # monotonic seconds
        self._told = False

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
        if self._terms.is_urgent:
            self._manifest.put_aside(self.address)
            for other in self._manifest.aside:
                click.echo(f"! {other['what']} of {other['from']} is under way still: that is left to a later script")
        else:
            self._manifest.take_up()
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
        if self._manifest.aside and not self._terms.is_urgent:
            self.resume()

    def settle(self) -> None:
        """See Sends. Raises Reorganised if something was mined and can be no more."""
        self.restore()
        ours = self._ours()
        for sent in ours:
            receipt = find_receipt(self._web3, sent.get("attempts", [sent]))
            if receipt is None or receipt["status"] != 1:
                self._manifest.settle([sent])
                raise Reorganised(f"{sent['what']}: {sent['transaction']} was mined and is no more")
            entry = self._manifest.get(*sent["keys"])
            if isinstance(entry, dict) and entry.get("transaction") == sent["transaction"]:
                self._manifest.record(tuple(sent["keys"]), mined(entry, receipt))
        self._manifest.settle(ours)

    def _ours(self) -> list[Entry]:
        """What was sent and may have to be sent again: all of it, or this account's if it is urgent."""
        return [sent for sent in self._manifest.sent if not self._terms.is_urgent or sent["from"] == self.address]

    def _finish(self, pending: Entry) -> TxReceipt | None:
        """Broadcast, wait, record. None if another transaction took the nonce, so that this one is dead."""
        deadline = time.monotonic() + WAIT_S
        pause, strange = self._terms.poll_s / 16, 0
        self._await_before_outbidding()
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
        if market.base_fee > offered.max_fee:
            reason = f"the base fee is {gwei(market.base_fee)} gwei now"
        elif not self._broadcast(newest):
            # Nothing is in the pool yet, so what it wants is soon found by doubling.
            market = market._replace(tip=max(market.tip, 2 * offered.tip, _LEAST_TIP))
            reason = f"a tip of {gwei(offered.tip)} gwei is refused"
        elif market.tip > offered.tip and time.monotonic() > self._outbid_at:
            reason = f"the tip is {gwei(market.tip)} gwei now"
        else:
            return
        if pending["from"] != self.address:
            self._tell_once(f"! {pending['what']}: {reason}; --account of {pending['from']} offers more")
        elif fees := market.outbid(offered, self._terms.max_fee):
            click.echo(
                f"… {pending['what']}: {reason}; offering up to {gwei(fees.max_fee)} instead of "
                f"{gwei(offered.max_fee)} and a tip of {gwei(fees.tip)}, with the same nonce"
            )
            fields = TypedTransaction.from_bytes(HexBytes(newest["raw"])).as_dict()
            pending["attempts"].append(self._sign(fields, fees, pending["what"]))
            self._manifest.begin(pending)
            self._await_before_outbidding()
            self._broadcast(pending["attempts"][-1])
        else:
            cap = gwei(self._terms.max_fee)
            self._tell_once(f"! {pending['what']}: {reason}, --max-fee-gwei {cap}; waiting for it to fall")

    def _await_before_outbidding(self) -> None:
        """An offer gets some blocks' time to be taken before the tip is raised."""
        self._outbid_at = time.monotonic() + _OUTBID_AFTER_POLLS * self._terms.poll_s

    def _tell_once(self, what: str) -> None:
        if not self._told:
            click.echo(what)
        self._told = True

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
        sent = [sent for sent in self._ours() if below is None or sent["nonce"] < below]
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
        # Blocks taken back may bring another attempt than the one that was mined first.
        sent["attempts"] = [{"transaction": attempt["transaction"]} for attempt in pending["attempts"]]
        self._manifest.finish(
            {**sent, "raw": raw, "transaction": transaction}, tuple(pending["keys"]), mined(pending["entry"], receipt)
        )
        click.echo(f"✓ {pending['what']}, block {receipt['blockNumber']}, {receipt['gasUsed']:,} gas")

    def _broadcast(self, attempt: Mapping[str, Any]) -> bool:
        """See that the pool has it. False if the node wants a higher tip; raises ChainError for anything else."""
        if self._is_in_pool(attempt["transaction"]):
            return True
        try:
            self._web3.eth.send_raw_transaction(HexBytes(attempt["raw"]))
        except Web3RPCError as error:
            words = words_of(error).lower()
            if not any(word in words for word in _HARMLESS):
                if any(word in words for word in _UNDERPRICED):
                    return False
                raise ChainError(f"the node refused the transaction: {words_of(error)}") from error
        return True

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
