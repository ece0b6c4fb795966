"""A run is made anew on a later profile, or undone when its profile no longer stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gridwitness.chain.attestation import batch_tuple
from gridwitness.domain.market import Schedule, Settlement
from gridwitness.domain.readings import Profile
from gridwitness.encoding.eip712 import Domain, batch_digest, schedule_struct_hash
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key
from gridwitness.encoding.leaves import profile_leaf
from gridwitness.encoding.packing import pack_energy_wh
from tests.actors import Feed, refused
from tests.functional.bonds.doubts import BATCH_CONVICTED, STAKE, WINDOW, BondedStream, reading_of, signed
from tests.functional.market.village import (
    DISPUTE_BOND,
    FINAL,
    NOTHING,
    OPEN,
    PROVISIONAL,
    TRADE_RESERVE,
    ZONE,
    Home,
    Trade,
    Village,
    day_of,
    energies,
    schedule_args,
    warp,
)

RAN_AT = 6
DELIVERED = energies({10: 1_000})


# INV-M1, INV-M24
def test_correct__later_profile__books_the_difference_and_waits_again(
    village: Village, home: Home, next_home: Home, bought: Schedule, disputer: Any
) -> None:
    before = village.market.backstop(ZONE)
    first = village.run(bought, NOTHING)
    # 1,000 Wh long, 950 of them beyond the tolerance.
    assert village.balance(home.owner) == (0, TRADE_RESERVE - 200_000 + 40_000 - 28_500)
    warp(first[RAN_AT] + village.params.dispute_seconds)
    receipt = village.correct(bought, energies({10: 1_100}), first)
    (second,) = village.runs(receipt)
    assert village.settlement(receipt) == Settlement(-200_000, 0, -40_000, -1_500, 1_000, 1_100, 0, 0)
    assert village.balance(home.owner) == (0, TRADE_RESERVE - 200_000 - 40_000 - 1_500)
    backstop = village.market.backstop(ZONE)
    assert (backstop.balance, backstop.inTransit) == (before.balance + 41_500, 200_000)
    assert backstop.exposure == before.exposure + 41_500
    village.assert_conserved(home.owner, next_home.owner, disputer)
    with refused(village.market.RunMismatch, deviceId=home.device_id, day=village.day, status=PROVISIONAL):
        village.market.finalize([first], sender=village.transmitter)
    village.finalize(village.dispute(second, disputer))
    assert village.balance(home.owner) == (TRADE_RESERVE - 200_000 - 41_500 + DISPUTE_BOND, 0)


# INV-M14
def test_correct__profile_of_no_later_batch__names_both(village: Village, home: Home, bought: Schedule) -> None:
    earlier = village.meter(bought, NOTHING)
    run = village.run(bought, DELIVERED)
    same = (list(pack_energy_wh(DELIVERED)), 0, village.proof_of(2))
    for metered, seq in ((earlier, 1), (same, 2)):
        values = {"deviceId": home.device_id, "day": village.day, "given": seq, "current": 2}
        with refused(village.market.ProfileNotLater, **values):
            village.market.correct(schedule_args(bought), metered, run, sender=village.transmitter)


# INV-M14
def test_correct__suspicious_profile__is_refused(village: Village, home: Home, bought: Schedule) -> None:
    run = village.run(bought, DELIVERED)
    scores = {"scoreBps": 9_901, "holdScoreBps": 9_900}
    with refused(village.market.ProfileHeld, deviceId=home.device_id, day=village.day, **scores):
        village.correct(bought, NOTHING, run, score_bps=9_901)


# INV-M14
def test_correct__unproven_profile_or_other_schedule__is_refused(
    village: Village, home: Home, trade: Trade, bought: Schedule
) -> None:
    run = village.run(bought, DELIVERED)
    others = village.meter(trade[1], NOTHING)
    schedule = {"deviceId": home.device_id, "day": village.day}
    with refused(village.market.ProofInvalid, **schedule):
        village.market.correct(schedule_args(bought), others, run, sender=village.transmitter)
    metered = village.meter(bought, NOTHING)
    forged = replace(bought, orders=day_of({}))
    with refused(village.market.ScheduleMismatch, **schedule):
        village.market.correct(schedule_args(forged), metered, run, sender=village.transmitter)


def test_correct__by_a_batch_that_supersedes__needs_no_revoking(village: Village, home: Home, bought: Schedule) -> None:
    run = village.run(bought, NOTHING)
    supersede(village, bought, DELIVERED, 1)
    metered = (list(pack_energy_wh(DELIVERED)), 0, village.proof_of(2))
    village.market.correct(schedule_args(bought), metered, run, sender=village.transmitter)
    assert village.balance(home.owner) == (0, TRADE_RESERVE - 200_000)


def supersede(village: Village, schedule: Schedule, energy_wh: tuple[int, ...], seq: int) -> None:
    """Attest a profile in a batch that takes the place of batch `seq`."""
    profile = Profile(schedule.device_id, schedule.day * 96, energy_wh, 0)
    village.feed.attest([profile_leaf(profile), keccak(b"another profile of the batch")], supersedes=seq)


def equivocate(feed: Feed, seq: int, prover: Any) -> None:
    """Prove that the committee signed another content for batch `seq`."""
    attested = feed.batches[seq - 1]
    pair = [
        (batch_tuple(batch), feed.committee.sign(batch_digest(feed.domain, batch), (0, 1, 2)))
        for batch in (attested, replace(attested, root=keccak(b"another root")))
    ]
    feed.attestation.proveEquivocation(attested.config, *pair, sender=prover)


# INV-M14, INV-M24
def test_revoke__batch_superseded__undoes_the_run_and_opens_the_schedule(
    village: Village, home: Home, next_home: Home, bought: Schedule, disputer: Any
) -> None:
    before = village.balance(home.owner), tuple(village.market.backstop(ZONE))
    run = village.dispute(village.run(bought, energies({10: 5_000})), disputer)
    supersede(village, bought, DELIVERED, 1)
    receipt = village.market.revoke(run, sender=village.transmitter)
    assert village.market.RunRevoked(home.device_id, village.day, 1) in receipt.events
    assert village.market.DisputeEnded(home.device_id, village.day, disputer, DISPUTE_BOND, True) in receipt.events
    assert (village.balance(home.owner), tuple(village.market.backstop(ZONE))) == before
    assert (village.status(bought), village.balance(disputer)) == (OPEN, (DISPUTE_BOND, 0))
    kept = village.market.scheduleOf(home.device_id, village.day)
    assert kept.truncatedHash == schedule_struct_hash(bought)[:24] + bytes(8)
    metered = (list(pack_energy_wh(DELIVERED)), 0, village.proof_of(2))
    village.market.settle([schedule_args(bought)], [metered], sender=village.transmitter)
    assert village.balance(home.owner) == (0, TRADE_RESERVE - 200_000)
    village.assert_conserved(home.owner, next_home.owner, disputer)


# INV-M14
def test_revoke__committee_equivocated__undoes_the_run(village: Village, bought: Schedule, intruder: Any) -> None:
    run = village.run(bought, energies({10: 5_000}))
    equivocate(village.feed, 1, intruder)
    village.market.revoke(run, sender=intruder)
    assert village.status(bought) == OPEN
    stale = (list(pack_energy_wh(energies({10: 5_000}))), 0, village.proof_of(1))
    with refused(village.market.ProofInvalid, deviceId=bought.device_id, day=village.day):
        village.market.settle([schedule_args(bought)], [stale], sender=intruder)


# INV-M14
def test_revoke__batch_convicted__undoes_the_run(
    village: Village, bought: Schedule, deployer: Any, neighbour: Any, registry_domain_712: Domain
) -> None:
    """A batch falls whole: with one false reading all profiles in it."""
    village.feed.attestation.setBondTerms(village.feed.stream_id, village.euro, STAKE, WINDOW, sender=deployer)
    stream = BondedStream(village.feed, village.euro, deployer)
    stream.deposit()
    invented = signed(registry_domain_712, P256Key(0xFA15E), reading_of(bought.device_id))
    profile = Profile(bought.device_id, village.day * 96, energies({10: 5_000}), 0)
    village.feed.attest([profile_leaf(profile), invented.leaf_hash])
    metered = (list(pack_energy_wh(profile.energy_wh)), 0, village.proof_of(1))
    (run,) = village.runs(village.market.settle([schedule_args(bought)], [metered], sender=village.transmitter))
    stream.convict_in_silence(stream.challenge(invented, 1, neighbour, index=1), neighbour)
    assert stream.batch_status(1) == BATCH_CONVICTED
    village.market.revoke(run, sender=neighbour)
    assert village.status(bought) == OPEN


# INV-M14
def test_revoke__batch_that_stands__is_refused(village: Village, home: Home, bought: Schedule, intruder: Any) -> None:
    run = village.run(bought, DELIVERED)
    schedule = {"deviceId": home.device_id, "day": village.day}
    with refused(village.market.ProfileStands, **schedule, profileSeq=1):
        village.market.revoke(run, sender=intruder)
    village.finalize(run)


def test_revoke__run_that_is_final__comes_too_late(village: Village, home: Home, bought: Schedule) -> None:
    run = village.run(bought, DELIVERED)
    village.finalize(run)
    supersede(village, bought, NOTHING, 1)
    with refused(village.market.RunMismatch, deviceId=home.device_id, day=village.day, status=FINAL):
        village.market.revoke(run, sender=village.transmitter)
