"""The insurance example, compiled from the installed npm package: what pays, and what does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ape
import pytest
from ape.contracts import ContractContainer
from ethpm_types import ContractType

from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import READING_TYPES
from gridwitness.encoding.packing import metric_bytes
from tests.actors import Committee, Device, Feed, OpenFeed, proof_args, refused
from tests.functional.bonds.doubts import WINDOW, BondedStream, Evidence
from tests.integration.packages.scene import Workshop

METRIC = metric_bytes("cargo:mCel")
LIMIT = 8_000
DAY = 86_400
PREMIUM, PAYOUT = 20_000_000, 5_000_000_000
MAX_SCORE_BPS = 9_000
CLAIM_SECONDS = 14 * DAY
NONE, OFFERED, INSURED, PAID, EXPIRED = range(5)
UNKNOWN, STANDING, SUPERSEDED, CONVICTED, COMPROMISED = range(5)


@pytest.fixture(scope="session")
def insurance_type(insurance_workshop: Workshop) -> ContractContainer:
    """The contract that forge made."""
    out = insurance_workshop.folder / "out" / "ColdChainInsurance.sol" / "ColdChainInsurance.json"
    compiled = json.loads(out.read_text(encoding="utf-8"))
    creation = {"bytecode": compiled["bytecode"]["object"]}
    fields = {"contractName": "ColdChainInsurance", "abi": compiled["abi"], "deploymentBytecode": creation}
    return ContractContainer(ContractType.model_validate(fields))


@dataclass
class Cover:
    """A policy that somebody bought, and the sensor of the goods."""

    contract: Any
    token: Any
    feed: Feed
    device_id: bytes
    policy_id: int
    covered_from: int
    covered_until: int
    underwriter: Any
    insured: Any
    carrier: Any
    counter: int = field(default=0)

    def reading(self, value: int = LIMIT + 1, **changes: Any) -> Evidence:
        """A reading in the middle of the period, with `changes` to its leaf."""
        self.counter += 1
        names = ("device_id", "counter", "time", "metric", "value", "score_bps", "signature_hash")
        middle = (self.covered_from + self.covered_until) // 2
        leaf = (self.device_id, self.counter, middle, METRIC, value, 100, keccak(b"signature"))
        return Evidence(tuple((dict(zip(names, leaf, strict=True)) | changes).values()), b"")  # type: ignore[arg-type]

    def attest(self, *readings: Evidence, **changes: Any) -> int:
        """Attest a batch of readings; returns its number."""
        self.feed.attest([reading.leaf_hash for reading in readings], **changes)
        return len(self.feed.batches)

    def claim(self, reading: Evidence, seq: int, index: int = 0) -> Any:
        """Carry a reading; returns the receipt."""
        proof = proof_args(self.feed.proof(seq, index))
        return self.contract.claim(self.policy_id, reading.leaf, proof, sender=self.carrier)

    def refuse(self, reading: Evidence, error: Any, **inputs: object) -> None:
        """Attest the reading, and expect its claim to be refused."""
        seq = self.attest(reading, self.reading())
        with refused(error, **inputs):
            self.claim(reading, seq)

    @property
    def status(self) -> int:
        """Where the policy stands."""
        return int(self.contract.policyOf(self.policy_id).status)


@pytest.fixture
def cargo_feed(open_feed: OpenFeed, committee: Committee) -> Feed:
    """A stream of readings that the insurance trusts."""
    return open_feed("cold chain", committee, READING_TYPES)


@pytest.fixture
def insurance(insurance_type: ContractContainer, attestation: Any, cargo_feed: Feed, euro: Any, deployer: Any) -> Any:
    """The contract."""
    return deployer.deploy(insurance_type, attestation, cargo_feed.stream_id, MAX_SCORE_BPS, euro)


@pytest.fixture
def offer(
    insurance: Any, cargo_feed: Feed, charger: Device, euro: Any, prosumer: Any, neighbour: Any, transmitter: Any
) -> Callable[..., Cover]:
    """Offers a policy, bought or not, on the charger's sensor."""

    def make(*, is_sold: bool = True) -> Cover:
        begins = ape.chain.pending_timestamp + DAY
        until = begins + 3 * DAY
        for account, amount in ((prosumer, PAYOUT), (neighbour, PREMIUM)):
            euro.mint(account, amount, sender=account)
            euro.approve(insurance, amount, sender=account)
        terms = (charger.device_id, LIMIT, begins, until, PREMIUM, PAYOUT)
        receipt = insurance.offer(terms, sender=prosumer)
        (offered,) = receipt.events.filter(insurance.PolicyOffered)
        cover = Cover(
            insurance, euro, cargo_feed, charger.device_id, offered.policyId, begins, until, prosumer, neighbour,
            transmitter,
        )  # fmt: skip
        if is_sold:
            insurance.insure(cover.policy_id, sender=neighbour)
            ape.chain.mine(timestamp=until)
        return cover

    return make


