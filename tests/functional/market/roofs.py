"""Roofs whose energy an asset's shares are paid for: what they sell, deliver and earn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ape

from gridwitness.domain.market import Schedule
from gridwitness.encoding.packing import pack_energy_wh
from tests.functional.market.village import (
    DAY_SECONDS,
    EUR,
    Home,
    Village,
    bid,
    energies,
    offer,
    schedule_args,
    warp,
)

OWN_CALL = (0, b"")
NOWHERE = "0x" + "00" * 20
GERMANY = 276
FAR_AHEAD = 2**40 - 1
SHARES = 10_000
DEPOSIT = 20 * EUR
SLOT = 10
TICK = 60  # 200,000 per kWh


@dataclass(frozen=True)
class Row:
    """A final schedule, what was delivered, and the batch that says so."""

    sold: Schedule
    delivered_wh: int
    seq: int


@dataclass
class Roofs:
    """Homes that earn for an asset's shares, and who has a part in it."""

    village: Village
    homes: list[Home]
    buyer: Home
    shares: Any
    governance: Any
    issuer: Any
    holders: list[Any]

    @property
    def home(self) -> Home:
        """The first home."""
        return self.homes[0]

    @property
    def holder(self) -> Any:
        """The first holder, who has all shares."""
        return self.holders[0]

    def day(self, sold_wh: int, delivered_wh: int, day: int | None = None) -> Row:
        """Sell energy of the first home on a day that lies ahead, deliver some, and see the day through to its end."""
        if day is not None:
            self.village.day = day
        (row,) = self.trade([(self.home, sold_wh, delivered_wh, self.shares.address)])
        return row

    def trade(
        self, outputs: Sequence[tuple[Home, int, int, str]], bought_wh: int | None = None, tick: int = TICK
    ) -> list[Row]:
        """Sell what homes offer on these accounts to a buyer of as much, or less; see the village's day to its end."""
        village = self.village
        sold = [
            village.schedule(home, {SLOT: offer(tick, energy)}, account=account) for home, energy, _, account in outputs
        ]
        rows = [village.sign(home, schedule) for (home, *_), schedule in zip(outputs, sold, strict=True)]
        assert not village.submit(*rows).events.filter(village.market.ScheduleSkipped)
        wanted = bought_wh or sum(energy for _, energy, *_ in outputs)
        bought = village.place(self.buyer, {SLOT: bid(tick, wanted)})
        village.end_and_clear([SLOT])
        delivered = [delivered for _, _, delivered, _ in outputs]
        metered = [
            *((schedule, energies({SLOT: -energy})) for schedule, energy in zip(sold, delivered, strict=True)),
            (bought, energies({SLOT: wanted})),
        ]
        first = len(village.feed.batches) + 1
        village.finalize(*village.runs(village.settle_all(metered)))
        return [Row(*fields) for fields in zip(sold, delivered, range(first, first + len(sold)), strict=True)]

    def call_of(self, *rows: Row) -> tuple[list[Any], list[Any]]:
        """What `fundRevenue` takes for rows."""
        metered = [
            (list(pack_energy_wh(energies({SLOT: -row.delivered_wh}))), 0, self.village.proof_of(row.seq))
            for row in rows
        ]
        return [schedule_args(row.sold) for row in rows], metered

    def fund(self, *rows: Row) -> Any:
        """Pay what the rows earned to the shares; returns the receipt."""
        return self.governance.fundRevenue(*self.call_of(*rows), sender=self.holder)

    def next_day(self) -> int:
        """A day that lies wholly ahead, while the market still remembers the last."""
        today = ape.chain.pending_timestamp // DAY_SECONDS
        warp((today + 1) * DAY_SECONDS + 3_600)
        return int(today + 2)


def make_roofs(
    project: Any, registry: Any, village: Village, homes: list[Home], buyer: Home, issuer: Any, holders: list[Any]
) -> Roofs:
    """An asset that is paid for homes, all shares the first holder's; it has money in the market to trade on."""
    passports = issuer.deploy(project.Passports, issuer)
    passports.grantRole(passports.REGISTRAR_ROLE(), issuer, sender=issuer)
    passports.register([(holder, (FAR_AHEAD, GERMANY, 1)) for holder in holders], sender=issuer)
    factory = issuer.deploy(project.AssetFactory)
    terms = ("Roof One", "ROOF1", 0, passports, village.euro, NOWHERE, 0, False, 0, 0, 0, village.market)
    countries = [0, 1 << (GERMANY - 256), 0, 0]
    receipt = factory.create(terms, (countries, 2, DAY_SECONDS, 100, 10_000, 0), issuer, sender=issuer)
    (created,) = receipt.events.filter(factory.AssetCreated)
    shares = project.AssetShares.at(created.asset)
    governance = project.AssetGovernance.at(created.asset)
    governance.mint(holders[0], SHARES, sender=issuer)
    for home in homes:
        registry.setPayee(home.device_id, shares, OWN_CALL, sender=home.owner)
        governance.addPlant(home.device_id, sender=issuer)
    village.fund(shares, DEPOSIT)
    return Roofs(village, homes, buyer, shares, governance, issuer, holders)
