"""Transactions that are never sent twice and never lost: intent → signed bytes on disk → broadcast → mined → final.

An intent gets one nonce, and that nonce and the signed bytes are on disk before any node sees them. Whatever happens
after (a kill, a dropped transaction, a reorganisation), the same bytes are sent again, or a dearer transaction of the
same nonce; the chain takes at most one of them. The account must not send anything past its outbox; if it does, the
nonce that was lost that way is noticed and the intent signed anew once the loss is final.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from gridwitness.chain.client import Chain, gas_limit
from gridwitness.chain.followers import REORG_DEPTH
from gridwitness.chain.node import Block
from gridwitness.chain.outbox_store import Attempt, Intent, OutboxState, OutboxStore
from gridwitness.errors import ChainError, GridwitnessError, Reverted, StoreError

_IN_FLIGHT = (OutboxState.SIGNED, OutboxState.SENT)
_ON_CHAIN = (OutboxState.MINED, OutboxState.FAILED)
MAX_IN_FLIGHT = 16  # nodes keep about this many of one account in their public pool
GWEI = 10**9


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """State of an intent; `transaction` (hash) and `block_number` once a block holds it; `error` says what is wrong."""

    state: OutboxState
    transaction: bytes | None
    block_number: int | None
    error: str


class Outbox:
    """Outbox of one account on one chain. `enqueue` and `status` may be called from any thread while one steps."""

    def __init__(
        self,
        chain: Chain,
        account: LocalAccount,
        path: Path,
        *,
        confirmations: int = 0,
        max_fee_per_gas_wei: int = 200 * GWEI,
        replace_after_s: float = 30,
    ) -> None:
        """A transaction is final with `confirmations` blocks on top; a fee above the cap is never offered.

        Raises StoreError if another process uses the file, ConfigError if it is another account's or chain's.
        """
        genesis = chain.node.block(0)
        # Chain ids of test chains repeat; nonces of a chain that was reset would never be mined.
        genesis_hash = genesis.hash.hex() if genesis is not None else ""
        self._store = OutboxStore(path, f"{account.address} on chain {chain.chain_id} ({genesis_hash[:16]})")
        self._chain = chain
        self._account = account
        self._confirmations = confirmations
        self._cap_wei = max_fee_per_gas_wei
        self._replace_after_s = replace_after_s
        self._step_lock = threading.Lock()

    def close(self) -> None:
        """Release the file."""
        with self._step_lock:
            self._store.close()

    def enqueue(self, key: str, to: str, calldata: bytes) -> None:
        """Queue a call of contract `to`; the same key again changes nothing.

        Raises StoreError if the key stands for another call.
        """
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
            for intent in self._store.unsettled(*_IN_FLIGHT, *_ON_CHAIN):
                self._observe(intent, head)
            for intent in self._store.unsettled(*_IN_FLIGHT):
                self._push(intent, head)
            for intent in self._store.unsettled(OutboxState.QUEUED):
                if not self._sign_first(intent):
                    break  # later intents must not overtake

    def _observe(self, intent: Intent, head: Block) -> bool:
        """Bring the record of an intent in line with the chain; whether a block holds it."""
        receipt = self._receipt(intent)
        if receipt is None:
            if intent.state in _ON_CHAIN:  # a reorganisation took it back
                self._store.record_state(intent, OutboxState.SIGNED)
            return False
        block_number, transaction = int(receipt["blockNumber"], 16), bytes.fromhex(receipt["transactionHash"][2:])
        buried = head.number - block_number >= self._confirmations
        if int(receipt["status"], 16) == 1:
            state, error = (OutboxState.FINAL if buried else OutboxState.MINED), ""
        else:
            known = intent.error if intent.state is OutboxState.FAILED else ""
            state, error = OutboxState.FAILED, known or self._chain.failure_of(transaction, block_number).message
        if (state, block_number, buried) != (intent.state, intent.block_number, intent.settled):
            self._store.record_mined(intent, state, transaction, block_number, settled=buried, error=error)
        return True

    def _receipt(self, intent: Intent) -> Any | None:
        hashes = ["0x" + attempt.hash.hex() for attempt in self._store.attempts(intent)]
        found = self._chain.node.rpc_batch([("eth_getTransactionReceipt", (digest,)) for digest in hashes])
        for receipt in found:
            if isinstance(receipt, GridwitnessError):
                raise receipt
        return next((receipt for receipt in found if receipt is not None), None)

    def _push(self, intent: Intent, head: Block) -> None:
        """See that the newest transaction of an intent is in the node's pool, or replace it if it is stuck there."""
        newest = self._store.attempts(intent)[-1]
        if self._chain.node.rpc("eth_getTransactionByHash", "0x" + newest.hash.hex()) is None:
            if not self._is_nonce_lost(intent, head):
                self._broadcast(intent, newest)
        elif time.time() - newest.signed_at >= self._replace_after_s:
            self._replace(intent, newest)
        elif intent.state is not OutboxState.SENT:
            self._store.record_state(intent, OutboxState.SENT)

    def _is_nonce_lost(self, intent: Intent, head: Block) -> bool:
        """Whether something else used the nonce for good; then the intent is queued anew."""
        buried = hex(max(head.number - max(self._confirmations, REORG_DEPTH), 0))
        if intent.nonce is None or self._chain.node.transaction_count(self._account.address, buried) <= intent.nonce:
            return False
        if self._observe(intent, head):  # asked again after the count, so that nothing falls in between
            return True
        self._store.forget_attempts(intent)
        return True

    def _broadcast(self, intent: Intent, attempt: Attempt) -> None:
        """Hand a transaction to the node. A refusal is noted and tried again: the bytes stay what they are."""
        answer = self._chain.node.rpc_batch([("eth_sendRawTransaction", ("0x" + attempt.raw.hex(),))])[0]
        if isinstance(answer, GridwitnessError) and not _is_known(answer):
            self._store.record_state(intent, OutboxState.SIGNED, error=answer.message)
        else:
            self._store.record_state(intent, OutboxState.SENT)

    def _replace(self, intent: Intent, stuck: Attempt) -> None:
        """Sign a dearer transaction of the same nonce: an eighth more at least, which nodes ask for, within the cap."""
        max_fee_wei, tip_wei = self._chain.fees()
        least_fee_wei, least_tip_wei = _an_eighth_more(stuck.max_fee_wei), _an_eighth_more(stuck.tip_wei)
        if least_fee_wei > self._cap_wei:
            error = f"stuck at {stuck.max_fee_wei} wei per gas; an eighth more is above the cap of {self._cap_wei}"
            self._store.record_state(intent, OutboxState.SENT, error=error)
            return
        max_fee_wei = min(max(max_fee_wei, least_fee_wei), self._cap_wei)
        self._sign(intent, intent.nonce, min(max(tip_wei, least_tip_wei), max_fee_wei), max_fee_wei, stuck.gas)

    def _sign_first(self, intent: Intent) -> bool:
        """Sign and send a queued intent; whether the next one may follow now."""
        in_flight = len(self._store.unsettled(*_IN_FLIGHT))
        if in_flight >= MAX_IN_FLIGHT:
            return False
        try:
            gas = self._estimate(intent)
        except Reverted as error:
            if in_flight:  # it may depend on what is under way
                return False
            self._store.record_state(intent, OutboxState.FAILED, settled=True, error=error.message)
            return True
        except ChainError as error:
            self._store.record_state(intent, OutboxState.QUEUED, error=error.message)
            return False
        max_fee_wei, tip_wei = self._chain.fees()
        if max_fee_wei > 2 * self._cap_wei:  # fees allow for the base fee to double; at once it would not be mined
            error_text = f"the fee is about {max_fee_wei // 2} wei per gas; the cap is {self._cap_wei}"
            self._store.record_state(intent, OutboxState.QUEUED, error=error_text)
            return False
        max_fee_wei = min(max_fee_wei, self._cap_wei)
        nonce = self._store.next_nonce(self._chain.node.transaction_count(self._account.address))
        self._sign(intent, nonce, min(tip_wei, max_fee_wei), max_fee_wei, gas)
        return True

    def _estimate(self, intent: Intent) -> int:
        call = {"from": self._account.address, "to": intent.recipient, "data": "0x" + intent.calldata.hex()}
        return gas_limit(int(self._chain.node.rpc("eth_estimateGas", call, "pending"), 16))

    def _sign(self, intent: Intent, nonce: int | None, tip_wei: int, max_fee_wei: int, gas: int) -> None:
        if nonce is None:
            raise StoreError(f"intent {intent.key} has no nonce to replace")
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": self._chain.chain_id,
            "nonce": nonce,
            "to": intent.recipient,
            "data": "0x" + intent.calldata.hex(),
            "value": 0,
            "gas": gas,
            "maxFeePerGas": max_fee_wei,
            "maxPriorityFeePerGas": tip_wei,
        }
        envelope = self._account.sign_transaction(transaction)
        attempt = Attempt(bytes(envelope.hash), bytes(envelope.raw_transaction), max_fee_wei, tip_wei, gas, time.time())
        self._store.record_attempt(intent, nonce, attempt)
        self._broadcast(intent, attempt)


def _an_eighth_more(fee_wei: int) -> int:
    return -(-fee_wei * 9 // 8)


def _is_known(error: GridwitnessError) -> bool:
    """Whether a node refused bytes because it has them already (geth, anvil, Nethermind, Erigon word it alike)."""
    text = error.message.lower()
    return "already known" in text or "already imported" in text or "known transaction" in text
