"""Tokens that take a fee, call back, or stop: none of them holds up the game or empties the till."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ape
import pytest

from tests.actors import refused
from tests.functional.bonds.conftest import OpenBonded
from tests.functional.bonds.doubts import ANSWERED, BOND, CONVICTED, STAKE, UINT128_MAX, BondedStream, Evidence

Readings = Callable[[int], list[Evidence]]


@pytest.fixture
def callback_token(deployer: Any, project: Any) -> Any:
    """A token that calls out before every transfer, once it is armed."""
    return deployer.deploy(project.CallbackToken)


@pytest.fixture
def stopped(callback_token: Any, with_terms: OpenBonded) -> tuple[BondedStream, Callable[[], None]]:
    """A bonded stream in a token, and what makes every further transfer of the token fail."""
    stream = with_terms(callback_token)
    stream.deposit()

    def stop() -> None:
        callback_token.arm(callback_token, b"\xff\xff\xff\xff", sender=stream.owner)

    return stream, stop


# INV-B1
def test_challenge__fee_taking_token__is_refused(
    with_terms: OpenBonded, deployer: Any, project: Any, attestation: Any, readings: Readings, watchdog: Any
) -> None:
    stream = with_terms(deployer.deploy(project.FeeToken))
    stream.deposit()
    (reading,) = readings(1)
    seq = stream.attest(reading)
    stream.fund(watchdog, 2 * STAKE)
    with refused(attestation.TransferIncomplete, expected=STAKE, received=STAKE - STAKE // 100):
        attestation.challenge(*stream.challenge_args(reading, seq), sender=watchdog)


@pytest.mark.parametrize("end", [ANSWERED, CONVICTED])
def test_end__token_that_stopped__holds_up_no_verdict(
    stopped: tuple[BondedStream, Callable[[], None]], readings: Readings, watchdog: Any, operator: Any, end: int
) -> None:
    stream, stop = stopped
    (reading,) = readings(1)
    challenge_id = stream.challenge(reading, stream.attest(reading), watchdog)
    stop()
    if end == ANSWERED:
        stream.answer(challenge_id, reading, operator)
    else:
        stream.convict_in_silence(challenge_id, operator)
    assert stream.status(challenge_id) == end
    winner, won = (operator, STAKE) if end == ANSWERED else (watchdog, BOND + STAKE)
    assert stream.payout(winner) == won
    with ape.reverts():
        stream.contract.withdrawPayout(stream.token, winner, sender=winner)
    assert stream.payout(winner) == won


@pytest.mark.parametrize("entry", ["depositBond", "challenge", "withdrawPayout", "withdrawBond"])
@pytest.mark.parametrize(
    "inner",
    [
        "setBondTerms",
        "depositBond",
        "announceExit",
        "withdrawBond",
        "withdrawPayout",
        "challenge",
        "answer",
        "convict",
        "proveEquivocation",
    ],
)
def test_reenter__from_the_token__is_refused(
    callback_token: Any,
    with_terms: OpenBonded,
    attestation: Any,
    readings: Readings,
    watchdog: Any,
    operator: Any,
    entry: str,
    inner: str,
) -> None:
    stream = with_terms(callback_token)
    stream.deposit()
    one, two = readings(2)
    seq = stream.attest(one, two)
    challenge_id = stream.challenge(one, seq, watchdog)
    stream.fund(watchdog, 10 * STAKE)
    arguments: dict[str, tuple[Any, ...]] = {
        "setBondTerms": (stream.stream_id, callback_token, 1, 3_600),
        "depositBond": (stream.stream_id, 1),
        "announceExit": (stream.stream_id,),
        "withdrawBond": (stream.stream_id, operator),
        "withdrawPayout": (callback_token, operator),
        "challenge": stream.challenge_args(two, seq, 1),
        "answer": (challenge_id, one.leaf, one.signature, b""),
        "convict": (challenge_id,),
        "proveEquivocation": (1, *[((bytes(32), 0, bytes(32), bytes(20), 0, 0, 0, 0), (0, 0, b"", []))] * 2),
    }
    sender = {"withdrawPayout": operator, "withdrawBond": stream.owner}.get(entry, watchdog)
    if entry != "challenge":
        stream.answer(challenge_id, one, operator)
    if entry == "withdrawBond":
        attestation.announceExit(stream.stream_id, sender=stream.owner)
        ape.chain.mine(timestamp=stream.bond.exitAt)
    callback_token.arm(attestation, getattr(attestation, inner).encode_input(*arguments[inner]), sender=watchdog)
    held = callback_token.balanceOf(attestation)
    with refused(attestation.ReentrancyGuardReentrantCall):
        getattr(attestation, entry)(*arguments[entry], sender=sender)
    assert callback_token.balanceOf(attestation) == held


# INV-B1
def test_pay__streams_of_two_tokens__never_out_of_each_others_till(
    attestation: Any,
    bonded: BondedStream,
    deployer: Any,
    project: Any,
    false_reading: Evidence,
    watchdog: Any,
) -> None:
    bonded.answer(bonded.challenge(false_reading, bonded.attest(false_reading), watchdog), false_reading, watchdog)
    other = deployer.deploy(project.EuroToken)
    other.mint(attestation, UINT128_MAX, sender=deployer)
    with refused(attestation.PayoutMissing, token=other, account=watchdog):
        attestation.withdrawPayout(other, watchdog, sender=watchdog)
    attestation.withdrawPayout(bonded.token, watchdog, sender=watchdog)
    assert bonded.token.balanceOf(watchdog) == BOND + STAKE
