"""The outbox in trouble: lost answers, forgetful pools, forks, dear blocks, empty accounts, other senders."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import MAX_TRANSACTION_GAS, Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.outbox import CANCELLED, Outbox
from gridwitness.chain.outbox_store import OutboxState, OutboxStore
from gridwitness.chain.signing_key import LocalKey
from gridwitness.errors import NodeUnavailable, StoreError
from tests.chaos.proxy import Fault, Kind, RpcProxy
from tests.integration.chain.outbox_scene import (
    OpenOutbox,
    ask,
    error_of,
    pool_entries,
    pooled,
    state_of,
    transaction_of,
)
from tests.integration.chain.parties import supply
from tests.integration.chain.test_outbox_command import run

ETHER = 10**18
# Init code that never ends, as an address that is called: PUSH1 0, JUMPDEST, …: a loop without an exit.
ENDLESS = "0x5b600056"
ENDLESS_AT = "0x00000000000000000000000000000000000E4d1e"


@pytest.fixture
def proxy(anvil: Anvil) -> Iterator[RpcProxy]:
    with RpcProxy(anvil.url) as running:
        yield running


@pytest.fixture
def through(proxy: RpcProxy, manifest: Manifest) -> Chain:
    return Chain(proxy.url, manifest)


def await_mined(chain: Chain, address: str) -> None:
    """Until the node, which mines by itself, has mined all it has: a step that comes before that is not counted."""
    while chain.node.transaction_count(address, "pending") != chain.node.transaction_count(address):
        time.sleep(0.01)


# INV-O9
@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "eth_getTransactionReceipt", "eth_estimateGas"])
@pytest.mark.parametrize("kind", [Kind.DROP_AFTER_SEND, Kind.RESET, Kind.TRUNCATED, Kind.SERVER_ERROR])
def test_step__answer_lost__is_mined_once(
    chain: Chain,
    through: Chain,
    proxy: RpcProxy,
    open_outbox: OpenOutbox,
    mint: Any,
    transmitter: LocalAccount,
    kind: Kind,
    method: str,
) -> None:
    outbox = open_outbox(through)
    outbox.enqueue("a", *mint(5))
    proxy.inject(Fault(kind, method=method))
    steps = 0
    while state_of(outbox, "a") is not OutboxState.FINAL:
        steps += 1
        try:
            outbox.step()
        except NodeUnavailable:
            assert proxy.struck[kind] == 1
        await_mined(chain, transmitter.address)
    assert (proxy.struck[kind], supply(chain)) == (1, 5)
    assert steps <= 3


def test_step__node_back__next_transaction_leaves_at_the_first_poll(
    chain: Chain, through: Chain, proxy: RpcProxy, anvil: Anvil, open_outbox: OpenOutbox, mint: Any
) -> None:
    """No back-off grows while the node is away, so what passes after its return is one poll."""
    anvil.node.rpc("evm_setAutomine", False)
    outbox = open_outbox(through)
    outbox.enqueue("a", *mint(5))
    proxy.inject(Fault(Kind.RESET, times=None))
    for _ in range(50):
        with pytest.raises(NodeUnavailable):
            outbox.step()
    proxy.clear()
    outbox.step()
    assert len(pooled(anvil)) == 1


# INV-O9
def test_step__already_known__counts_as_sent(
    anvil: Anvil, through: Chain, proxy: RpcProxy, open_outbox: OpenOutbox, mint: Any
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    outbox = open_outbox(through)
    outbox.enqueue("a", *mint(5))
    outbox.step()
    (digest,) = pooled(anvil)
    raw = anvil.node.rpc("eth_getRawTransactionByHash", digest)
    with pytest.raises(Exception, match=r"already (imported|known)"):
        anvil.node.rpc("eth_sendRawTransaction", raw)
    # A node behind a balancer that does not show what it has: the bytes go to it again.
    proxy.inject(Fault(Kind.STALE_HEAD, method="eth_getTransactionByHash"))
    outbox.step()
    assert (state_of(outbox, "a"), error_of(outbox, "a"), pooled(anvil)) == (OutboxState.SENT, "", [digest])


# INV-O9
def test_step__replacement_lost_and_first_one_mined__is_final_by_the_first(
    chain: Chain, through: Chain, proxy: RpcProxy, anvil: Anvil, open_outbox: OpenOutbox, mint: Any
) -> None:
    """The replacement's nonce is too low by then; the mined transaction is the outbox's own all the same."""
    anvil.node.rpc("evm_setAutomine", False)
    outbox = open_outbox(through, replace_after_s=0)
    outbox.enqueue("a", *mint(5))
    outbox.step()
    (first,) = pooled(anvil)
    proxy.inject(Fault(Kind.RESET, method="eth_sendRawTransaction"))
    with pytest.raises(NodeUnavailable):
        outbox.step()
    anvil.mine()
    outbox.step()
    assert (state_of(outbox, "a"), outbox.halted) == (OutboxState.FINAL, "")
    assert transaction_of(outbox, "a").hex() == first[2:]
    assert supply(chain) == 5


# INV-O9
def test_step__first_of_several_dropped__the_gap_is_filled_with_the_same_bytes(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    outbox = open_outbox()
    for index in range(4):
        outbox.enqueue(f"mint {index}", *mint(1))
    outbox.step()
    before = {entry["nonce"]: entry["hash"] for entry in pool_entries(anvil)}
    anvil.node.rpc("anvil_dropTransaction", before["0x0"])
    anvil.mine()
    assert supply(chain) == 0  # the rest waits behind the gap
    outbox.step()
    assert {entry["nonce"]: entry["hash"] for entry in pool_entries(anvil)} == before
    anvil.mine()
    outbox.step()
    assert (outbox.counts(), supply(chain)) == ({"final": 4}, 4)


# INV-O9
@pytest.mark.parametrize("depth", [1, 2, 3, 12, 32])
def test_step__reorganised_by_some_depth__same_bytes_are_final_again_within_two_blocks(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any, depth: int
) -> None:
    anvil.mine(40)
    outbox = open_outbox(confirmations=2)
    outbox.enqueue("a", *mint(5))
    outbox.step()
    anvil.mine(depth - 1)
    outbox.step()
    first = transaction_of(outbox, "a")
    assert state_of(outbox, "a") is (OutboxState.FINAL if depth > 2 else OutboxState.MINED)
    anvil.node.rpc("anvil_reorg", depth, [])
    assert supply(chain) == 0
    outbox.step()  # notices, and hands the bytes in again; they are mined at once
    anvil.mine(2)
    outbox.step()
    assert (state_of(outbox, "a"), transaction_of(outbox, "a"), outbox.halted) == (OutboxState.FINAL, first, "")
    assert supply(chain) == 5


def test_step__base_fee_leaps_above_the_cap_while_under_way__says_so_and_goes_on_when_it_falls(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    cap_wei = 20 * 10**9
    outbox = open_outbox(replace_after_s=0, max_fee_per_gas_wei=cap_wei)
    outbox.enqueue("a", *mint(5))
    outbox.step()
    anvil.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10 * cap_wei))
    anvil.mine()
    for _ in range(3):
        outbox.step()
    assert f"the cap is {cap_wei}" in error_of(outbox, "a")
    assert all(int(entry["maxFeePerGas"], 16) <= cap_wei for entry in pool_entries(anvil))
    outbox.enqueue("b", *mint(5))
    outbox.step()
    assert f"the cap is {cap_wei}" in error_of(outbox, "b")
    anvil.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    anvil.mine()
    outbox.step()
    anvil.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    anvil.mine()
    outbox.step()
    assert (outbox.counts(), supply(chain)) == ({"final": 2}, 10)


def test_step__no_money__says_so_and_sends_the_same_bytes_when_there_is(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any, transmitter: LocalAccount
) -> None:
    anvil.node.rpc("anvil_setBalance", transmitter.address, "0x1")
    outbox = open_outbox()
    outbox.enqueue("a", *mint(5))
    outbox.step()
    assert state_of(outbox, "a") is not OutboxState.FAILED
    assert "nsufficient funds" in error_of(outbox, "a")
    anvil.node.rpc("anvil_setBalance", transmitter.address, hex(ETHER))
    outbox.step()
    outbox.step()
    assert (outbox.counts(), supply(chain)) == ({"final": 1}, 5)


def test_step__needs_more_gas_than_a_transaction_may_take__fails_and_those_behind_it_go(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any
) -> None:
    anvil.node.rpc("anvil_setCode", ENDLESS_AT, ENDLESS)
    outbox = open_outbox()
    outbox.enqueue("endless", ENDLESS_AT, b"")
    outbox.enqueue("a", *mint(5))
    outbox.step()
    outbox.step()
    assert (state_of(outbox, "endless"), state_of(outbox, "a")) == (OutboxState.FAILED, OutboxState.FINAL)
    assert error_of(outbox, "endless")
    assert supply(chain) == 5


def test_step__block_gas_limit_below_the_estimate__fails_and_names_both(
    anvil: Anvil, open_outbox: OpenOutbox, mint: Any
) -> None:
    to, data = mint(5)
    outbox = open_outbox()
    outbox.enqueue("a", to, data)
    # Call data of a megabyte costs 16 gas a byte that is not zero, 40 by EIP-7623: more than a transaction may take.
    outbox.enqueue("big", to, data + b"\x01" * (MAX_TRANSACTION_GAS // 40 + 1))
    outbox.enqueue("b", to, data)
    for _ in range(3):
        outbox.step()
    assert (state_of(outbox, "a"), state_of(outbox, "b")) == (OutboxState.FINAL, OutboxState.FINAL)
    assert state_of(outbox, "big") is OutboxState.FAILED


def test_cancel__under_way__nothing_is_sent_in_its_place(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any, transmitter: LocalAccount, tmp_path: Path
) -> None:
    outbox = open_outbox()
    outbox.enqueue("first", *mint(1))  # so that no mint after it is the first, which takes more gas
    outbox.step()
    anvil.node.rpc("evm_setAutomine", False)
    outbox.enqueue("a", *mint(5))
    outbox.enqueue("b", *mint(7))
    outbox.step()
    before = {entry["nonce"]: int(entry["maxFeePerGas"], 16) for entry in pool_entries(anvil)}
    ask(tmp_path, "cancel", "a")
    outbox.step()
    (empty,) = [entry for entry in pool_entries(anvil) if entry["nonce"] == "0x1"]
    assert (empty["to"].lower(), empty["value"], empty["input"]) == (transmitter.address.lower(), "0x0", "0x")
    assert int(empty["maxFeePerGas"], 16) * 8 >= before["0x1"] * 9
    anvil.mine()
    outbox.step()
    assert (state_of(outbox, "a"), error_of(outbox, "a")) == (OutboxState.FAILED, CANCELLED)
    assert (state_of(outbox, "b"), supply(chain)) == (OutboxState.FINAL, 8)
    ask(tmp_path, "retry", "a")
    outbox.step()
    anvil.mine()
    outbox.step()
    assert (outbox.counts(), supply(chain), outbox.halted) == ({"final": 3}, 13, "")


def test_cancel__queued_or_mined__is_dropped_or_left(
    chain: Chain, open_outbox: OpenOutbox, mint: Any, tmp_path: Path
) -> None:
    outbox = open_outbox()
    outbox.enqueue("a", *mint(5))
    ask(tmp_path, "cancel", "a")
    outbox.step()
    assert (state_of(outbox, "a"), error_of(outbox, "a"), supply(chain)) == (OutboxState.FAILED, CANCELLED, 0)
    outbox.enqueue("b", *mint(7))
    outbox.step()
    ask(tmp_path, "cancel", "b")
    outbox.step()
    outbox.step()
    assert (state_of(outbox, "b"), supply(chain)) == (OutboxState.FINAL, 7)


def test_cancel__fees_above_the_cap__is_remembered_and_done_when_they_fall(
    chain: Chain, anvil: Anvil, open_outbox: OpenOutbox, mint: Any, transmitter: LocalAccount, tmp_path: Path
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    cap_wei = 20 * 10**9
    outbox = open_outbox(max_fee_per_gas_wei=cap_wei)
    outbox.enqueue("a", *mint(5))
    outbox.step()
    anvil.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10 * cap_wei))
    anvil.mine()
    ask(tmp_path, "cancel", "a")
    outbox.step()
    outbox = open_outbox(max_fee_per_gas_wei=cap_wei)
    outbox.step()
    (listed,) = json.loads(run("list", "--json", folder=tmp_path).output)["transactions"]
    assert (listed["asked"], listed["attempts"]) == ("cancel", 1)
    for digest in pooled(anvil):  # or it would be mined in the very block in which fees fall
        anvil.node.rpc("anvil_dropTransaction", digest)
    anvil.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    anvil.mine()
    outbox.step()
    (empty,) = pool_entries(anvil)
    assert (empty["to"].lower(), empty["input"]) == (transmitter.address.lower(), "0x")
    anvil.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    anvil.mine()
    outbox.step()
    assert (state_of(outbox, "a"), error_of(outbox, "a"), supply(chain)) == (OutboxState.FAILED, CANCELLED, 0)
    (listed,) = json.loads(run("list", "--json", folder=tmp_path).output)["transactions"]
    assert listed["asked"] is None


def test_step__somebody_else_sends__halts_until_resumed_even_after_a_restart(
    chain: Chain,
    anvil: Anvil,
    open_outbox: OpenOutbox,
    mint: Any,
    token: Any,
    transmitter: LocalAccount,
    tmp_path: Path,
) -> None:
    outbox = open_outbox()
    outbox.enqueue("a", *mint(5))
    outbox.step()
    outbox.step()
    Chain(anvil.url, chain.manifest).transact(transmitter, token.functions.mint(transmitter.address, 100))
    outbox.enqueue("b", *mint(5))
    outbox.step()
    assert "nonce 1 of" in outbox.halted
    assert "not by this outbox" in outbox.halted
    outbox = open_outbox()
    outbox.step()
    assert (state_of(outbox, "b"), bool(outbox.halted)) == (OutboxState.QUEUED, True)
    ask(tmp_path, "resume")
    outbox.step()
    outbox.step()
    assert (outbox.counts(), outbox.halted, supply(chain)) == ({"final": 2}, "", 110)


def test_open_outbox__account_that_sent_before__is_no_reason_to_halt(
    chain: Chain, open_outbox: OpenOutbox, mint: Any, token: Any, transmitter: LocalAccount
) -> None:
    chain.transact(transmitter, token.functions.mint(transmitter.address, 100))
    outbox = open_outbox()
    outbox.enqueue("a", *mint(5))
    outbox.step()
    outbox.step()
    assert (outbox.counts(), outbox.halted) == ({"final": 1}, "")


def test_open_outbox__key_used_by_another_data_folder__is_refused(
    transmitter: LocalAccount, outsider: LocalAccount, tmp_path: Path
) -> None:
    key = LocalKey(transmitter)
    with Anvil(chain_id=77_002) as other:
        chain = Chain(other.url, Manifest(chain_id=other.chain_id, contracts={}))
        first = Outbox(chain, key, tmp_path / "first.sqlite", lease_folder=tmp_path)
        with pytest.raises(
            StoreError, match=f"another process of this machine sends from {key.address} on chain 77002"
        ):
            Outbox(chain, key, tmp_path / "second.sqlite", lease_folder=tmp_path)
        Outbox(chain, LocalKey(outsider), tmp_path / "third.sqlite", lease_folder=tmp_path).close()
        first.close()
        Outbox(chain, key, tmp_path / "second.sqlite", lease_folder=tmp_path).close()


def test_reckon_runway__after_transactions__is_balance_by_what_they_took(
    anvil: Anvil, open_outbox: OpenOutbox, mint: Any, transmitter: LocalAccount, tmp_path: Path
) -> None:
    outbox = open_outbox()
    before = anvil.node.balance_wei(transmitter.address)
    for index in range(3):
        outbox.enqueue(f"mint {index}", *mint(1))
    outbox.step()
    outbox.step()
    spent_wei = before - anvil.node.balance_wei(transmitter.address)
    left = outbox.runway()
    assert left is not None
    assert left.balance_wei == before - spent_wei
    assert left.spent_wei_per_day == spent_wei
    assert outbox.warnings() == []
    anvil.node.rpc("anvil_setBalance", transmitter.address, hex(2 * spent_wei))
    anvil.mine()
    outbox.step()
    assert outbox.warnings() == [f"{transmitter.address} has money for 2.0 days; the alarm is at 7"]


def test_open_outbox__file_of_the_first_version__keeps_what_is_in_it(
    chain: Chain, open_outbox: OpenOutbox, mint: Any, tmp_path: Path
) -> None:
    outbox = open_outbox()
    outbox.enqueue("a", *mint(5))
    outbox.step()
    outbox.close()
    store = OutboxStore(tmp_path / "outbox.sqlite", None)
    store._database.executescript(
        "DROP TABLE spendings; DROP TABLE requests; ALTER TABLE attempts DROP COLUMN cancels;"
        "ALTER TABLE sender DROP COLUMN next_nonce; ALTER TABLE sender DROP COLUMN halted;"
        "ALTER TABLE sender DROP COLUMN forgiven_below; PRAGMA user_version = 0;"
    )
    store.close()
    outbox = open_outbox()
    outbox.enqueue("b", *mint(7))
    outbox.step()
    outbox.step()
    assert (outbox.counts(), outbox.halted, supply(chain)) == ({"final": 2}, "", 12)
