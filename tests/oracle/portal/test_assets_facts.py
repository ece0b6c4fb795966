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
from gridwitness.service.portal.assets_facts import PlantDay, earns_here, plant_days, rating_facts, without_energy
from gridwitness.service.portal.schedules import ScheduleState
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


def revenue(after_days: int, first_day: int | None = None, last_day: int | None = None) -> Dividend:
    at = Moment(after_days, 0, FINAL_AT + after_days * DAY_S, bytes(32))
    return Dividend(at, NOBODY, 1, after_days, 1, 10, 10, first_day, last_day)


def day(*, status: str = "final", is_paid: bool = False) -> PlantDay:
    log: Any = SimpleNamespace(block_number=5, args={"account": ASSET})
    return PlantDay(PLANT, DAY, 100, METERED, ScheduleState(log, log, status), is_paid)


def due(one: PlantDay, *dividends: Dividend) -> tuple[DueDay, ...]:
    return rating_facts(site(), ledger(dividends), [PLANT], [one]).due


def test_due__unpaid__waits_until_now() -> None:
    assert due(day(), revenue(1, DAY - 5, DAY - 1)) == (DueDay(is_paid=False, waited_days=20),)


def test_due__paid__when_the_payment_that_names_the_day_came() -> None:
    payments = (revenue(1, DAY - 9, DAY - 1), revenue(4, DAY, DAY + 3), revenue(9, DAY + 4, DAY + 4))

    assert due(day(is_paid=True), *payments) == (DueDay(is_paid=True, waited_days=4),)


def test_due__paid_through_another_contract__the_first_payment_after_it_was_final() -> None:
    assert due(day(is_paid=True), revenue(-1), revenue(3), revenue(8)) == (DueDay(is_paid=True, waited_days=3),)


@pytest.mark.parametrize("one", [day(status="provisional"), day(status="missing"), day(status="held")])
def test_due__not_final__had_not_to_be_paid(one: PlantDay) -> None:
    assert due(one) == ()


@pytest.mark.parametrize(("account", "status"), [(ASSET, "final"), (HOME, None)])
def test_plant_days__schedule_on_another_account__is_none_of_the_asset(account: str, status: str | None) -> None:
    args = {"account": account, "scheduleHash": "0x" + "00" * 32}
    submitted = ChainLog(5, 0, b"", b"", "ScheduleSubmitted", None, DAY, account, None, None, None, None, args)
    logs = [submitted, submitted._replace(name="ScheduleFinal", log_index=1)]
    index = SimpleNamespace(rows=lambda *_: [], logs=lambda *_: logs, block_times=site().index.block_times)

    (one,) = plant_days(SimpleNamespace(index=index), ledger(), [PLANT], (DAY + 1) * DAY_S)  # type: ignore[arg-type]

    assert (one.schedule.status if one.schedule else None) == status


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
    made = ledger([revenue(1, DAY, DAY)])
    told = without_energy(replace(made, proof=replace(made.proof, sold_wh=10, attested_wh=10, revenue=1)))

    (dividend,) = told.dividends
    assert (dividend.cash, dividend.is_attested, dividend.sold_wh, dividend.first_day) == (1, False, 0, None)
    assert (told.proof.plants, told.proof.sold_wh, told.proof.attested_wh, told.proof.revenue) == (0, 0, 0, 0)


@pytest.mark.parametrize(("zone", "is_known"), [(ZONE, True), (ZONE + 1, False), (None, False)])
def test_metered__plant_of_another_zone_or_unknown__is_not_known_rather_than_bad(
    zone: int | None, is_known: bool
) -> None:
    facts = rating_facts(site(zone), ledger(), [PLANT], [day()])

    assert facts.metered == ((METERED,) if is_known else None)


def test_reserve__attested__age_and_cover_as_of_the_block() -> None:
    def state(**changes: Any) -> ReserveState | None:
        return rating_facts(site(), ledger(**changes), [], []).reserve

    assert state(reserve="0xfeed", reserve_at=NOW - 60) == ReserveState(60, 3_600, is_covered=True)
    assert state(reserve="0xfeed", reserve_at=NOW - 60, held=49) == ReserveState(60, 3_600, is_covered=False)
    assert state(reserve="0xfeed") is state(reserve_at=NOW) is None