@pytest.fixture
def cover(offer: Callable[..., Cover]) -> Cover:
    """A policy that was bought, at the end of its period."""
    return offer()


def test_claim__reading_above_the_limit__pays_the_insured_once(cover: Cover, insurance: Any) -> None:
    too_warm, warmer = cover.reading(), cover.reading(LIMIT + 900)
    seq = cover.attest(too_warm, warmer)
    receipt = cover.claim(too_warm, seq)
    time = too_warm.leaf[2]
    assert insurance.PolicyPaid(cover.policy_id, cover.insured, LIMIT + 1, time, seq) in receipt.events
    assert cover.token.balanceOf(cover.insured) == PAYOUT
    assert cover.token.balanceOf(cover.underwriter) == PREMIUM
    assert cover.token.balanceOf(insurance) == 0
    for index, reading in enumerate((too_warm, warmer)):
        with refused(insurance.StatusUnexpected, policyId=cover.policy_id, given=PAID, expected=INSURED):
            cover.claim(reading, seq, index)


def test_claim__of_one_policy__leaves_the_money_of_another(offer: Callable[..., Cover], insurance: Any) -> None:
    first = offer()
    second = offer()
    reading = second.reading()
    second.claim(reading, second.attest(reading))
    assert (first.status, second.status) == (INSURED, PAID)
    assert first.token.balanceOf(insurance) == PAYOUT


@pytest.mark.parametrize("at", ["covered_from", "covered_until"])
def test_claim__at_either_end_of_the_period__pays(cover: Cover, at: str) -> None:
    reading = cover.reading(time=getattr(cover, at))
    cover.claim(reading, cover.attest(reading))
    assert cover.status == PAID


def test_claim__reading_outside_the_period__is_refused(cover: Cover, insurance: Any) -> None:
    period = {"coveredFrom": cover.covered_from, "coveredUntil": cover.covered_until}
    for time in (cover.covered_from - 1, cover.covered_until + 1):
        cover.refuse(cover.reading(time=time), insurance.OutsidePeriod, time=time, **period)


@pytest.mark.parametrize("value", [LIMIT, -20_000])
def test_claim__reading_within_the_limit__is_refused(cover: Cover, insurance: Any, value: int) -> None:
    cover.refuse(cover.reading(value), insurance.WithinLimit, milliCelsius=value, limitMilliCelsius=LIMIT)


def test_claim__other_device__is_refused(cover: Cover, insurance: Any, meter: Device) -> None:
    reading = cover.reading(device_id=meter.device_id)
    cover.refuse(reading, insurance.DeviceUnexpected, given=meter.device_id, expected=cover.device_id)


def test_claim__other_metric__is_refused(cover: Cover, insurance: Any) -> None:
    other = metric_bytes("door:mCel")
    cover.refuse(cover.reading(metric=other), insurance.MetricUnexpected, given=other, expected=METRIC)


def test_claim__suspicious_reading__is_refused(cover: Cover, insurance: Any) -> None:
    suspicious = cover.reading(score_bps=MAX_SCORE_BPS + 1)
    cover.refuse(suspicious, insurance.ScoreTooHigh, scoreBps=MAX_SCORE_BPS + 1, maxScoreBps=MAX_SCORE_BPS)


def test_claim__same_reading_in_a_stream_of_others__is_refused(
    cover: Cover, insurance: Any, open_feed: OpenFeed
) -> None:
    trusted = cover.feed
    cover.feed = open_feed("mine alone", Committee([0x0BAD], threshold=1), READING_TYPES)
    reading = cover.reading()
    cover.feed.attest([reading.leaf_hash], signers=(0,))
    with refused(insurance.StreamUnexpected, given=bytes(cover.feed.stream_id), expected=bytes(trusted.stream_id)):
        cover.claim(reading, 1)


def test_claim__reading_that_is_not_in_the_batch__is_refused(cover: Cover, insurance: Any) -> None:
    reading = cover.reading(LIMIT)
    seq = cover.attest(reading, cover.reading(0))
    warmer = Evidence((*reading.leaf[:4], LIMIT + 1, *reading.leaf[5:]), b"")  # type: ignore[arg-type]
    with refused(insurance.NotProven, seq=seq, status=STANDING):
        cover.claim(warmer, seq)


def test_claim__batch_superseded_since__is_refused_and_its_correction_decides(cover: Cover, insurance: Any) -> None:
    broken = cover.reading()
    seq = cover.attest(broken)
    corrected = cover.reading(LIMIT)
    cover.attest(corrected, supersedes=seq)
    with refused(insurance.NotProven, seq=seq, status=SUPERSEDED):
        cover.claim(broken, seq)
    with refused(insurance.WithinLimit, milliCelsius=LIMIT, limitMilliCelsius=LIMIT):
        cover.claim(corrected, seq + 1)
    assert cover.status == INSURED


