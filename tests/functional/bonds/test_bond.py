"""Terms, deposits, exit: what a stream puts up, and when it may take it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ape
import pytest

from tests.actors import Feed, refused
from tests.functional.bonds.conftest import OpenBonded
from tests.functional.bonds.doubts import BOND, HOUR, STAKE, UINT128_MAX, WINDOW, BondedStream, Evidence

ZERO = "0x" + "00" * 20
DAY = 24 * HOUR


def test_set_terms__by_owner__are_recorded(attestation: Any, readings_feed: Feed, euro: Any, deployer: Any) -> None:
    stream_id = readings_feed.stream_id
    receipt = attestation.setBondTerms(stream_id, euro, STAKE, WINDOW, sender=deployer)
    bond = attestation.bond(stream_id)
    assert (bond.token, bond.stake, bond.answerWindowSeconds) == (euro, STAKE, WINDOW)
    assert (bond.amount, bond.exitAt, bond.openChallenges) == (0, 0, 0)
    assert receipt.events == [attestation.BondTermsSet(stream_id, euro, STAKE, WINDOW)]


def test_set_terms__by_anyone_else__is_refused(
    attestation: Any, readings_feed: Feed, euro: Any, deployer: Any, intruder: Any
) -> None:
    with refused(attestation.NotStreamOwner, streamId=readings_feed.stream_id, caller=intruder, owner=deployer):
        attestation.setBondTerms(readings_feed.stream_id, euro, STAKE, WINDOW, sender=intruder)


@pytest.mark.parametrize("fault", ["token", "stake", "short", "long"])
def test_set_terms__out_of_bounds__is_refused(
    attestation: Any, readings_feed: Feed, euro: Any, deployer: Any, fault: str
) -> None:
    token = ZERO if fault == "token" else euro.address
    stake = 0 if fault == "stake" else STAKE
    window = {"short": HOUR - 1, "long": 30 * DAY + 1}.get(fault, WINDOW)
    with refused(
        attestation.BondTermsInvalid,
        token=token,
        stake=stake,
        answerWindowSeconds=window,
        minSeconds=HOUR,
        maxSeconds=30 * DAY,
    ):
        attestation.setBondTerms(readings_feed.stream_id, token, stake, window, sender=deployer)


def test_set_terms__under_a_bond__is_refused(attestation: Any, bonded: BondedStream, euro: Any) -> None:
    with refused(attestation.BondInUse, streamId=bonded.stream_id, amount=BOND):
        attestation.setBondTerms(bonded.stream_id, euro, 1, HOUR, sender=bonded.owner)


def test_set_terms__while_an_exit_runs__is_refused(
    attestation: Any,
    bonded: BondedStream,
    euro: Any,
    false_reading: Evidence,
    watchdog: Any,
) -> None:
    seq = bonded.attest(false_reading)
    bonded.answer(bonded.challenge(false_reading, seq, watchdog), false_reading, watchdog)
    assert bonded.bond.amount == 0
    with refused(attestation.ExitUnderWay, streamId=bonded.stream_id, exitAt=bonded.bond.exitAt):
        attestation.setBondTerms(bonded.stream_id, euro, UINT128_MAX, HOUR, sender=bonded.owner)


def test_deposit__anyone__adds_to_the_bond(attestation: Any, bonded: BondedStream, neighbour: Any, euro: Any) -> None:
    bonded.fund(neighbour, 70)
    receipt = attestation.depositBond(bonded.stream_id, 70, sender=neighbour)
    assert bonded.bond.amount == BOND + 70 == euro.balanceOf(attestation)
    assert attestation.BondDeposited(bonded.stream_id, neighbour, 70) in receipt.events


def test_deposit__without_terms__is_refused(attestation: Any, readings_feed: Feed, deployer: Any) -> None:
    with refused(attestation.BondMissing, streamId=readings_feed.stream_id):
        attestation.depositBond(readings_feed.stream_id, 1, sender=deployer)


@pytest.mark.parametrize("amount", [0, UINT128_MAX - BOND + 1, UINT128_MAX])
def test_deposit__nothing_or_too_much__is_refused(attestation: Any, bonded: BondedStream, amount: int) -> None:
    bonded.fund(bonded.owner, UINT128_MAX)
    with refused(attestation.AmountInvalid, amount=amount, maximum=UINT128_MAX - BOND):
        attestation.depositBond(bonded.stream_id, amount, sender=bonded.owner)


# INV-B1
def test_deposit__fee_taking_token__credits_what_arrived(
    with_terms: OpenBonded, deployer: Any, project: Any, attestation: Any
) -> None:
    stream = with_terms(deployer.deploy(project.FeeToken))
    stream.deposit(10_000)
    assert stream.bond.amount == 9_900 == stream.token.balanceOf(attestation)


# INV-B7
def test_announce_exit__by_owner__is_due_after_two_windows(attestation: Any, bonded: BondedStream) -> None:
    receipt = attestation.announceExit(bonded.stream_id, sender=bonded.owner)
    exit_at = receipt.timestamp + 2 * WINDOW
    assert bonded.bond.exitAt == exit_at
    assert receipt.events == [attestation.ExitAnnounced(bonded.stream_id, exit_at)]
    with refused(attestation.ExitUnderWay, streamId=bonded.stream_id, exitAt=exit_at):
        attestation.announceExit(bonded.stream_id, sender=bonded.owner)
    with refused(attestation.ExitUnderWay, streamId=bonded.stream_id, exitAt=exit_at):
        attestation.depositBond(bonded.stream_id, 1, sender=bonded.owner)


def test_announce_exit__by_anyone_else_or_without_a_bond__is_refused(
    attestation: Any, with_terms: OpenBonded, euro: Any, intruder: Any
) -> None:
    stream = with_terms(euro)
    with refused(attestation.NotStreamOwner, streamId=stream.stream_id, caller=intruder, owner=stream.owner):
        attestation.announceExit(stream.stream_id, sender=intruder)
    with refused(attestation.BondMissing, streamId=stream.stream_id):
        attestation.announceExit(stream.stream_id, sender=stream.owner)


# INV-B7
def test_withdraw__before_it_is_due__is_refused(attestation: Any, bonded: BondedStream) -> None:
    now = ape.chain.pending_timestamp = ape.chain.pending_timestamp + 10
    with refused(attestation.ExitNotDue, streamId=bonded.stream_id, exitAt=0, timestamp=now):
        attestation.withdrawBond(bonded.stream_id, bonded.owner, sender=bonded.owner)
    attestation.announceExit(bonded.stream_id, sender=bonded.owner)
    exit_at = bonded.bond.exitAt
    ape.chain.pending_timestamp = exit_at - 1
    with refused(attestation.ExitNotDue, streamId=bonded.stream_id, exitAt=exit_at, timestamp=exit_at - 1):
        attestation.withdrawBond(bonded.stream_id, bonded.owner, sender=bonded.owner)


# INV-B7
def test_withdraw__when_due__pays_the_owner_and_drops_the_terms(
    attestation: Any, bonded: BondedStream, euro: Any, neighbour: Any, intruder: Any
) -> None:
    attestation.announceExit(bonded.stream_id, sender=bonded.owner)
    ape.chain.mine(timestamp=bonded.bond.exitAt)
    with refused(attestation.NotStreamOwner, streamId=bonded.stream_id, caller=intruder, owner=bonded.owner):
        attestation.withdrawBond(bonded.stream_id, intruder, sender=intruder)
    receipt = attestation.withdrawBond(bonded.stream_id, neighbour, sender=bonded.owner)
    assert (euro.balanceOf(neighbour), euro.balanceOf(attestation)) == (BOND, 0)
    assert attestation.BondWithdrawn(bonded.stream_id, neighbour, BOND) in receipt.events
    assert bonded.bond == attestation.bond(b"\x01" * 32)  # as of no stream at all
    with refused(attestation.BondMissing, streamId=bonded.stream_id):
        attestation.depositBond(bonded.stream_id, 1, sender=bonded.owner)
    attestation.setBondTerms(bonded.stream_id, euro, 2 * STAKE, HOUR, sender=bonded.owner)
    bonded.deposit(7)
    assert bonded.bond.amount == 7


# INV-B7
def test_withdraw__while_a_challenge_is_open__is_refused(
    attestation: Any, bonded: BondedStream, readings: Callable[[int], list[Evidence]], watchdog: Any, operator: Any
) -> None:
    (reading,) = readings(1)
    seq = bonded.attest(reading)
    attestation.announceExit(bonded.stream_id, sender=bonded.owner)
    ape.chain.pending_timestamp = bonded.bond.exitAt - 5
    challenge_id = bonded.challenge(reading, seq, watchdog)
    ape.chain.mine(timestamp=bonded.bond.exitAt + 1)
    with refused(attestation.ChallengesOpen, streamId=bonded.stream_id, openChallenges=1, maximum=0):
        attestation.withdrawBond(bonded.stream_id, bonded.owner, sender=bonded.owner)
    bonded.answer(challenge_id, reading, operator)
    attestation.withdrawBond(bonded.stream_id, bonded.owner, sender=bonded.owner)


def test_withdraw_payout__of_a_winner__is_paid_once(
    attestation: Any, bonded: BondedStream, readings: Callable[[int], list[Evidence]], watchdog: Any, operator: Any
) -> None:
    (reading,) = readings(1)
    seq = bonded.attest(reading)
    bonded.answer(bonded.challenge(reading, seq, watchdog), reading, operator)
    receipt = attestation.withdrawPayout(bonded.token, watchdog, sender=operator)
    assert bonded.token.balanceOf(watchdog) == STAKE
    assert attestation.PayoutWithdrawn(bonded.token, operator, watchdog, STAKE) in receipt.events
    with refused(attestation.PayoutMissing, token=bonded.token, account=operator):
        attestation.withdrawPayout(bonded.token, operator, sender=operator)
