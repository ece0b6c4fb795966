"""A device that one account owns and another is paid for."""

from __future__ import annotations

from typing import Any

import pytest

from gridwitness.domain.market import Schedule, Settlement
from tests.actors import refused
from tests.functional.market.village import (
    DAY_SECONDS,
    FINAL,
    NO_RUN,
    OPEN,
    Home,
    Village,
    bid,
    encoded,
    energies,
    offer,
    schedule_args,
    warp,
)

OWN_CALL = (0, b"")


@pytest.fixture
def landlord(accounts: Any) -> Any:
    """Account that is paid for a home it does not own."""
    return accounts[17]


@pytest.fixture
def let_home(registry: Any, home: Home, landlord: Any) -> Home:
    """A home whose owner named the landlord as payee."""
    registry.setPayee(home.device_id, landlord, OWN_CALL, sender=home.owner)
    return home


def offered(village: Village, home: Home, account: Any) -> Schedule:
    """An offer of the home's on somebody's account."""
    return village.schedule(home, {10: offer(60, 1_000)}, account=account)


def test_consent__given_and_taken__is_kept_and_told(village: Village, home: Home, landlord: Any) -> None:
    market = village.market
    for consents in (True, False):
        receipt = market.consentAsPayee(home.device_id, consents, sender=landlord)
        assert receipt.events == [market.PayeeConsented(landlord, home.device_id, consents)]
        assert market.consentsAsPayee(landlord, home.device_id) is consents


# INV-M25
def test_submit__payee_that_agreed__reserves_and_is_paid_on_its_account(
    village: Village, let_home: Home, next_home: Home, landlord: Any
) -> None:
    market = village.market
    market.consentAsPayee(let_home.device_id, True, sender=landlord)
    sold = offered(village, let_home, landlord)
    needed = market.reserveOf(schedule_args(sold))
    village.fund(landlord, needed)
    before = village.balance(let_home.owner)
    assert not village.submit(village.sign(let_home, sold)).events.filter(market.ScheduleSkipped)
    assert village.balance(landlord) == (0, needed)
    bought = village.place(next_home, {10: bid(60, 1_000)})
    village.end_and_clear([10])
    runs = village.runs(village.settle_all([(sold, energies({10: -1_000})), (bought, energies({10: 1_000}))]))
    village.finalize(*runs)
    assert village.status(sold) == FINAL
    assert village.balance(landlord) == (needed + 200_000, 0)
    assert village.balance(let_home.owner) == before


# INV-M25
@pytest.mark.parametrize("lacks", ["consent", "payee"])
def test_spend_from_a_stranger_s_account__named_as_payee_or_agreed_alone__is_refused(
    village: Village, home: Home, landlord: Any, registry: Any, lacks: str
) -> None:
    """An owner who names a rich account as payee spends nothing of it, nor does one whom it once agreed to."""
    if lacks == "consent":
        registry.setPayee(home.device_id, landlord, OWN_CALL, sender=home.owner)
    else:
        village.market.consentAsPayee(home.device_id, True, sender=landlord)
    village.fund(landlord)
    row = village.sign(home, offered(village, home, landlord))
    market = village.market
    expected = encoded(market.NotAccountOwner, home.device_id, landlord.address, home.owner.address)
    assert market.refusal(row) == expected
    with refused(market.NotAccountOwner, deviceId=home.device_id, given=landlord.address, expected=home.owner.address):
        market.submitOwn(row[0], sender=landlord)


# INV-M25
def test_submit_own__by_the_payee__is_refused(village: Village, let_home: Home, landlord: Any) -> None:
    """Being paid for a device is no right to trade for it; its owner may, on the payee's account."""
    market = village.market
    market.consentAsPayee(let_home.device_id, True, sender=landlord)
    village.fund(landlord)
    sold = offered(village, let_home, landlord)
    with refused(market.NotAuthorised, deviceId=let_home.device_id):
        market.submitOwn(schedule_args(sold), sender=landlord)
    market.submitOwn(schedule_args(sold), sender=let_home.owner)
    assert village.status(sold) == OPEN


# INV-M25
def test_submit__device_sold_to_a_stranger__spends_nothing_of_the_payee(
    village: Village, let_home: Home, landlord: Any, registry: Any, neighbour: Any
) -> None:
    """A payee agrees to a device of an owner it knows; who buys the device and names it again is not agreed to."""
    market, device_id = village.market, let_home.device_id
    market.consentAsPayee(device_id, True, sender=landlord)
    village.fund(landlord)
    registry.offerTransfer(device_id, neighbour, 2**40 - 1, OWN_CALL, sender=let_home.owner)
    registry.acceptTransfer(device_id, OWN_CALL, sender=neighbour)
    registry.setPayee(device_id, landlord, OWN_CALL, sender=neighbour)
    assert not market.consentsAsPayee(landlord, device_id)
    sold = schedule_args(offered(village, let_home, landlord))
    with refused(market.NotAccountOwner, deviceId=device_id, given=landlord.address, expected=neighbour.address):
        market.submitOwn(sold, sender=neighbour)
    market.consentAsPayee(device_id, True, sender=landlord)
    market.submitOwn(sold, sender=neighbour)


