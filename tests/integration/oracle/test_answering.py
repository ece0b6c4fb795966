"""Challenges of what three oracles attested: answered by themselves, once, whatever is down; or named as hopeless."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner, Result

from gridwitness.chain.abi import abi_of
from gridwitness.chain.attestation import StreamView, proof_tuple
from gridwitness.chain.client import Chain
from gridwitness.cli import build_app
from gridwitness.domain.batches import Proof
from gridwitness.domain.challenges import ChallengeStatus
from gridwitness.domain.readings import SignedReading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import leaf_hash
from gridwitness.encoding.merkle import StandardMerkleTree
from gridwitness.service.proofs import parse_proof
from tests.deployed import dev_account
from tests.integration.chain.parties import Committee
from tests.integration.oracle.village import Oracle, Village, eventually, start_all

BOND, STAKE, WINDOW_S = 1_000_000, 700, 3_600
Challenge = Callable[[tuple[Any, ...], Proof], bytes]


@pytest.fixture
def bonds(chain: Chain) -> Any:
    return chain.web3.eth.contract(address=chain.manifest.address("DataAttestation"), abi=abi_of("StreamBonds"))


@pytest.fixture
def bonded(chain: Chain, bonds: Any, village: Village, deployer: LocalAccount) -> bytes:
    """The readings stream, with a bond of its owner; its id."""
    stream_id, token = village.chain.manifest.streams["readings"], chain.contract("EuroToken")
    for function in (
        token.functions.mint(deployer.address, BOND),
        token.functions.approve(bonds.address, BOND),
        bonds.functions.setBondTerms(stream_id, token.address, STAKE, WINDOW_S),
        bonds.functions.depositBond(stream_id, BOND),
    ):
        chain.transact(deployer, function)
    return stream_id


@pytest.fixture
def challenge(chain: Chain, bonds: Any, bonded: bytes) -> Challenge:
    """Doubt a leaf; its challenge's id."""
    doubter, token = dev_account(3), chain.contract("EuroToken")
    chain.transact(doubter, token.functions.mint(doubter.address, 100 * STAKE))
    chain.transact(doubter, token.functions.approve(bonds.address, 100 * STAKE))

    def made(fields: tuple[Any, ...], proof: Proof) -> bytes:
        chain.transact(doubter, bonds.functions.challenge(fields, proof_tuple(proof), STAKE))
        words = [bonded, proof.seq.to_bytes(32, "big"), leaf_hash(fields)]
        return keccak(b"".join(words))

    return made


def attest_slot(committee: list[Oracle], village: Village) -> list[SignedReading]:
    slot = village.first_slot()
    village.pass_slot(slot)
    readings = village.sign_slot(slot)
    for oracle in committee:
        oracle.post(readings)
    for oracle in committee:
        eventually(lambda oracle=oracle: oracle.seq() >= 1, f"{oracle.url} to follow")
    return readings


def proof_of(oracle: Oracle, signed: SignedReading) -> tuple[tuple[Any, ...], Proof]:
    reading = signed.reading
    file = parse_proof(oracle.get(f"/v1/proofs/readings/0x{reading.device_id.hex()}/{reading.counter}").json())
    return file.fields, file.proof


def status_of(chain: Chain, bonds: Any, challenge_id: bytes) -> ChallengeStatus:
    return ChallengeStatus(chain.call(bonds.functions.challengeOf(challenge_id))[3])


def payouts(chain: Chain, bonds: Any, committee: list[Oracle]) -> list[int]:
    token = chain.manifest.address("EuroToken")
    return [chain.call(bonds.functions.payout(token, oracle.account.address)) for oracle in committee]


def gridwitness(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(list(arguments)), list(arguments))


def answers_sent(oracle: Oracle) -> int:
    """Answers a stopped oracle ever queued."""
    with sqlite3.connect(oracle.folder / "outbox.sqlite") as database:
        return int(database.execute("SELECT COUNT(*) FROM intents WHERE key LIKE 'answer:%'").fetchone()[0])


