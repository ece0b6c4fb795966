"""What an asset's views say of its ledger: value, yield, holders by country, rules in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwitness.api.portal.protocols import MIN_HOMES_IN_AGGREGATE
from gridwitness.chain.node import Block
from gridwitness.domain.assets import (
    NOBODY,
    AssetProof,
    AssetRule,
    AssetRules,
    AssetTerms,
    Dividend,
    Entry,
    Holder,
    Moment,
    Movement,
    MovementKind,
    Passport,
    Verdict,
    WalletChange,
)
from gridwitness.service.assets.ledger import CashToken, Ledger
from gridwitness.service.assets.rating import MeteredDay
from gridwitness.service.portal.assets_events import Plant
from gridwitness.service.portal.assets_facts import PlantDay
from gridwitness.service.portal.assets_views import (
    dividends_of,
    holder_groups,
    production_days,
    reserve_of,
    rules_view,
    value_of,
    yield_of,
)
from gridwitness.service.portal.schedules import ScheduleState
from gridwitness.store.site_index import ChainLog

EUR = 1_000_000
DAY_S = 86_400
NOW = 1_500_000_000
CASH, OTHER_CASH = "0x" + "ca" * 20, "0x" + "cb" * 20
RULES = AssetRules(frozenset({276, 40, 999}), frozenset({0, 1}), 3_600, 100, 10_000, 0)
ONE = 1 << 40


def ledger(
    history: Sequence[Entry] = (),
    holders: Sequence[Holder] = (),
    *,
    decimals: int = 0,
    matures_at: int = 0,
    redemption_per_share: int = 0,
    reserve: str = NOBODY,
    reserve_at: int = 0,
) -> Ledger:
    index = max((one.index for one in history if isinstance(one, Dividend)), default=0)
    supply = sum(one.shares for one in holders)
    terms = AssetTerms("", "", decimals, NOBODY, CASH, reserve, 1, False, 100, matures_at, redemption_per_share, NOBODY)
    proof = AssetProof(supply, len(holders), 50, reserve_at, 40, 0, 0, 0, 0, 0, index)
    block = Block(7, bytes(32), NOW, 0, 0)
    token = CashToken(CASH, "tEUR", 6)
    return Ledger("0x", 1, block, terms, RULES, proof, token, False, 0, 0, tuple(holders), tuple(history))


def moment(time: int) -> Moment:
    return Moment(time // 12, 0, time, bytes(32))


def trade(
    shares: int, cash: int, token: str = CASH, time: int = NOW, *, seller: str = "0xa", buyer: str = "0xb"
) -> Movement:
    return Movement(moment(time), MovementKind.TRADE, seller, buyer, shares, cash, token)


def dividend(index: int, time: int = NOW) -> Dividend:
    return Dividend(moment(time), NOBODY, 1, index)


# --- value ---


def test_value__redemption_and_trade__is_what_a_share_is_redeemed_for() -> None:
    value = value_of(ledger([trade(2, 30 * EUR)], matures_at=NOW + 1, redemption_per_share=10 * EUR))

    assert (value.net_asset_value, value.last_price, value.per_share, value.basis) == (
        10 * EUR, 15 * EUR, 10 * EUR, "redemption",
    )  # fmt: skip


def test_value__shares_with_decimals__is_of_a_whole_one() -> None:
    value = value_of(ledger([trade(250, 5 * EUR)], decimals=2, matures_at=NOW, redemption_per_share=EUR))

    assert (value.net_asset_value, value.last_price) == (100 * EUR, 2 * EUR)


def test_value__trades_in_another_token_or_an_unknown_one__do_not_count() -> None:
    trades = [trade(1, EUR), trade(1, 9 * EUR, OTHER_CASH), trade(1, 9 * EUR, "")]

    assert value_of(ledger(trades)).per_share == EUR
    assert value_of(ledger(trades[1:])).basis == ""


@pytest.mark.parametrize("is_retired", [False, True])
@pytest.mark.parametrize(("seller", "buyer"), [("0xa", "0xa"), ("0xa", "0xa2"), ("0xa3", "0xa2"), ("0xa2", "0xa")])
def test_value__trade_of_an_investor_with_itself__does_not_count(seller: str, buyer: str, is_retired: bool) -> None:
    own = [WalletChange(moment(NOW), "0xa", wallet, is_retired=False) for wallet in ("0xa2", "0xa3")]
    retired = [WalletChange(moment(NOW), "0xa", "0xa2", is_retired=True)] if is_retired else []
    with_itself = trade(1, 9 * EUR, seller=seller, buyer=buyer)

    assert value_of(ledger([*own, trade(1, EUR), with_itself, *retired])).last_price == EUR
    assert value_of(ledger([*own, with_itself, *retired])).last_price is None


def test_value__trade_with_another_investors_second_wallet__counts() -> None:
    second = WalletChange(moment(NOW), "0xb", "0xb2", is_retired=False)

    assert value_of(ledger([second, trade(1, 9 * EUR, buyer="0xb2")])).last_price == 9 * EUR


def test_value__redemption_without_maturity_or_of_nothing__is_not_known() -> None:
    assert value_of(ledger(redemption_per_share=EUR)).per_share is None
    assert value_of(ledger(matures_at=NOW)).per_share is None


# --- yield ---


def test_yield__a_year_and_more__counts_the_last_year_only() -> None:
    history = [
        dividend(5 * EUR * ONE, NOW - 400 * DAY_S),
        dividend(6 * EUR * ONE, NOW - 10 * DAY_S),
        trade(1, 20 * EUR),
    ]
    made = ledger(history)

    found = yield_of(made, NOW - 500 * DAY_S, value_of(made))

    assert (found.days, found.per_share, found.of_value_bps, found.annual_bps) == (365, EUR, 500, 500)


@pytest.mark.parametrize(("days", "annual"), [(29, None), (30, 121), (73, 50)])
def test_yield__less_than_a_year__is_made_a_year_s_only_from_thirty_days_on(days: int, annual: int | None) -> None:
    made = ledger([dividend(EUR * ONE // 10), trade(1, 100 * EUR)])

    found = yield_of(made, NOW - days * DAY_S, value_of(made))

    assert (found.days, found.of_value_bps, found.annual_bps) == (days, 10, annual)


def test_yield__no_value_known__says_cash_but_no_rate() -> None:
    found = yield_of(ledger([dividend(EUR * ONE)]), NOW, value_of(ledger()))

    assert (found.days, found.per_share, found.of_value_bps, found.annual_bps) == (1, EUR, None, None)


def test_dividends__in_order__newest_first_each_with_its_own_part() -> None:
    found = dividends_of(ledger([dividend(ONE // 2, NOW - 9), dividend(ONE // 2 + ONE // 4, NOW)], decimals=1))

    assert [(one.at, one.per_share_millionths) for one in found] == [(NOW, 2_500_000), (NOW - 9, 5_000_000)]


# --- production ---


def plant_day(*, is_scheduled: bool = True, is_paid: bool = False) -> PlantDay:
    log = ChainLog(5, 0, b"", b"", "ScheduleSubmitted", None, 1, None, None, None, None, None, {})
    schedule = ScheduleState(log, log, "final") if is_scheduled else None
    return PlantDay(
        Plant(bytes(32), 1, None, None), 1, 10, MeteredDay(1, 1, 0), schedule, NOW, NOW if is_paid else None
    )


@pytest.mark.parametrize(
    ("plants", "is_paid"),
    [
        ([plant_day(is_paid=True), plant_day(is_paid=True)], True),
        ([plant_day(is_paid=True), plant_day()], False),
        ([plant_day(is_paid=True), plant_day(is_scheduled=False)], True),
        ([plant_day(is_scheduled=False)], False),
    ],
)
def test_production__day_of_several_plants__is_paid_once_all_that_sold_are(
    plants: list[PlantDay], is_paid: bool
) -> None:
    (day,) = production_days(plants)

    assert (day.read_wh, day.is_paid) == (10 * len(plants), is_paid)


# --- reserve ---


def test_reserve__as_old_as_allowed__is_fresh_and_a_second_later_not() -> None:
    seen = [reserve_of(ledger(reserve="0xfeed", reserve_at=NOW - age), None) for age in (100, 101)]

    assert [(one.is_fresh, one.is_covered, one.age_s) for one in seen if one] == [(True, True, 100), (False, True, 101)]


def test_reserve__never_attested_or_none_named__is_neither_fresh_nor_covered() -> None:
    unread = reserve_of(ledger(reserve="0xfeed"), None)

    assert unread is not None and (unread.read_at, unread.is_fresh, unread.is_covered) == (None, False, False)
    assert reserve_of(ledger(), None) is None


# --- holders ---


def holder(number: int, country: int | None, shares: int, investor: int | None = None) -> Holder:
    passport = None if country is None else Passport(NOW, country, 0)
    named = f"0x{number if investor is None else investor:040x}"
    return Holder(f"0x{number:040x}", named, shares, 0, 0, passport, Verdict(AssetRule.NONE), "")


def test_holders__several_wallets_of_one_investor__are_one() -> None:
    held = [holder(1, 276, 30), holder(2, 276, 20, investor=1), holder(3, 40, 50)]

    groups = holder_groups(ledger(holders=held), tells_all=True)

    assert [(one.country, one.investors, one.shares, one.share_bps) for one in groups] == [
        (40, 1, 50, 5_000), (276, 1, 50, 5_000),
    ]  # fmt: skip


def test_holders__twelve_in_three_countries__are_told_apart() -> None:
    held = [holder(number, (276, 250, 40)[number % 3], 10 + number) for number in range(12)]

    assert {one.country for one in holder_groups(ledger(holders=held), tells_all=False)} == {276, 250, 40}


countries = st.sampled_from([None, 40, 250, 276, 756])
holdings = st.lists(st.tuples(countries, st.integers(0, 1_000)), max_size=30)


@given(holdings, st.booleans())
@settings(max_examples=300, deadline=None)
def test_holders__any__shares_add_up_and_no_few_are_told(held: list[tuple[int | None, int]], tells_all: bool) -> None:
    holders = [holder(number, country, shares) for number, (country, shares) in enumerate(held)]

    groups = holder_groups(ledger(holders=holders), tells_all=tells_all)

    real = Counter(country for country, shares in held if shares)
    assert sum(one.shares for one in groups) == sum(shares for _, shares in held)
    assert sum(one.investors for one in groups) == sum(real.values())
    for one in groups:
        if tells_all:
            assert one.investors == real[one.country]
        else:  # or all of them together are as few
            assert one.investors >= MIN_HOMES_IN_AGGREGATE or (one.country is None and len(groups) == 1)


# --- rules ---


def test_rules__in_words__name_countries_limits_and_what_stops_transfers() -> None:
    plain = rules_view(RULES, is_paused=False, now=NOW).words
    locked = AssetRules(frozenset(), frozenset(), 0, 1, 1_250, NOW + 60)
    strict = rules_view(locked, is_paused=True, now=NOW).words

    assert "Holders have a passport of one of these countries: Austria, Germany, country 999." in plain
    assert "Holders may transfer shares." in plain and "One investor may hold any part of the shares." in plain
    assert strict[0] == "Transfers are stopped for now; claims go on."
    assert "One investor may hold 12.50 % of the shares at most." in strict
    assert any("may not transfer" in one for one in strict)
