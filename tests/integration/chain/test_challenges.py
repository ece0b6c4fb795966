"""Challenges seen through the client, and answered through the outbox: whose, where they stand, reorganisations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.abi import abi_of
from gridwitness.chain.anvil import Anvil
from gridwitness.chain.attestation import proof_tuple
from gridwitness.chain.challenges import ChallengeView, encode_answer, read_bond
from gridwitness.chain.client import Chain
from gridwitness.chain.outbox import Outbox
from gridwitness.chain.outbox_store import OutboxState
from gridwitness.chain.signing_key import LocalKey
from gridwitness.domain.challenges import Bond, Challenge, ChallengeStatus
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.readings import ScoredReading
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from gridwitness.encoding.leaves import READING_TYPES, reading_fields, reading_leaf, schema_of
from gridwitness.errors import NodeUnavailable
from tests.deployed import dev_account
from tests.integration.chain.outbox_scene import PromptOutbox
from tests.integration.chain.parties import Committee, register, rotate, scored_reading

BOND, STAKE, WINDOW_S = 1_000_000, 700, 3_600
METER = P256Key(21)


class Court:
    """A bonded stream with attested readings of one meter, and somebody who doubts them."""

    def __init__(self, chain: Chain, committee: Committee, owner: LocalAccount) -> None:
        self.chain, self.committee, self.owner, self.doubter = chain, committee, owner, dev_account(3)
        self.token = chain.contract("EuroToken")
        self.bonds = chain.web3.eth.contract(
            address=chain.manifest.address("DataAttestation"), abi=abi_of("StreamBonds")
        )
        self.readings: list[ScoredReading] = []
        for account in (self.owner, self.doubter):
            chain.transact(account, self.token.functions.mint(account.address, 10 * BOND))
            chain.transact(account, self.token.functions.approve(self.bonds.address, 10 * BOND))

    def put_up_bond(self) -> None:
        stream_id, calls = self.committee.stream_id, self.bonds.functions
        self.chain.transact(self.owner, calls.setBondTerms(stream_id, self.token.address, STAKE, WINDOW_S))
        self.chain.transact(self.owner, calls.depositBond(stream_id, BOND))

    def attest(self, count: int) -> None:
        time = self.chain.head_time() // 900 * 900
        self.readings = [
            scored_reading(self.chain, METER, index + 1, time - 900 * index, 5, 9) for index in range(count)
        ]
        self.committee.attest(self.owner, [reading_leaf(one) for one in self.readings])

    def challenge(self, index: int) -> None:
        proof = proof_tuple(self.committee.proof(1, index))
        fields = reading_fields(self.readings[index])
        self.chain.transact(self.doubter, self.bonds.functions.challenge(fields, proof, STAKE))

    def answer(self, challenge: Challenge, account: LocalAccount) -> None:
        signature = self.readings[challenge.leaf[1] - 1].signed.signature
        self.chain.transact(
            account, self.bonds.functions.answer(challenge.challenge_id, challenge.leaf, signature, b"")
        )

    def convict(self, challenge: Challenge) -> None:
        self.chain.transact(self.doubter, self.bonds.functions.convict(challenge.challenge_id))


@pytest.fixture
def court(
    chain: Chain, open_stream: Callable[[str, bytes], bytes], oracles: list[LocalAccount], deployer: LocalAccount
) -> Court:
    register(chain, deployer, deployer.address, METER, DeviceKind.CONSUMPTION, 1)
    return Court(chain, Committee(chain, open_stream("readings", schema_of(READING_TYPES)), oracles, 2), deployer)


@pytest.fixture
def view(chain: Chain, court: Court, transmitter: LocalAccount) -> ChallengeView:
    return ChallengeView(chain, court.committee.stream_id, transmitter.address, block_range=7, reorg_depth=3)


@pytest.fixture
def outbox(chain: Chain, anvil: Anvil, transmitter: LocalAccount, tmp_path: Path) -> Iterator[Outbox]:
    opened = PromptOutbox(anvil, chain, LocalKey(transmitter), tmp_path / "outbox.sqlite")
    yield opened
    opened.close()


def standing(chain: Chain, view: ChallengeView) -> dict[str, list[int]]:
    """Counters of the readings challenged, by where that stands."""
    view.sync(chain.head_number())
    found = {status.name: [one.leaf[1] for one in view.challenges(status)] for status in ChallengeStatus}
    return {name: counters for name, counters in found.items() if counters}


def test_follow_challenges__made_answered_and_lost__each_stands_where_it_does(
    chain: Chain, anvil: Anvil, court: Court, view: ChallengeView, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    court.put_up_bond()
    court.attest(3)
    assert standing(chain, view) == {}
    for index in range(3):
        court.challenge(index)
    assert standing(chain, view) == {"OPEN": [1, 2, 3]}
    first, second, third = view.challenges(ChallengeStatus.OPEN)
    assert (first.leaf, first.seq, first.stake) == (reading_fields(court.readings[0]), 1, STAKE)
    assert (first.window_s, first.challenger) == (WINDOW_S, court.doubter.address)
    assert first.deadline <= chain.head_time() + WINDOW_S
    court.answer(first, transmitter)
    court.answer(second, outsider)
    assert standing(chain, view) == {"OPEN": [3], "ANSWERED": [1, 2]}
    assert view.own_answers() == 1
    anvil.set_next_time(third.deadline + 1)
    court.convict(third)
    anvil.mine(5)  # what ended is asked about no more, and stays known
    for _ in range(2):
        assert standing(chain, view) == {"ANSWERED": [1, 2], "CONVICTED": [3]}


def test_follow_challenges__reorganised__are_open_again_and_then_gone(
    chain: Chain, anvil: Anvil, court: Court, view: ChallengeView, transmitter: LocalAccount
) -> None:
    court.put_up_bond()
    court.attest(1)
    court.challenge(0)
    standing(chain, view)
    court.answer(*view.challenges(ChallengeStatus.OPEN), transmitter)
    assert standing(chain, view) == {"ANSWERED": [1]}
    anvil.node.rpc("anvil_reorg", 1, [])
    assert standing(chain, view) == {"OPEN": [1]}
    assert view.own_answers() == 0
    anvil.node.rpc("anvil_reorg", 2, [])
    assert standing(chain, view) == {}


def test_follow_challenges__block_of_one_is_not_told__is_taken_with_its_window_once_it_is(
    chain: Chain, court: Court, view: ChallengeView, monkeypatch: pytest.MonkeyPatch
) -> None:
    court.put_up_bond()
    court.attest(1)
    court.challenge(0)
    made_in, ask = chain.head_number(), chain.node.block
    with monkeypatch.context() as context:  # as of a node that is behind the one that told of the challenge
        context.setattr(chain.node, "block", lambda number="latest": None if number == made_in else ask(number))
        with pytest.raises(NodeUnavailable, match=f"no block {made_in}"):
            view.sync(made_in)
    assert standing(chain, view) == {"OPEN": [1]}
    (doubt,) = view.challenges(ChallengeStatus.OPEN)
    assert doubt.window_s == WINDOW_S


def test_answer__final_at_once_and_then_reorganised__same_bytes_are_sent_again(
    chain: Chain, anvil: Anvil, court: Court, view: ChallengeView, outbox: Outbox
) -> None:
    court.put_up_bond()
    court.attest(1)
    court.challenge(0)
    standing(chain, view)
    (doubt,) = view.challenges(ChallengeStatus.OPEN)
    outbox.enqueue("a", view.address, encode_answer(doubt, court.readings[0].signed.signature))
    for _ in range(2):
        outbox.step()
    before = outbox.status("a")
    assert before is not None
    assert before.state is OutboxState.FINAL
    assert not outbox.reopen("a")
    anvil.node.rpc("anvil_reorg", 1, [])
    assert standing(chain, view) == {"OPEN": [1]}
    assert outbox.reopen("a")
    for _ in range(2):
        outbox.step()
    after = outbox.status("a")
    assert after is not None
    assert (after.state, after.transaction) == (OutboxState.FINAL, before.transaction)
    assert standing(chain, view) == {"ANSWERED": [1]}


def test_read_bond__without_and_with_terms(chain: Chain, court: Court) -> None:
    stream_id = court.committee.stream_id
    assert read_bond(chain, stream_id) is None
    court.put_up_bond()
    assert read_bond(chain, stream_id) == Bond(court.token.address, WINDOW_S, 0, 0, BOND, STAKE)


def test_judge_signature__key_rotated__counts_for_readings_of_its_time_and_900_s_on(
    chain: Chain, view: ChallengeView, deployer: LocalAccount
) -> None:
    newer: Any = Secp256k1Key(22)
    rotated_at = chain.head_time() + 10
    rotate(chain, deployer, METER.device_id, newer, rotated_at, 0)

    def judged(key: Any, time: int) -> bool:
        return view.is_signed(scored_reading(chain, key, 1, time, 5, 9, METER.device_id).signed)

    assert [judged(METER, rotated_at + later) for later in (-1, 0, 899, 900)] == [True, True, True, False]
    assert [judged(newer, rotated_at + later) for later in (-1, 0, 900)] == [False, True, True]
    assert not judged(P256Key(99), rotated_at)
