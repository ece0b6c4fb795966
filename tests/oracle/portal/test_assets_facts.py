"""Which facts an asset's rating is made of: days that had to be paid and when they were, plants, reserve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from gridwitness.chain.node import Block
from gridwitness.domain.assets import NOBODY, AssetProof, AssetRules, AssetTerms, Dividend, Moment
from gridwitness.service.assets.ledger import CashToken, Ledger
from gridwitness.service.assets.rating import DueDay, MeteredDay, ReserveState
from gridwitness.service.portal.assets_events import Plant
from gridwitness.service.portal.assets_facts import (
    PlantDay,
    earns_here,
    paid_times,
    plant_days,
    rating_facts,
    without_energy,
)
from gridwitness.store.site_index import ChainLog

ASSET, HOME = "0x" + "Aa" * 20, "0x" + "Bb" * 20
MARKET, FAKE = "0x" + "Cc" * 20, "0x" + "Dd" * 20
DAY_S, DAY = 86_400, 17_000
FINAL_AT = (DAY + 2) * DAY_S
NOW = FINAL_AT + 20 * DAY_S
ZONE = 1
PLANT = Plant(b"\x01" * 32, DAY, None, None)
METERED = MeteredDay(96, 96, 0)


def site(zone: int | None = ZONE) -> Any:
    """A site whose registry has the plant in a zone, and whose blocks are final at their number's time."""
    device = None if zone is None else SimpleNamespace(zone=zone)
    return SimpleNamespace(
        registry=SimpleNamespace(device=lambda _: device),
        options=SimpleNamespace(zone=ZONE),
        index=SimpleNamespace(block_times=lambda numbers: dict.fromkeys(numbers, FINAL_AT)),
    )


def ledger(dividends: Sequence[Dividend] = (), *, reserve: str = NOBODY, reserve_at: int = 0, held: int = 50) -> Ledger:
    terms = AssetTerms("", "", 0, NOBODY, NOBODY, reserve, 1, False, 3_600, 0, 0, NOBODY)
    rules = AssetRules(frozenset(), frozenset(), 0, 0, 0, 0)
    proof = AssetProof(50, 1, held, reserve_at, 50, 1, 0, 0, 0, 0, 0)
    block = Block(9, bytes(32), NOW, 0, 0)
    token = CashToken(NOBODY, "tEUR", 6)
    return Ledger(ASSET, 1, block, terms, rules, proof, token, False, 0, 0, (), tuple(dividends))


def revenue(after_days: int, *paid: tuple[Plant, int], rows: int = 1) -> Dividend:
    """A payment some days after DAY was final; without days one that came through another contract."""
    at = Moment(after_days, 0, FINAL_AT + after_days * DAY_S, bytes(32))
    days = tuple((plant.device_id, day) for plant, day in paid)
    return Dividend(at, NOBODY, 1, after_days, len(days) or rows, 10, 10, days)


def final(number: int = DAY, plant: Plant = PLANT) -> PlantDay:
    """A day that was final two days after it began."""
    return PlantDay(plant, number, 100, METERED, None, FINAL_AT + (number - DAY) * DAY_S)


