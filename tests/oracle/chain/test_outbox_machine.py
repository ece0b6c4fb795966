"""The outbox against whatever chain, pool, operators and kills may do: no intent is mined twice, none is lost."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from eth_account import Account
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gridwitness.chain.client import Chain
from gridwitness.chain.fees import GWEI
from gridwitness.chain.followers import REORG_DEPTH
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.outbox import Outbox, OutboxRules
from gridwitness.chain.outbox_store import OutboxStore
from gridwitness.chain.signing_key import LocalKey
from tests.oracle.chain.simulated_node import BASE_FEE_WEI, CHAIN_ID, Killed, SimulatedNode

KEY = LocalKey(Account.from_key(b"\x07" * 32))
CAP_WEI = 200 * GWEI
CONTRACT = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"
MEMORY = Path(
    "/dev/shm"
)  # every transaction of the store is synchronised; a disk would make that the test's whole time


class OutboxMachine(RuleBasedStateMachine):
    """Rules are what happens around the outbox; {settle} is what must always be reached from there."""

    @initialize(replace_after_s=st.sampled_from([0.0, 1e9]), confirmations=st.integers(0, 3))
    def begin(self, replace_after_s: float, confirmations: int) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.rules = OutboxRules(confirmations, CAP_WEI, replace_after_s)
        self.node = SimulatedNode()
        self.keys: list[str] = []
        self.cancelled: set[str] = set()
        self.points = 0
        self.kill_at: int | None = None
        self.node.point = self.point
        self.outbox = self.open()

    def open(self) -> Outbox:
        with patch("gridwitness.chain.node.Failover", lambda *_: self.node):
            chain = Chain("http://simulated", Manifest(chain_id=CHAIN_ID, contracts={}))
        return Outbox(chain, KEY, self.folder / "outbox.sqlite", self.rules)

    def point(self) -> None:
        """A moment at which the process may end."""
        self.points += 1
        if self.points == self.kill_at:
            raise Killed

    @contextmanager
    def killed_at(self, kill_at: int | None) -> Iterator[None]:
        """Let a process begin, end it at its n-th point, and start another in its place."""
        self.points, self.kill_at = 0, kill_at
        plain = OutboxStore._transaction

        @contextmanager
        def watched(store: OutboxStore) -> Iterator[Any]:
            self.point()
            with plain(store) as database:
                yield database
            self.point()

        try:
            with patch.object(OutboxStore, "_transaction", watched):
                yield
        except Killed:
            self.kill_at = None
            self.outbox._store.close()  # as the end of a process does: what was not committed is gone
            self.outbox = self.open()
        self.kill_at = None

    @rule(kill_at=st.none() | st.integers(1, 3))
    def enqueue(self, kill_at: int | None) -> None:
        key = f"intent {len(self.keys)}"
        call = (key, CONTRACT, len(self.keys).to_bytes(4, "big") + b"call")
        with self.killed_at(kill_at):
            self.outbox.enqueue(*call)
        self.outbox.enqueue(*call)  # whoever was not told that it is queued asks again
        self.keys.append(key)

    @rule(kill_at=st.none() | st.integers(1, 80))
    def step(self, kill_at: int | None) -> None:
        with self.killed_at(kill_at):
            self.outbox.step()

    @rule(kill_at=st.integers(20, 45))
    def die_in_the_middle(self, kill_at: int) -> None:
        """About where a queued intent is signed and sent; and the next block comes before the next process."""
        self.enqueue(None)
        with self.killed_at(kill_at):
            self.outbox.step()
        self.node.mine()

    @rule(depth=st.integers(0, 6))
    def finish(self, depth: int) -> None:
        """Quiet times in which most becomes final, and a reorganisation that takes it back."""
        for _ in range(self.rules.confirmations + 1):
            self.outbox.step()
            self.node.mine()
        self.outbox.step()
        self.node.reorganise(depth, remember=False)

    @rule(most=st.integers(0, 4))
    def mine(self, most: int) -> None:
        self.node.mine(most)

    @rule(depth=st.integers(1, 6), remember=st.booleans())
    def reorganise(self, depth: int, remember: bool) -> None:
        self.node.reorganise(depth, remember=remember)

    @rule()
    def forget_pool(self) -> None:
        for nonce in list(self.node.pool):
            self.node.forget(nonce)

    @precondition(lambda self: self.node.pool)
    @rule(data=st.data())
    def forget_one(self, data: st.DataObject) -> None:
        self.node.forget(data.draw(st.sampled_from(sorted(self.node.pool))))

    @rule(factor=st.sampled_from([1, 5, 50, 500]))
    def change_base_fee(self, factor: int) -> None:
        self.node.base_fee_wei = BASE_FEE_WEI * factor

    @rule()
    def send_from_elsewhere(self) -> None:
        self.node.send_from_elsewhere()

    @precondition(lambda self: self.keys)
    @rule(data=st.data(), verb=st.sampled_from(["cancel", "retry"]))
    def ask(self, data: st.DataObject, verb: str) -> None:
        key = data.draw(st.sampled_from(self.keys))
        if verb == "cancel":
            self.cancelled.add(key)
        self.outbox._store.request(verb, key)

    @precondition(lambda self: self.outbox.halted)
    @rule()
    def resume(self) -> None:
        self.outbox._store.request("resume", "")

    @invariant()
    def none_is_mined_twice(self) -> None:
        calls = self.node.calls()
        assert len(calls) == len(set(calls))

    def teardown(self) -> None:
        """From wherever it is, quiet blocks and an operator who resumes bring every intent to its end."""
        if hasattr(self, "outbox"):
            try:
                self.settle()
            finally:
                self.outbox.close()
                shutil.rmtree(self.folder)

    def settle(self) -> None:
        self.node.base_fee_wei = BASE_FEE_WEI
        for _ in range(20 * (len(self.keys) + 1)):
            if self.outbox.halted:
                self.outbox._store.request("resume", "")
            self.outbox.step()
            self.none_is_mined_twice()
            for _ in range(REORG_DEPTH + 1):
                self.node.mine()
            if set(self.outbox.counts()) <= {"final", "failed"} and not self.outbox.halted:
                break
        self.outbox.step()
        states = {key: self.outbox.status(key) for key in self.keys}
        lost = {key: status for key, status in states.items() if status is None or status.state != "final"}
        assert set(lost) <= self.cancelled, lost
        mined = {int.from_bytes(call[:4], "big") for call in self.node.calls()}
        assert mined == {index for index, key in enumerate(self.keys) if key not in lost}, (mined, states)


# INV-O9, INV-O10
TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


# INV-O9, INV-O10
@pytest.mark.parametrize("depth", [0, 5])
def test_kill__at_each_point_of_a_step__is_mined_once_and_again_after_a_reorganisation(depth: int) -> None:
    for kill_at in range(1, 100):
        machine = OutboxMachine()
        machine.begin(replace_after_s=1e9, confirmations=1)
        machine.enqueue(None)
        machine.step(kill_at)
        unharmed = machine.points < kill_at
        machine.mine(4)
        machine.finish(depth)
        machine.none_is_mined_twice()
        machine.teardown()
        if unharmed:
            break
    assert kill_at > 30  # the kill fell on many points before a step came through
