"""A village that trades: its market, devices and profiles, with the real contracts and the real package behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import astuple, dataclass
from typing import Any

import ape
from eth_abi import encode
from eth_utils import keccak

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import NO_ORDER, Order, Schedule, Settlement, Side, ZoneParams
from gridwitness.domain.market import Clearing as ReferenceClearing
from gridwitness.domain.readings import Profile
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.encoding.eip712 import Domain, schedule_digest
from gridwitness.encoding.keys import Secp256k1Key
from gridwitness.encoding.leaves import profile_leaf
from gridwitness.encoding.packing import pack_energy_wh, pack_orders
from gridwitness.market import clearing as reference_clearing
from gridwitness.market.clearing import BookOrder
from tests.actors import Device, Feed, proof_args

ZONE = 7
EUR = 1_000_000
DAY_SECONDS = 86_400
SLOT_SECONDS = 900
NONE, OPEN, HELD, PROVISIONAL, DISPUTED, FINAL = range(6)
FAR_AHEAD = 2**40 - 1
IMBALANCE_LIMIT_WH = 20_000
BACKSTOP = 1_000 * EUR
POCKET = 10**30
DISPUTE_BOND = 5 * EUR
# 96 Wh at the price cap, and three units for rounding: part of every reserve.
DUST_AND_ROUNDING = 35_280 + 3
# What either side of the fixture `trade` reserves: 1,000 Wh at 230,000 and 2,000 Wh at 400,000 per kWh, and the rest.
TRADE_RESERVE = 230_000 + 800_000 + DUST_AND_ROUNDING
NOTHING = (0,) * SLOTS_PER_DAY
Run = tuple[Any, ...]
Trade = tuple[Schedule, Schedule]
NO_RUN: Run = (bytes(32), "0x" + "00" * 20, 0, 0, bytes(32), 0, 0, 0, 0, 0, 0, "0x" + "00" * 20, 0)


def bid(tick: int, energy_wh: int) -> Order:
    """Buy at this tick or cheaper."""
    return Order(Side.BID, tick, energy_wh)


def offer(tick: int, energy_wh: int) -> Order:
    """Sell at this tick or dearer."""
    return Order(Side.OFFER, tick, energy_wh)


def day_of(orders: Mapping[int, Order]) -> tuple[Order, ...]:
    """96 orders from those that have energy, by index in the day."""
    return tuple(orders.get(index, NO_ORDER) for index in range(SLOTS_PER_DAY))


def energies(values: Mapping[int, int]) -> tuple[int, ...]:
    """96 net energies (Wh) from those that are not zero, by index in the day."""
    return tuple(values.get(index, 0) for index in range(SLOTS_PER_DAY))


def encoded(error: Any, *values: object) -> bytes:
    """A custom error as the chain encodes it."""
    types = [parameter.canonical_type for parameter in error.abi.inputs]
    return bytes(keccak(text=error.abi.selector)[:4] + encode(types, values))


def warp(timestamp: int) -> None:
    """Mine a block at this second, so that calls see it too."""
    ape.chain.mine(timestamp=timestamp)


def schedule_args(schedule: Schedule) -> tuple[Any, ...]:
    """A schedule as the contract takes it; the fields stand in the same order."""
    *fields, _ = (getattr(schedule, field.name) for field in dataclasses.fields(schedule))
    return (*fields, list(pack_orders(schedule.orders)))


@dataclass(frozen=True)
class Home:
    """A device and its owner."""

    device: Device
    owner: Any
    kind: DeviceKind = DeviceKind.PROSUMER

    @property
    def device_id(self) -> bytes:
        """Id in the registry, 32 bytes."""
        return self.device.device_id


@dataclass
class Village:
    """One zone of a market and how to trade in it. `day` is a delivery day that lies wholly ahead."""

    market: Any
    euro: Any
    domain: Domain
    params: ZoneParams
    feed: Feed
    transmitter: Any
    day: int
    zone: int = ZONE

    @contextmanager
    def isolated(self) -> Iterator[Village]:
        """The village as it stands, to act in; afterwards chain and feed are as they were."""
        feed = copy(self.feed)
        feed.batches, feed.trees, feed.range = list(feed.batches), list(feed.trees), deepcopy(feed.range)
        with ape.chain.isolate():
            yield dataclasses.replace(self, feed=feed)

    @property
    def first_slot(self) -> int:
        """First delivery slot of the day."""
        return self.day * SLOTS_PER_DAY

    def gate_closes_at(self, index: int) -> int:
        """Second at which the gate of the day's slot `index` closes."""
        return (self.first_slot + index - self.params.gate_lead_slots) * SLOT_SECONDS

    def end_of_day(self) -> int:
        """Second at which the day ends."""
        return (self.day + 1) * DAY_SECONDS

    def fund(self, account: Any, amount: int = 1_000 * EUR) -> None:
        """Deposit for an account, out of the transmitter's pocket."""
        self.fill_pocket(self.transmitter, amount)
        self.market.deposit(account, amount, sender=self.transmitter)

    def fund_backstop(self, account: Any, amount: int = BACKSTOP) -> None:
        """Give to the zone's backstop, out of the account's pocket."""
        self.fill_pocket(account, amount)
        self.market.fundBackstop(self.zone, amount, sender=account)

    def fill_pocket(self, account: Any, amount: int) -> None:
        """Make sure that the market may take `amount` from an account; if not yet, much more at once."""
        if self.euro.allowance(account, self.market) < amount:
            self.euro.mint(account, POCKET, sender=account)
            self.euro.approve(self.market, POCKET, sender=account)

    def schedule(
        self,
        home: Home,
        orders: Mapping[int, Order] | Sequence[Order],
        version: int = 1,
        day: int | None = None,
        zone: int | None = None,
        account: Any | None = None,
        deadline: int = FAR_AHEAD,
        imbalance_limit_wh: int = IMBALANCE_LIMIT_WH,
    ) -> Schedule:
        """A schedule of the home's device, by default for the village's day and zone."""
        full = day_of(orders) if isinstance(orders, Mapping) else tuple(orders)
        return Schedule(
            home.device_id,
            str(account or home.owner),
            self.zone if zone is None else zone,
            self.day if day is None else day,
            version,
            deadline,
            imbalance_limit_wh,
            full,
        )

    def sign(self, home: Home, schedule: Schedule) -> tuple[tuple[Any, ...], bytes]:
        """A row for `submit`, signed with the device's key."""
        return schedule_args(schedule), home.device.key.sign(schedule_digest(self.domain, schedule))

    def signed_by(self, key: Secp256k1Key, schedule: Schedule) -> tuple[tuple[Any, ...], bytes]:
        """A row signed by an account (owner or delegate): `signer || signature`."""
        return schedule_args(schedule), key.device_id[12:] + key.sign(schedule_digest(self.domain, schedule))

    def submit(self, *rows: tuple[tuple[Any, ...], bytes]) -> Any:
        """Relay rows; returns the receipt."""
        return self.market.submit(list(rows), sender=self.transmitter)

    def place(self, home: Home, orders: Mapping[int, Order] | Sequence[Order], **fields: Any) -> Schedule:
        """Fund the owner for exactly this schedule and submit it, which must be accepted."""
        schedule = self.schedule(home, orders, **fields)
        needed = self.market.reserveOf(schedule_args(schedule))
        if needed:
            self.fund(home.owner, needed)
        receipt = self.submit(self.sign(home, schedule))
        assert [event.refusal.hex() for event in receipt.events.filter(self.market.ScheduleSkipped)] == []
        return schedule

    def clear(self, indices: Iterable[int] = range(SLOTS_PER_DAY)) -> Any:
        """Clear slots of the day, by default all."""
        slots = [self.first_slot + index for index in indices]
        return self.market.clear(self.zone, slots, sender=self.transmitter)

    def clear_after_gates(self, indices: Iterable[int] = range(SLOTS_PER_DAY)) -> None:
        """Let all the day's gates close, and clear slots of it, by default all."""
        warp(self.gate_closes_at(SLOTS_PER_DAY - 1))
        self.clear(indices)

    def end_and_clear(self, indices: Iterable[int] = range(SLOTS_PER_DAY)) -> None:
        """Let the day end, and clear slots of it, by default all."""
        warp(self.end_of_day())
        self.clear(indices)

    def clearing(self, index: int) -> ReferenceClearing:
        """The contract's result of the day's slot `index`."""
        return ReferenceClearing(*tuple(self.market.clearing(self.zone, self.first_slot + index))[1:])

    def clearings(self) -> list[ReferenceClearing]:
        """The contract's results of the day."""
        return [self.clearing(index) for index in range(SLOTS_PER_DAY)]

    def is_green(self, home: Home) -> bool:
        """Whether the home's offers receive the green premium."""
        return self.params.is_green(home.kind)

    def book_order(self, home: Home, order: Order) -> BookOrder:
        """An order of the home as it stands in the book."""
        return reference_clearing.book_order(order, self.params, green=self.is_green(home))

    def reference(
        self, trades: Iterable[tuple[Home, Schedule]], index: int, cap_wh: int | None = None
    ) -> ReferenceClearing:
        """What the Python reference makes of slot `index` of these schedules; `cap_wh` is a cap of the slot's own."""
        book = reference_clearing.book_of(self.book_order(home, schedule.orders[index]) for home, schedule in trades)
        return reference_clearing.clear(book, self.params, cap_wh)

    def meter(self, schedule: Schedule, energy_wh: Sequence[int], score_bps: int = 0) -> tuple[Any, ...]:
        """Attest a profile of the schedule's device and day, and return it as `settle` takes it."""
        profile = Profile(schedule.device_id, schedule.day * SLOTS_PER_DAY, tuple(energy_wh), score_bps)
        self.feed.attest([profile_leaf(profile), keccak(b"another profile of the batch")])
        return (list(pack_energy_wh(energy_wh)), score_bps, self.proof_of(len(self.feed.batches)))

    def proof_of(self, seq: int) -> tuple[Any, ...]:
        """Proof of the profile in batch `seq` for the stream's present length."""
        return proof_args(self.feed.proof(seq, 0))

    def settle(self, schedule: Schedule, energy_wh: Sequence[int], score_bps: int = 0) -> Any:
        """Attest and settle one schedule; returns the receipt."""
        return self.settle_all([(schedule, energy_wh)], score_bps)

    def settle_all(self, rows: Sequence[tuple[Schedule, Sequence[int]]], score_bps: int = 0) -> Any:
        """Attest a batch for each schedule, and settle all of them in one call; returns the receipt."""
        metered = [self.meter(*row, score_bps) for row in rows]
        # Proofs are for the stream's length once all are attested.
        first = len(self.feed.batches) - len(rows) + 1
        metered = [(*fields[:2], self.proof_of(seq)) for seq, fields in enumerate(metered, first)]
        return self.market.settle([schedule_args(schedule) for schedule, _ in rows], metered, sender=self.transmitter)

    def runs(self, receipt: Any) -> list[Run]:
        """The runs a receipt announces, as the contract takes them back."""
        return [tuple(event.run) for event in receipt.events.filter(self.market.RunMade)]

    def run(self, schedule: Schedule, energy_wh: Sequence[int]) -> Run:
        """Attest and settle one schedule; returns its provisional run."""
        (run,) = self.runs(self.settle(schedule, energy_wh))
        return run

    def settle_missing(self, schedule: Schedule, previous: Run = NO_RUN, sender: Any | None = None) -> Any:
        """Settle without data; returns the receipt."""
        return self.market.settleMissing(schedule_args(schedule), previous, sender=sender or self.transmitter)

    def correct(self, schedule: Schedule, energy_wh: Sequence[int], previous: Run, score_bps: int = 0) -> Any:
        """Attest another profile and make the run anew on it; returns the receipt."""
        metered = self.meter(schedule, energy_wh, score_bps)
        return self.market.correct(schedule_args(schedule), metered, previous, sender=self.transmitter)

    def dispute(self, run: Run, disputer: Any) -> Run:
        """Dispute a run; returns it as it then stands."""
        receipt = self.market.dispute(run, sender=disputer)
        (event,) = receipt.events.filter(self.market.RunDisputed)
        return tuple(event.run)

    def finalize(self, *runs: Run) -> Any:
        """Let the time to dispute pass, and end the runs; returns the receipt."""
        warp(ape.chain.pending_timestamp + self.params.dispute_seconds)
        return self.market.finalize(list(runs), sender=self.transmitter)

    def settlement(self, receipt: Any) -> Settlement:
        """The settlement of the one run a receipt announces."""
        (event,) = receipt.events.filter(self.market.RunMade)
        return Settlement(*tuple(event.settlement))

    def status(self, schedule: Schedule) -> int:
        """Stage of the device's schedule of that day."""
        return int(self.market.scheduleOf(schedule.device_id, schedule.day).status)

    def balance(self, account: Any) -> tuple[int, int]:
        """Free and reserved money."""
        free, reserved = self.market.balanceOf(account)
        return int(free), int(reserved)

    def cash(self, *accounts: Any) -> int:
        """All money of these accounts, free and reserved."""
        return sum(sum(self.balance(account)) for account in accounts)

    def assert_conserved(self, *accounts: Any) -> None:
        """The books add up to the market's tokens if nobody else has any, and the backstop covers its exposure."""
        backstop = self.market.backstop(self.zone)
        assert self.cash(*accounts) + backstop.balance + backstop.inTransit == self.euro.balanceOf(self.market)
        assert backstop.exposure <= backstop.balance