def test_claim__batch_convicted_of_a_reading_its_device_never_signed__is_refused(
    cover: Cover, insurance: Any, attestation: Any, deployer: Any, intruder: Any
) -> None:
    attestation.setBondTerms(cover.feed.stream_id, cover.token, 500_000, WINDOW, sender=deployer)
    bonded = BondedStream(cover.feed, cover.token, deployer)
    bonded.deposit()
    false_reading = cover.reading()
    seq = cover.attest(false_reading)
    bonded.convict_in_silence(bonded.challenge(false_reading, seq, intruder), intruder)
    with refused(insurance.NotProven, seq=seq, status=CONVICTED):
        cover.claim(false_reading, seq)


def test_claim__committee_found_compromised__is_refused(
    cover: Cover, insurance: Any, attestation: Any, deployer: Any
) -> None:
    reading = cover.reading()
    seq = cover.attest(reading)
    attestation.markCompromised(cover.feed.stream_id, 1, seq, sender=deployer)
    with refused(insurance.NotProven, seq=seq, status=COMPROMISED):
        cover.claim(reading, seq)


def test_insure__twice_or_when_cover_has_begun__is_refused(
    offer: Callable[..., Cover], insurance: Any, intruder: Any
) -> None:
    sold = offer()
    with refused(insurance.StatusUnexpected, policyId=sold.policy_id, given=INSURED, expected=OFFERED):
        insurance.insure(sold.policy_id, sender=intruder)
    late = offer(is_sold=False)
    ape.chain.mine(timestamp=late.covered_from)
    with refused(insurance.CoverHasBegun, policyId=late.policy_id, coveredFrom=late.covered_from):
        insurance.insure(late.policy_id, sender=late.insured)


def test_offer__period_that_has_begun_or_ends_before_it_begins__is_refused(insurance: Any, prosumer: Any) -> None:
    ape.chain.mine()
    now = ape.chain.blocks.head.timestamp + 100
    for begins, until in ((now, now + DAY), (now + DAY, now + DAY - 1)):
        ape.chain.provider.web3.provider.make_request("evm_setNextBlockTimestamp", [now])
        with refused(insurance.PeriodInvalid, coveredFrom=begins, coveredUntil=until, timestamp=now):
            insurance.offer((b"\1" * 32, LIMIT, begins, until, PREMIUM, PAYOUT), sender=prosumer)


def test_expire__policy_never_claimed__refunds_the_underwriter_after_the_time_to_claim(
    cover: Cover, insurance: Any
) -> None:
    expires_at = cover.covered_until + CLAIM_SECONDS
    with refused(insurance.NotExpired, policyId=cover.policy_id, expiresAt=expires_at):
        insurance.expire(cover.policy_id, sender=cover.underwriter)
    ape.chain.mine(timestamp=expires_at)
    insurance.expire(cover.policy_id, sender=cover.carrier)
    assert cover.token.balanceOf(cover.underwriter) == PAYOUT + PREMIUM
    assert cover.token.balanceOf(insurance) == 0
    reading = cover.reading()
    seq = cover.attest(reading)
    with refused(insurance.StatusUnexpected, policyId=cover.policy_id, given=EXPIRED, expected=INSURED):
        cover.claim(reading, seq)
    with refused(insurance.StatusUnexpected, policyId=cover.policy_id, given=EXPIRED, expected=INSURED):
        insurance.expire(cover.policy_id, sender=cover.underwriter)


def test_expire__policy_nobody_bought__refunds_from_the_beginning_of_its_period(
    offer: Callable[..., Cover], insurance: Any
) -> None:
    unsold = offer(is_sold=False)
    with refused(insurance.NotExpired, policyId=unsold.policy_id, expiresAt=unsold.covered_from):
        insurance.expire(unsold.policy_id, sender=unsold.underwriter)
    ape.chain.mine(timestamp=unsold.covered_from)
    insurance.expire(unsold.policy_id, sender=unsold.underwriter)
    assert unsold.token.balanceOf(unsold.underwriter) == PAYOUT
    reading = unsold.reading()
    seq = unsold.attest(reading)
    with refused(insurance.StatusUnexpected, policyId=unsold.policy_id, given=EXPIRED, expected=INSURED):
        unsold.claim(reading, seq)


def test_expire__policy_paid__is_refused(cover: Cover, insurance: Any) -> None:
    reading = cover.reading()
    cover.claim(reading, cover.attest(reading))
    ape.chain.mine(timestamp=cover.covered_until + CLAIM_SECONDS)
    with refused(insurance.StatusUnexpected, policyId=cover.policy_id, given=PAID, expected=INSURED):
        insurance.expire(cover.policy_id, sender=cover.underwriter)