# INV-O13
def test_answer__good_readings_challenged__one_member_answers_each_and_gets_its_stake(
    committee: list[Oracle], village: Village, chain: Chain, bonds: Any, bonded: bytes, challenge: Challenge
) -> None:
    start_all(committee)
    readings = attest_slot(committee, village)
    ids = [challenge(*proof_of(committee[0], signed)) for signed in readings[:2]]  # P-256 and secp256k1
    for challenge_id in ids:
        eventually(lambda c=challenge_id: status_of(chain, bonds, c) is ChallengeStatus.ANSWERED, "an answer")
    for oracle in committee:
        eventually(lambda oracle=oracle: oracle.status()["challenges"]["open"] == [], f"{oracle.url} to see it")
    reports = [oracle.status()["challenges"] for oracle in committee]
    assert [report["answered"] for report in reports] == [2, 2, 2]
    assert [STAKE * report["answered_here"] for report in reports] == payouts(chain, bonds, committee)
    assert sum(payouts(chain, bonds, committee)) == 2 * STAKE
    assert chain.call(bonds.functions.bond(bonded))[4] == BOND
    shown = gridwitness("status", "--url", committee[0].url)
    here = reports[0]["answered_here"]
    assert shown.exit_code == 0, shown.output
    assert f"challenges: 0 open, 2 answered, of which {here} here, 0 lost, 0 unanswerable here" in shown.output
    for oracle in committee:
        oracle.stop()
    assert sum(answers_sent(oracle) for oracle in committee) == 2


# INV-O10, INV-O13
def test_answer__challenged_while_all_were_down__one_restarted_and_killed_again_still_answers_once(
    committee: list[Oracle], village: Village, chain: Chain, bonds: Any, bonded: bytes, challenge: Challenge
) -> None:
    start_all(committee)
    signed, *_ = attest_slot(committee, village)
    fields, proof = proof_of(committee[0], signed)
    for oracle in committee:
        oracle.kill()
    challenge_id = challenge(fields, proof)
    survivor = committee[1]
    start_all([survivor])
    eventually(lambda: "challenge_open" in survivor.log(), "the challenge to be found")
    survivor.kill()
    start_all([survivor])
    eventually(lambda: status_of(chain, bonds, challenge_id) is ChallengeStatus.ANSWERED, "an answer")
    assert payouts(chain, bonds, committee) == [0, STAKE, 0]
    eventually(lambda: survivor.status()["challenges"]["answered_here"] == 1, "it to see its answer")
    survivor.stop()
    assert answers_sent(survivor) == 1
    assert chain.call(bonds.functions.bond(bonded))[4] == BOND


# INV-O13
@pytest.mark.parametrize("forged", ["value", "signature"])
def test_answer__leaf_no_device_signed__is_not_answered_and_named(
    committee: list[Oracle],
    village: Village,
    chain: Chain,
    bonds: Any,
    challenge: Challenge,
    oracles: list[LocalAccount],
    forged: str,
) -> None:
    start_all(committee)
    signed, *_ = attest_slot(committee, village)
    fields, _ = proof_of(committee[0], signed)
    false = (*fields[:4], fields[4] + 1, *fields[5:]) if forged == "value" else (*fields[:6], keccak(b"made up"))
    stream_id = chain.manifest.streams["readings"]
    (attested,) = StreamView(chain, stream_id).attested(0)
    placeholder = (StandardMerkleTree([leaf_hash(fields)]), attested.meta)
    by_hand = Committee(chain, stream_id, oracles, 2, newest=attested.digest, trees=[placeholder])
    batch = by_hand.attest(village.owner, [leaf_hash(false)], supersedes=1)
    mountains = StreamView(chain, stream_id).mountain_range()
    challenge_id = challenge(false, Proof(stream_id, 2, batch.meta, (), mountains.proof(1)))
    reason = (
        f"log 1-0:16.29.0 = {fields[4]} at {fields[2]}" if forged == "value" else "the leaf is of another signature"
    )
    for oracle in committee:
        eventually(lambda oracle=oracle: oracle.status()["challenges"].get("unanswerable") == 1, "the alarm")
        (alarm,) = oracle.status()["challenges"]["alarms"]
        assert "0x" + challenge_id.hex() in alarm
        assert reason in alarm
        eventually(lambda oracle=oracle: "challenge_alarm" in oracle.log(), "the log to have it")
    assert status_of(chain, bonds, challenge_id) is ChallengeStatus.OPEN
    shown = gridwitness("status", "--url", committee[0].url)
    assert shown.exit_code == 1
    assert f"✗ challenge 0x{challenge_id.hex()} of reading 1 of device 0x" in shown.output
    assert "challenges: 1 open, 0 answered, of which 0 here, 0 lost, 1 unanswerable here" in shown.output
    for oracle in committee:
        oracle.stop()
    assert [answers_sent(oracle) for oracle in committee] == [0, 0, 0]


def test_examine__bonded_stream__says_what_is_at_stake(committee: list[Oracle], chain: Chain, bonded: bytes) -> None:
    start_all(committee[1:])
    shown = gridwitness("doctor", "--config", str(committee[0].folder / "oracle.toml"))
    token = chain.manifest.address("EuroToken")
    assert shown.exit_code == 0, shown.output
    assert f"{BOND} of token {token}, {WINDOW_S} s to answer a challenge, 0 open, no exit announced" in shown.output