def deploy_market(deployer: Any, operator: Any, project: Any, *parts: Any) -> Any:
    """EnergyMarket on `parts` (registry, attestation, token), with an operator who may open zones."""
    market = deployer.deploy(project.EnergyMarket, *parts, deployer)
    market.grantRole(market.ZONE_OPERATOR_ROLE(), operator, sender=deployer)
    return market


def zone_rules(profile_stream: bytes) -> ZoneParams:
    """Rules of the zone: ticks of 0.25 ct from 5 ct, gate closure an hour before delivery."""
    return ZoneParams(
        profile_stream=profile_stream,
        floor_price_per_kwh=50_000,
        tick_size_per_kwh=2_500,
        short_price_per_kwh=400_000,
        long_price_per_kwh=40_000,
        penalty_per_kwh=30_000,
        tolerance_bps=500,
        hold_score_bps=9_900,
        cap_tick=127,
        network_fee_ticks=0,
        green_premium_ticks=0,
        green_kinds=0,
        min_order_wh=1,
        gate_lead_slots=4,
        feeder_cap_wh=2**32 - 1,
        provisional_after_seconds=6 * 3_600,
        final_after_seconds=2 * DAY_SECONDS,
        dispute_seconds=DAY_SECONDS,
        dispute_bond=DISPUTE_BOND,
    )


MakeHomes = Callable[..., list[Home]]
OpenVillage = Callable[..., Village]


def params_args(params: ZoneParams) -> tuple[Any, ...]:
    """Zone rules as the contract takes them; the fields stand in the same order."""
    return astuple(params)