def paid_after(days: Sequence[PlantDay], *dividends: Dividend) -> dict[tuple[bytes, int], int]:
    """Whole days after DAY was final, by device and day."""
    return {key: (time - FINAL_AT) // DAY_S for key, time in paid_times(dividends, days).items()}


def test_due__paid_or_not__waited_from_when_it_was_final() -> None:
    days = [final(), replace(final(DAY + 1), paid_at=FINAL_AT + 4 * DAY_S), replace(final(DAY + 2), final_at=None)]

    assert rating_facts(site(), ledger(), [PLANT], days).due == (
        DueDay(is_paid=False, waited_days=20),
        DueDay(is_paid=True, waited_days=3),
    )


def test_paid_times__payments_that_name_days__each_when_its_own_came() -> None:
    payments = (revenue(4, (PLANT, DAY), (PLANT, DAY + 1)), revenue(9, (PLANT, DAY + 2)))

    found = paid_after([final(DAY + number) for number in range(4)], *payments)

    assert found == {(PLANT.device_id, DAY): 4, (PLANT.device_id, DAY + 1): 4, (PLANT.device_id, DAY + 2): 9}


def test_paid_times__days_skipped_before_one_that_was_paid__stay_unpaid() -> None:
    plant = replace(PLANT, funded_through=DAY + 19)

    found = paid_after([final(DAY + number, plant) for number in range(20)], revenue(21, (plant, DAY + 19)))

    assert found == {(PLANT.device_id, DAY + 19): 21}


def test_paid_times__payment_for_another_plant__pays_nothing_of_this_one() -> None:
    other = replace(PLANT, device_id=b"\x02" * 32, funded_through=DAY)
    one = replace(PLANT, funded_through=DAY)

    found = paid_after([final(DAY, one), final(DAY, other)], revenue(2, (other, DAY)), revenue(5, (one, DAY)))

    assert found == {(one.device_id, DAY): 5, (other.device_id, DAY): 2}


def test_paid_times__through_another_contract__as_many_of_the_oldest_as_it_has_rows() -> None:
    plant = replace(PLANT, funded_through=DAY + 4)
    days = [final(DAY + number, plant) for number in range(6)]
    payments = (revenue(-1), revenue(1, rows=9), revenue(3, (plant, DAY + 2)), revenue(8, rows=1), revenue(9, rows=9))

    found = paid_after(days, *payments)

    assert [found.get((plant.device_id, DAY + number)) for number in range(6)] == [1, 1, 3, 8, 9, None]


def test_paid_times__paid_in_by_the_issuer__is_for_no_day() -> None:
    plant = replace(PLANT, funded_through=DAY)

    assert paid_after([final(DAY, plant)], replace(revenue(3), rows=0)) == {}


def plant_day(account: str, event: str, args: dict[str, Any], *dividends: Dividend) -> PlantDay:
    """DAY of the plant, of whose schedule on an account an event came in the end."""
    said = {"account": account, "scheduleHash": "0x" + "00" * 32}
    submitted = ChainLog(5, 0, b"", b"", "ScheduleSubmitted", None, DAY, account, None, None, None, None, said)
    logs = [submitted, submitted._replace(name=event, log_index=1, args=args)]
    index = SimpleNamespace(rows=lambda *_: [], logs=lambda *_: logs, block_times=site().index.block_times)
    here: Any = SimpleNamespace(index=index)
    (one,) = plant_days(here, ledger(dividends), [PLANT], (DAY + 1) * DAY_S)
    return one


def test_plant_days__schedule_on_another_account__is_none_of_the_asset() -> None:
    own, other = (plant_day(account, "ScheduleFinal", {}) for account in (ASSET, HOME))

    assert own.schedule is not None and own.final_at == FINAL_AT
    assert (other.schedule, other.final_at) == (None, None)


def test_plant_days__held__had_not_to_be_paid() -> None:
    one = plant_day(ASSET, "SettlementHeld", {"scoreBps": 9_000, "holdScoreBps": 8_000})

    assert one.schedule is not None and one.schedule.status == "held"
    assert rating_facts(site(), ledger(), [PLANT], [one]).due == ()


def test_plant_days__paid__says_when() -> None:
    assert plant_day(ASSET, "ScheduleFinal", {}).paid_at is None
    assert plant_day(ASSET, "ScheduleFinal", {}, revenue(2, (PLANT, DAY))).paid_at == FINAL_AT + 2 * DAY_S


@pytest.mark.parametrize(
    ("known", "named", "is_earning"),
    [(MARKET, MARKET, True), (MARKET, FAKE, False), (MARKET, NOBODY, False), (None, FAKE, False)],
)
def test_earns_here__market_of_the_terms__must_be_the_one_of_the_manifest(
    known: str | None, named: str, is_earning: bool
) -> None:
    contracts = {} if known is None else {"EnergyMarket": SimpleNamespace(address=known)}
    here: Any = SimpleNamespace(chain=SimpleNamespace(manifest=SimpleNamespace(contracts=contracts)))
    made = ledger()

    assert earns_here(here, replace(made, terms=replace(made.terms, market=named))) is is_earning


def test_without_energy__ledger_with_revenue__keeps_cash_but_no_energy() -> None:
    made = ledger([revenue(1, (PLANT, DAY))])
    told = without_energy(replace(made, proof=replace(made.proof, sold_wh=10, attested_wh=10, revenue=1)))

    (dividend,) = told.dividends
    assert (dividend.cash, dividend.is_attested, dividend.sold_wh, dividend.first_day) == (1, False, 0, None)
    assert (told.proof.plants, told.proof.sold_wh, told.proof.attested_wh, told.proof.revenue) == (0, 0, 0, 0)


@pytest.mark.parametrize(("zone", "is_known"), [(ZONE, True), (ZONE + 1, False), (None, False)])
def test_metered__plant_of_another_zone_or_unknown__is_not_known_rather_than_bad(
    zone: int | None, is_known: bool
) -> None:
    facts = rating_facts(site(zone), ledger(), [PLANT], [final()])

    assert facts.metered == ((METERED,) if is_known else None)


def test_reserve__attested__age_and_cover_as_of_the_block() -> None:
    def state(**changes: Any) -> ReserveState | None:
        return rating_facts(site(), ledger(**changes), [], []).reserve

    assert state(reserve="0xfeed", reserve_at=NOW - 60) == ReserveState(60, 3_600, is_covered=True)
    assert state(reserve="0xfeed", reserve_at=NOW - 60, held=49) == ReserveState(60, 3_600, is_covered=False)
    assert state(reserve="0xfeed") is state(reserve_at=NOW) is None
