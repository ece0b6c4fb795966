"""The outbox against a real anvil: one transaction per intent, whatever happens to process, pool and chain."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain, calldata
from gridwitness.chain.followers import REORG_DEPTH
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.outbox import MAX_IN_FLIGHT, Outbox
from gridwitness.chain.outbox_store import OutboxState
from gridwitness.chain.signing_key import LocalKey
from gridwitness.errors import ChainError, ConfigError, StoreError
from tests.integration.chain.outbox_scene import OpenOutbox, ask, pooled, state_of, transaction_of
from tests.integration.chain.parties import supply


# INV-O9
def test_enqueue__same_key_twice__is_sent_once(chain: Chain, open_outbox: OpenOutbox, mint: Any) -> None:
    outbox = open_outbox()
    for _ in range(3):
        outbox.enqueue("a", *mint(5))
        outbox.step()
    status = outbox.status("a")
    assert status is not None
    assert (status.state, status.error) == (OutboxState.FINAL, "")
    assert status.block_number == chain.head_number()
    assert supply(chain) == 5
    assert outbox.counts() == {"final": 1}


def test_enqueue__same_key_for_another_call__is_refused(open_outbox: OpenOutbox, mint: Any) -> None:
    outbox = open_outbox()
    outbox.enqueue("a", *mint(5))
    with pytest.raises(StoreError, match="outbox key a stands for another call already"):
        outbox.enqueue("a", *mint(6))


def test_ask_status__unknown_key__is_none(open_outbox: OpenOutbox) -> None:
    assert open_outbox().status("a") is None


def test_step__confirmations_asked__is_final_only_when_buried(anvil: Anvil, open_outbox: OpenOutbox, mint: Any) -> None:
    outbox = open_outbox(confirmations=3)
    outbox.enqueue("a", *mint(5))
    states = []
    for _ in range(5):
        outbox.step()
        states.append(state_of(outbox, "a"))
        if states[-1] is OutboxState.MINED:
            anvil.mine()
    assert states == [OutboxState.SENT, OutboxState.MINED, OutboxState.MINED, OutboxState.MINED, OutboxState.FINAL]


def test_step__many_intents__are_mined_in_order_with_bounded_pool(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    outbox = open_outbox()
    for index in range(MAX_IN_FLIGHT + 4):
        outbox.enqueue(f"mint {index}", *mint(1))
    outbox.step()
    assert outbox.counts() == {"sent": MAX_IN_FLIGHT, "queued": 4}
    for _ in range(3):
        anvil.mine()
        outbox.step()
    assert outbox.counts() == {"final": MAX_IN_FLIGHT + 4}
    assert supply(chain) == MAX_IN_FLIGHT + 4


# INV-O9
def test_step__transaction_dropped_from_the_pool__is_resent_with_the_same_bytes(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    outbox = open_outbox()
    outbox.enqueue("a", *mint(5))
    outbox.step()
    before = pooled(anvil)
    anvil.node.rpc("anvil_dropAllTransactions")
    assert pooled(anvil) == []
    outbox.step()
    assert pooled(anvil) == before
    anvil.mine()
    outbox.step()
    assert state_of(outbox, "a") is OutboxState.FINAL
    assert supply(chain) == 5


# INV-O9
def test_step__reorganised_away__is_resent_with_the_same_bytes(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any
) -> None:
    outbox = open_outbox(confirmations=5)
    outbox.enqueue("a", *mint(5))
    outbox.step()
    outbox.step()
    assert state_of(outbox, "a") is OutboxState.MINED
    first = transaction_of(outbox, "a")
    anvil.node.rpc("anvil_reorg", 1, [])
    assert supply(chain) == 0
    outbox.step()  # notices, and hands the bytes in again
    outbox.step()
    assert state_of(outbox, "a") is OutboxState.MINED
    assert transaction_of(outbox, "a") == first
    assert supply(chain) == 5
    anvil.mine(5)
    outbox.step()
    assert state_of(outbox, "a") is OutboxState.FINAL


def test_step__fails_when_mined__names_the_error_and_a_reorganisation_gives_it_another_chance(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, token: Any, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    functions = token.functions
    chain.transact(outsider, functions.mint(outsider.address, 5))
    chain.transact(outsider, functions.approve(transmitter.address, 5))
    outbox = open_outbox(confirmations=5)
    anvil.node.rpc("evm_setAutomine", False)
    chain.send([(outsider, functions.approve(transmitter.address, 0))], gas=100_000)
    withheld = pooled(anvil)
    raw = anvil.node.rpc("eth_getRawTransactionByHash", withheld[0])
    anvil.node.rpc("anvil_dropAllTransactions")
    outbox.enqueue("a", token.address, calldata(functions.transferFrom(outsider.address, transmitter.address, 5)))
    outbox.step()
    (waiting,) = pooled(anvil)
    waiting_raw = anvil.node.rpc("eth_getRawTransactionByHash", waiting)
    anvil.node.rpc("anvil_dropAllTransactions")
    anvil.node.rpc("eth_sendRawTransaction", raw)  # the owner is quicker
    anvil.mine()
    anvil.node.rpc("eth_sendRawTransaction", waiting_raw)
    anvil.mine()
    outbox.step()
    status = outbox.status("a")
    assert status is not None
    assert status.state is OutboxState.FAILED
    assert status.error.startswith("ERC20InsufficientAllowance(")
    assert not outbox.retry("a")  # a reorganisation may still undo the failure
    anvil.node.rpc("anvil_reorg", 2, [])
    outbox.step()
    anvil.mine()
    outbox.step()
    assert state_of(outbox, "a") is OutboxState.MINED
    assert chain.call(functions.balanceOf(transmitter.address)) == 5


# INV-O9
def test_step__stuck_in_the_pool__is_replaced_by_a_dearer_one_of_the_same_nonce(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any, transmitter: LocalAccount
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    outbox = open_outbox(replace_after_s=0)
    outbox.enqueue("a", *mint(5))
    fees = []
    for _ in range(4):
        outbox.step()
        (digest,) = pooled(anvil)
        entry = anvil.node.rpc("eth_getTransactionByHash", digest)
        fees.append((int(entry["maxFeePerGas"], 16), int(entry["maxPriorityFeePerGas"], 16), entry["nonce"]))
    for (fee, tip, nonce), (next_fee, next_tip, next_nonce) in pairwise(fees):
        assert next_fee * 8 >= fee * 9
        assert next_tip * 8 >= tip * 9
        assert next_nonce == nonce
    anvil.mine()
    outbox.step()
    assert state_of(outbox, "a") is OutboxState.FINAL
    assert transaction_of(outbox, "a") == bytes.fromhex(digest[2:])
    assert supply(chain) == 5
    assert chain.node.transaction_count(transmitter.address) == 1


def test_step__stuck_at_the_cap__says_so_and_offers_no_more(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    cap_wei = chain.fees()[0]
    outbox = open_outbox(replace_after_s=0, max_fee_per_gas_wei=cap_wei)
    outbox.enqueue("a", *mint(5))
    outbox.step()
    before = pooled(anvil)
    outbox.step()
    status = outbox.status("a")
    assert status is not None
    assert f"above the cap of {cap_wei}" in status.error
    assert pooled(anvil) == before


def test_step__fee_above_the_cap__waits_until_it_falls(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any
) -> None:
    outbox = open_outbox(max_fee_per_gas_wei=10**10)
    anvil.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**11))
    anvil.mine()
    outbox.enqueue("a", *mint(5))
    outbox.step()
    status = outbox.status("a")
    assert status is not None
    assert status.state is OutboxState.QUEUED
    assert "the cap is 10000000000" in status.error
    anvil.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    anvil.mine()
    anvil.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    outbox.step()
    outbox.step()
    assert state_of(outbox, "a") is OutboxState.FINAL


def test_step__refused_already_when_estimated__fails_without_a_transaction_and_can_be_retried(
    chain: Chain, open_outbox: OpenOutbox, token: Any, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    outbox = open_outbox()
    outbox.enqueue("a", token.address, calldata(token.functions.transfer(outsider.address, 5)))
    outbox.step()
    status = outbox.status("a")
    assert status is not None
    assert status.state is OutboxState.FAILED
    assert status.error.startswith("ERC20InsufficientBalance(")
    assert chain.node.transaction_count(transmitter.address) == 0
    chain.transact(outsider, token.functions.mint(transmitter.address, 5))
    assert outbox.retry("a")
    outbox.step()
    outbox.step()
    assert state_of(outbox, "a") is OutboxState.FINAL
    assert not outbox.retry("a")


def test_step__depends_on_one_under_way__is_sent_after_it(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, token: Any, mint: Any, outsider: LocalAccount
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    outbox = open_outbox()
    outbox.enqueue("money", *mint(5))
    outbox.enqueue("spend", token.address, calldata(token.functions.transfer(outsider.address, 5)))
    outbox.step()
    anvil.mine()
    outbox.step()
    assert outbox.counts() == {"final": 2}
    assert chain.call(token.functions.balanceOf(outsider.address)) == 5


def test_step__refused_while_another_is_under_way__is_judged_only_after_that(
    anvil: Anvil, open_outbox: OpenOutbox, token: Any, mint: Any, outsider: LocalAccount
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    outbox = open_outbox()
    outbox.enqueue("money", *mint(5))
    outbox.enqueue("spend", token.address, calldata(token.functions.transfer(outsider.address, 6)))
    outbox.step()
    assert (state_of(outbox, "money"), state_of(outbox, "spend")) == (OutboxState.SENT, OutboxState.QUEUED)
    anvil.mine()
    outbox.step()
    assert (state_of(outbox, "money"), state_of(outbox, "spend")) == (OutboxState.FINAL, OutboxState.FAILED)


# INV-O9
def test_step__nonce_used_past_the_outbox__halts_and_is_signed_anew_when_resumed(
    chain: Chain,
    anvil: Anvil,
    open_outbox: OpenOutbox,
    mint: Any,
    token: Any,
    transmitter: LocalAccount,
    tmp_path: Path,
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    outbox = open_outbox()
    outbox.enqueue("a", *mint(5))
    outbox.step()
    anvil.node.rpc("anvil_dropAllTransactions")
    foreign = Chain(anvil.url, chain.manifest)
    foreign.send([(transmitter, token.functions.mint(transmitter.address, 100))])
    anvil.mine()
    outbox.step()
    status = outbox.status("a")
    assert status is not None
    assert (status.state, "nonce too low" in status.error, outbox.halted) == (OutboxState.SIGNED, True, "")
    anvil.mine(2)
    outbox.step()
    assert "nonce 0 of" in outbox.halted
    assert "meant for a, was used by another" in outbox.halted
    anvil.mine(REORG_DEPTH)
    outbox.step()
    assert state_of(outbox, "a") is OutboxState.SIGNED  # nothing moves before an operator says so
    ask(tmp_path, "resume")
    outbox.step()
    assert outbox.halted == ""
    anvil.mine()
    outbox.step()
    anvil.mine()
    outbox.step()
    assert state_of(outbox, "a") is OutboxState.FINAL
    assert supply(chain) == 105
    assert chain.node.transaction_count(transmitter.address) == 2


def test_step__node_away__is_a_chain_error_and_nothing_is_lost(
    chain: Chain, manifest: Manifest, transmitter: LocalAccount, tmp_path: Path, mint: Any
) -> None:
    with Anvil() as other:
        away = Chain(other.url, Manifest(chain_id=other.chain_id, contracts={}))
        outbox = Outbox(away, LocalKey(transmitter), tmp_path / "other.sqlite")
    outbox.enqueue("a", *mint(5))
    with pytest.raises(ChainError, match="no node answers"):
        outbox.step()
    assert outbox.counts() == {"queued": 1}
    outbox.close()


def test_open_outbox__other_account_or_chain__is_refused(
    chain: Chain, open_outbox: OpenOutbox, outsider: LocalAccount, tmp_path: Path
) -> None:
    open_outbox().close()
    with pytest.raises(ConfigError, match=f"is for 0x.* on chain 31337 .*, not {outsider.address}"):
        Outbox(chain, LocalKey(outsider), tmp_path / "outbox.sqlite")


def test_open_outbox__in_use_by_another_process__is_refused(
    chain: Chain, open_outbox: OpenOutbox, transmitter: LocalAccount, tmp_path: Path
) -> None:
    open_outbox()
    with pytest.raises(StoreError, match="cannot be opened") as raised:
        Outbox(chain, LocalKey(transmitter), tmp_path / "outbox.sqlite")
    assert raised.value.hint == "stop that first"
