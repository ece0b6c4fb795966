"""Transactions that are never sent twice and never lost: intent → signed bytes on disk → broadcast → mined → final.

An intent gets one nonce, and that nonce and the signed bytes are on disk before any node sees them. Whatever happens
after (a kill, a dropped transaction, a reorganisation), the same bytes are sent again, or a dearer transaction of the
same nonce; the chain takes at most one of them. If a nonce is used that this outbox did not use, it halts until an
operator resumes it; an intent that lost its nonce that way is signed anew once the loss is final.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gridwitness.chain.client import MAX_TRANSACTION_GAS, Chain, gas_limit
from gridwitness.chain.fees import DEFAULT_CAP_WEI, Fees, first_fees, raised_fees
from gridwitness.chain.followers import REORG_DEPTH
from gridwitness.chain.lease import lease_key
from gridwitness.chain.node import Block
from gridwitness.chain.outbox_store import Attempt, Intent, OutboxState, OutboxStore
from gridwitness.chain.refusals import is_known, is_too_cheap, is_too_much
from gridwitness.chain.runway import Runway, Spending, runway, runway_warnings
from gridwitness.chain.signing_key import SigningKey, Transaction, sign_transaction
from gridwitness.errors import ChainError, GridwitnessError, NodeUnavailable, Reverted, StoreError

_IN_FLIGHT = (OutboxState.SIGNED, OutboxState.SENT)
_ON_CHAIN = (OutboxState.MINED, OutboxState.FAILED, OutboxState.FINAL)
MAX_IN_FLIGHT = 16  # nodes keep about this many of one account in their public pool
_CANCEL_GAS = 21_000  # a transfer of nothing
_NOTICE_DEPTH = 2  # blocks on a lost nonce before the alarm: nodes behind a balancer differ by one
_LOOK_BACK = 256  # blocks in which what was final is looked for again after a reorganisation
CANCELLED = "cancelled by an operator"


@dataclass(frozen=True, slots=True)
class OutboxRules:
    """A transaction is final with `confirmations` blocks on top, and replaced when it has waited `replace_after_s`.

    A fee above the cap is never offered. Money for fewer than `runway_alarm_days` is worth a warning.
    """

    confirmations: int = 0
    max_fee_per_gas_wei: int = DEFAULT_CAP_WEI
    replace_after_s: float = 30
    runway_alarm_days: float = 7


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """State of an intent; `transaction` (hash) and `block_number` once a block holds it; `error` says what is wrong."""

    state: OutboxState
    transaction: bytes | None
    block_number: int | None
    error: str


class Outbox:
    """Outbox of one account on one chain. All but {step} and {close} may be called from any thread while one steps."""

    def __init__(
        self,
        chain: Chain,
        key: SigningKey,
        path: Path,
        rules: OutboxRules | None = None,
        *,
        lease_folder: Path | None = None,
    ) -> None:
        """Raises StoreError if file or key are in use, ConfigError if the file is another account's or chain's."""
        genesis = chain.node.block(0)
        # Chain ids of test chains repeat; nonces of a chain that was reset would never be mined.
        history = genesis.hash.hex()[:16] if genesis is not None else ""
        self._lease = lease_key(chain.chain_id, key.address, lease_folder)
        try:
            self._store = OutboxStore(path, f"{key.address} on chain {chain.chain_id} ({history})")
        except GridwitnessError:
            self._end_lease()
            raise
        self._chain = chain
        self._key, self._address = key, key.address
        self._rules = rules or OutboxRules()
        self._step_lock = threading.RLock()
        self._balance_wei: int | None = None
        self._seen: Block | None = None  # head of the last step
        self._halted = self._store.nonces().halted

    def close(self) -> None:
        """Release file and key."""
        with self._step_lock:
            self._store.close()
            self._end_lease()

    def _end_lease(self) -> None:
        if self._lease is not None:
            self._lease.close()
            self._lease = None

    def enqueue(self, key: str, to: str, calldata: bytes) -> None:
        """Queue a call of contract `to`; the same key again changes nothing, but for another call is a StoreError."""
        intent = self._store.add(key, to, calldata)
        if (intent.recipient, intent.calldata) != (to, calldata):
            raise StoreError(f"outbox key {key} stands for another call already")

    def status(self, key: str) -> OutboxStatus | None:
        """Where an intent is; None if the key was never queued."""
        intent = self._store.find(key)
        if intent is None:
            return None
        return OutboxStatus(intent.state, intent.mined_hash, intent.block_number, intent.error)

    def counts(self) -> dict[str, int]:
        """Number of intents by state."""
        return self._store.counts()

    @property
    def halted(self) -> str:
        """Why nothing is sent until an operator says so; empty if it is."""
        return self._halted

    def runway(self) -> Runway | None:
        """How long the money lasts, by the last seven days; None before the first step."""
        if self._balance_wei is None:
            return None
        return runway(self._balance_wei, self._store.spendings(), time.time())

    def warnings(self) -> list[str]:
        """What should be seen to before it becomes a problem."""
        return runway_warnings(self.runway(), self._address, self._rules.runway_alarm_days)

    @property
    def is_leased(self) -> bool:
        """Whether other processes of this machine are kept from the key; they are not on a development chain."""
        return self._lease is not None

    def oldest_in_flight_at(self) -> float | None:
        """When the oldest transaction was first signed that is in no block yet (unix seconds); None without any."""
        in_flight = self._store.unsettled(*_IN_FLIGHT)
        return min((one.signed_at for intent in in_flight for one in self._store.attempts(intent)), default=None)

    def retry(self, key: str) -> bool:
        """Queue an intent anew that failed for good; whether it was one."""
        with self._step_lock:
            intent = self._store.find(key)
            if intent is None or intent.state is not OutboxState.FAILED or not intent.settled:
                return False
            self._store.forget_attempts(intent)
            return True

    def reopen(self, key: str) -> bool:
        """Send the bytes of an intent again that was final, but that the chain has no more; whether it was one."""
        with self._step_lock:
            intent = self._store.find(key)
            if intent is None or intent.state is not OutboxState.FINAL or self._receipt(intent) is not None:
                return False
            self._store.record_state(intent, OutboxState.SIGNED)
            return True

    def step(self) -> None:
        """Take every intent as far as it gets now. Raises ChainError if the node does not answer; step again later."""
        with self._step_lock:
            head = self._chain.head()
            if self._seen is None or head.hash != self._seen.hash:
                self._balance_wei = self._chain.node.balance_wei(self._address)
            self._obey()
            for intent in self._store.unsettled(*_IN_FLIGHT, *_ON_CHAIN):
                self._observe(intent, head)
            self._watch_nonces(head)
            if self._halted:
                return
            for intent in self._store.unsettled(*_IN_FLIGHT):
                self._push(intent, head)
            for intent in self._store.unsettled(OutboxState.QUEUED):
                if not self._sign_first(intent, head):
                    break  # later intents must not overtake

    def _obey(self) -> None:
        """Fulfil what operators asked for."""
        for number, verb, key in self._store.requests():
            intent = self._store.find(key)
            if verb == "cancel" and intent is not None and not self._cancel(intent):
                continue
            if verb == "resume":
                self._store.resume(self._chain.node.transaction_count(self._address))
                self._halted = ""
            elif verb == "retry":
                self.retry(key)
            self._store.fulfilled(number)

    def _cancel(self, intent: Intent) -> bool:
        """Drop a queued intent, or send nothing in place of one under way; the chain decides which comes first.

        Whether that is done, or there is nothing left to do; if not, fees are above the cap, and it is tried again.
        """
        if intent.state is OutboxState.QUEUED:
            self._store.record_state(intent, OutboxState.FAILED, settled=True, error=CANCELLED)
        elif intent.state in _IN_FLIGHT and not (newest := self._store.attempts(intent)[-1]).cancels:
            return self._replace(intent, replace(newest, cancels=True, gas=_CANCEL_GAS))
        return True

    def _watch_nonces(self, head: Block) -> None:
        """Notice nonces that somebody else used, and transactions that a deep reorganisation took back."""
        used = self._chain.node.transaction_count(self._address)
        nonces = self._store.nonces()
        if nonces.next is None:  # the account may have sent before it had an outbox
            self._store.record_nonces(used)
        elif used > nonces.next:
            self._halt(f"nonce {used - 1} of {self._address} was used, but not by this outbox")
        for intent in self._store.settled_from(used, head.number - _LOOK_BACK if self._is_reorganised() else None):
            self._observe(intent, head)
        self._seen = head
        for intent in self._store.unsettled(*_IN_FLIGHT):
            assert intent.nonce is not None
            if nonces.forgiven_below <= intent.nonce < used and self._is_nonce_lost(intent, head, _NOTICE_DEPTH):
                self._halt(f"nonce {intent.nonce} of {self._address}, meant for {intent.key}, was used by another")

    def _is_reorganised(self) -> bool:
        """Whether the last step's head is not in the chain any more, or there was none."""
        block = None if self._seen is None else self._chain.node.block(self._seen.number)
        return self._seen is None or block is None or block.hash != self._seen.hash

    def _halt(self, reason: str) -> None:
        if not self._halted:
            self._halted = f"{reason}: find out who sends from this key, then `gridwitness outbox resume`"
            self._store.halt(self._halted)

    def _observe(self, intent: Intent, head: Block) -> bool:
        """Bring the record of an intent in line with the chain; whether a block holds it."""
        receipt = self._receipt(intent)
        if receipt is None:
            if intent.state in _ON_CHAIN:  # a reorganisation took it back
                self._store.record_state(intent, OutboxState.SIGNED)
            return False
        block_number, transaction = int(receipt["blockNumber"], 16), bytes.fromhex(receipt["transactionHash"][2:])
        buried = head.number - block_number >= self._rules.confirmations
        if self._is_cancelled_by(intent, transaction):
            state, error = OutboxState.FAILED, CANCELLED
        elif int(receipt["status"], 16) == 1:
            state, error = (OutboxState.FINAL if buried else OutboxState.MINED), ""
        else:
            known = intent.error if intent.state is OutboxState.FAILED else ""
            state, error = OutboxState.FAILED, known or self._chain.failure_of(transaction, block_number).message
        if buried and not intent.settled:
            price_wei = int(receipt.get("effectiveGasPrice") or "0x0", 16)
            self._store.record_spending(transaction, Spending(time.time(), int(receipt["gasUsed"], 16), price_wei))
        if (state, block_number, buried) != (intent.state, intent.block_number, intent.settled):
            self._store.record_mined(intent, state, transaction, block_number, settled=buried, error=error)
        return True

    def _is_cancelled_by(self, intent: Intent, transaction: bytes) -> bool:
        return any(attempt.cancels and attempt.hash == transaction for attempt in self._store.attempts(intent))

    def _receipt(self, intent: Intent) -> Any | None:
        return self._chain.node.first_receipt([attempt.hash for attempt in self._store.attempts(intent)])

    def _push(self, intent: Intent, head: Block) -> None:
        """See that the newest transaction of an intent is in the node's pool, or replace it if it is stuck there."""
        newest = self._store.attempts(intent)[-1]
        is_old = time.time() - newest.signed_at >= self._rules.replace_after_s
        if self._chain.node.rpc("eth_getTransactionByHash", "0x" + newest.hash.hex()) is None:
            if self._is_nonce_lost(intent, head, max(self._rules.confirmations, REORG_DEPTH)):
                self._store.forget_attempts(intent)
            elif not self._broadcast(intent, newest) and is_old:
                self._replace(intent, newest)
        elif is_old:
            self._replace(intent, newest)
        elif intent.state is not OutboxState.SENT:
            self._store.record_state(intent, OutboxState.SENT)

    def _is_nonce_lost(self, intent: Intent, head: Block, depth: int) -> bool:
        """Whether something else used the nonce, `depth` blocks ago or earlier."""
        buried = hex(max(head.number - depth, 0))
        if intent.nonce is None or self._chain.node.transaction_count(self._address, buried) <= intent.nonce:
            return False
        return not self._observe(intent, head)  # asked again after the count, so that nothing falls in between

    def _broadcast(self, intent: Intent, attempt: Attempt) -> bool:
        """Hand a transaction to the node; False if it is too cheap. A refusal is noted, and the bytes stay the same."""
        try:
            self._chain.node.rpc("eth_sendRawTransaction", "0x" + attempt.raw.hex())
        except NodeUnavailable:
            raise  # it may have got there all the same
        except ChainError as error:
            if not is_known(error):
                self._store.record_state(intent, OutboxState.SIGNED, error=error.message)
                return not is_too_cheap(error)
        self._store.record_state(intent, OutboxState.SENT)
        return True

    def _replace(self, intent: Intent, stuck: Attempt) -> bool:
        """Sign a dearer transaction of the same nonce, for the same call or to cancel it; whether the cap allows it."""
        fees = raised_fees(
            Fees(stuck.max_fee_wei, stuck.tip_wei), Fees(*self._chain.fees()), self._rules.max_fee_per_gas_wei
        )
        if isinstance(fees, str):
            self._store.record_state(intent, OutboxState.SENT, error=fees)
            return False
        assert intent.nonce is not None  # it was signed before
        self._sign(intent, intent.nonce, fees, stuck.gas, cancels=stuck.cancels)
        return True

    def _sign_first(self, intent: Intent, head: Block) -> bool:
        """Sign and send a queued intent; whether the next one may follow now."""
        in_flight = len(self._store.unsettled(*_IN_FLIGHT))
        if in_flight >= MAX_IN_FLIGHT:
            return False
        try:
            gas = self._estimate(intent, head)
        except Reverted as error:
            if in_flight:  # it may depend on what is under way
                return False
            self._store.record_state(intent, OutboxState.FAILED, settled=True, error=error.message)
            return True
        except NodeUnavailable:
            raise
        except ChainError as error:
            # What no block can hold must not keep back what comes behind; anything else may pass.
            too_much = is_too_much(error)
            state = OutboxState.FAILED if too_much else OutboxState.QUEUED
            self._store.record_state(intent, state, settled=too_much, error=error.message)
            return too_much
        fees, nonce = first_fees(Fees(*self._chain.fees()), self._rules.max_fee_per_gas_wei), self._store.nonces().next
        if isinstance(fees, str):
            self._store.record_state(intent, OutboxState.QUEUED, error=fees)
            return False
        assert nonce is not None  # every step looks first
        self._sign(intent, nonce, fees, gas)
        return True

    def _estimate(self, intent: Intent, head: Block) -> int:
        call = {"from": self._address, "to": intent.recipient, "data": "0x" + intent.calldata.hex()}
        estimate = int(self._chain.node.rpc("eth_estimateGas", call, "pending"), 16)
        return gas_limit(estimate, min(head.gas_limit, MAX_TRANSACTION_GAS))

    def _sign(self, intent: Intent, nonce: int, fees: Fees, gas: int, *, cancels: bool = False) -> None:
        transaction = Transaction(
            chain_id=self._chain.chain_id,
            nonce=nonce,
            to=self._address if cancels else intent.recipient,
            data=b"" if cancels else intent.calldata,
            gas=gas,
            max_fee_wei=fees.max_fee_wei,
            tip_wei=fees.tip_wei,
        )
        digest, raw = sign_transaction(self._key, transaction)
        attempt = Attempt(digest, raw, fees.max_fee_wei, fees.tip_wei, gas, time.time(), cancels)
        self._store.record_attempt(intent, nonce, attempt)
        self._broadcast(intent, attempt)