def test_settlement_of__profile_that_was_held__is_refused(village: Village, home: Home, next_home: Home) -> None:
    """A day that ended without delivery, its profile being too suspicious, is worth no more to whoever asks later."""
    market = village.market
    sold = village.place(home, {10: offer(60, 1_000)})
    village.place(next_home, {10: bid(60, 1_000)})
    village.end_and_clear([10])
    metered = village.meter(sold, energies({10: -1_000}), score_bps=9_901)
    market.settle([schedule_args(sold)], [metered], sender=village.transmitter)
    warp((village.day + 1) * DAY_SECONDS + village.params.final_after_seconds)
    village.settle_missing(sold)
    assert village.status(sold) == FINAL
    with refused(market.ScheduleUnmetered, deviceId=home.device_id, day=village.day):
        market.settlementOf(schedule_args(sold), metered, sender=village.transmitter)


def test_settlement_of__other_profile_that_would_be_held__is_refused(
    village: Village, home: Home, next_home: Home
) -> None:
    market = village.market
    sold = village.place(home, {10: offer(60, 1_000)})
    village.place(next_home, {10: bid(60, 1_000)})
    village.end_and_clear([10])
    village.finalize(village.run(sold, energies({10: -900})))
    metered = village.meter(sold, energies({10: -1_000}), score_bps=9_901)
    with refused(market.ProfileHeld, deviceId=home.device_id, day=village.day, scoreBps=9_901, holdScoreBps=9_900):
        market.settlementOf(schedule_args(sold), metered, sender=village.transmitter)


def test_settlement_of__another_profile_than_the_one_it_ended_on__is_what_the_given_one_earns(
    village: Village, home: Home, next_home: Home
) -> None:
    """Which profile settled a schedule is not kept: whoever gives another has what that one is worth, no more."""
    sold = village.place(home, {10: offer(60, 1_000)})
    village.place(next_home, {10: bid(60, 1_000)})
    village.end_and_clear([10])
    village.finalize(village.run(sold, energies({10: -900})))
    metered = village.meter(sold, energies({10: -1_000}))
    settlement = Settlement(*village.market.settlementOf.call(schedule_args(sold), metered))
    assert settlement == Settlement(200_000, 0, 0, 0, -1_000, -1_000, 0, 0)


@pytest.mark.parametrize("is_estimated", [False, True])
def test_settlement_of__ended_without_a_profile__is_refused_whatever_is_attested_later(
    village: Village, home: Home, next_home: Home, is_estimated: bool
) -> None:
    """The account was charged as if nothing was delivered, so a late profile that shows delivery earned it nothing."""
    market = village.market
    sold = village.place(home, {10: offer(60, 1_000)})
    village.place(next_home, {10: bid(60, 1_000)})
    village.end_and_clear([10])
    ended_at = (village.day + 1) * DAY_SECONDS
    previous = NO_RUN
    if is_estimated:
        warp(ended_at + village.params.provisional_after_seconds)
        (previous,) = village.runs(village.settle_missing(sold))
    warp(ended_at + village.params.final_after_seconds)
    village.settle_missing(sold, previous)
    assert village.status(sold) == FINAL
    metered = village.meter(sold, energies({10: -1_000}))
    with refused(market.ScheduleUnmetered, deviceId=home.device_id, day=village.day):
        market.settlementOf(schedule_args(sold), metered, sender=village.transmitter)
    other = village.schedule(home, {10: offer(60, 999)})
    with refused(market.ScheduleMismatch, deviceId=home.device_id, day=village.day):
        market.settlementOf(schedule_args(other), metered, sender=village.transmitter)


def test_settlement_of__final_schedule__is_what_its_run_booked(village: Village, home: Home, next_home: Home) -> None:
    market = village.market
    sold = village.place(home, {10: offer(60, 1_000)})
    bought = village.place(next_home, {10: bid(60, 1_000)})
    village.end_and_clear([10])
    metered = village.meter(sold, energies({10: -900}))
    receipt = market.settle([schedule_args(sold)], [metered], sender=village.transmitter)
    with refused(market.ScheduleNotFinal, deviceId=home.device_id, day=village.day, status=3):
        market.settlementOf(schedule_args(sold), metered, sender=village.transmitter)
    village.finalize(*village.runs(receipt))
    (event,) = receipt.events.filter(market.RunMade)
    assert tuple(market.settlementOf.call(schedule_args(sold), metered)) == tuple(event.settlement)
    other = village.schedule(home, {10: offer(60, 999)})
    with refused(market.ScheduleMismatch, deviceId=home.device_id, day=village.day):
        market.settlementOf(schedule_args(other), metered, sender=village.transmitter)
    forged = (metered[0], 1, metered[2])
    with refused(market.ProofInvalid, deviceId=home.device_id, day=village.day):
        market.settlementOf(schedule_args(sold), forged, sender=village.transmitter)
    assert village.status(bought) == OPEN
