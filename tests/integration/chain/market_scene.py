"""A zone with three devices whose owner has money in the market, and who acts there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount
from web3.contract.contract import ContractFunction

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain
from gridwitness.chain.market import Market
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import Clearing, Order, Schedule, SignedSchedule, ZoneParams
from gridwitness.domain.readings import Profile
from gridwitness.domain.slots import SECONDS_PER_DAY, day_of, slot_of, slots_of_day
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.encoding.keys import DeviceKey, P256Key, Secp256k1Key
from gridwitness.encoding.leaves import profile_leaf
from gridwitness.market.clearing import Book, book_of, book_order
from tests.integration.chain.parties import GENESIS_TIME, Committee

ZONE = 7
DAY = day_of(slot_of(GENESIS_TIME)) + 1
SLOTS = list(slots_of_day(DAY))
END = (DAY + 1) * SECONDS_PER_DAY
DEPOSIT = 1_000_000_000
NOBODY = "0x" + "00" * 20
BUYER, SELLER, LIAR = P256Key(41), Secp256k1Key(42), P256Key(43)


@dataclass
class Scene:
    """A market with money in it, and who acts: the deployer runs the zone, the transmitter sends for everybody."""

    chain: Chain
    anvil: Anvil
    market: Market
    params: ZoneParams
    committee: Committee
    deployer: LocalAccount
    owner: LocalAccount
    transmitter: LocalAccount

    def send(self, function: ContractFunction) -> None:
        self.chain.transact(self.transmitter, function)

    def trade(self, rows: Sequence[SignedSchedule]) -> list[Clearing]:
        """Submit schedules, let the day go by and clear it."""
        self.send(self.market.submit(rows))
        self.anvil.set_next_time(END)
        self.send(self.market.clear(ZONE, SLOTS))
        return [clearing for clearing in self.market.clearings(ZONE, SLOTS) if clearing is not None]

    def settle(self, row: SignedSchedule, profile: Profile) -> None:
        """Attest a profile in a batch of its own and settle a schedule on it."""
        self.committee.attest(self.committee.members[0], [profile_leaf(profile)])
        proof = self.committee.proof(len(self.committee.trees), 0)
        self.send(self.market.settle([(row.schedule, profile, proof)]))

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.anvil.set_next_time(self.chain.head_time() + seconds)
        self.anvil.mine()


def zone_params(profile_stream: bytes, feeder_cap_wh: int = 600) -> ZoneParams:
    """A zone that gives plants of prosumers the green premium."""
    return ZoneParams(
        profile_stream=profile_stream,
        floor_price_per_kwh=70_000,
        tick_size_per_kwh=2_000,
        short_price_per_kwh=320_000,
        long_price_per_kwh=80_000,
        penalty_per_kwh=15_000,
        tolerance_bps=1_000,
        hold_score_bps=9_900,
        cap_tick=120,
        network_fee_ticks=10,
        green_premium_ticks=5,
        green_kinds=1 << DeviceKind.PROSUMER,
        min_order_wh=10,
        gate_lead_slots=1,
        feeder_cap_wh=feeder_cap_wh,
        provisional_after_seconds=3_600,
        final_after_seconds=2 * SECONDS_PER_DAY,
        dispute_seconds=7_200,
        dispute_bond=3_000_000,
    )


def signed_by(
    chain: Chain, key: DeviceKey, owner: LocalAccount, orders: tuple[Order, ...], version: int = 1
) -> SignedSchedule:
    schedule = Schedule(key.device_id, owner.address, ZONE, DAY, version, END, 2_000, orders)
    domain = market_domain(chain.chain_id, chain.manifest.address("EnergyMarket"))
    return SignedSchedule(schedule, key.sign(schedule_digest(domain, schedule)))


def is_green(row: SignedSchedule) -> bool:
    return row.schedule.device_id != BUYER.device_id


def book_in(rows: list[SignedSchedule], index: int, params: ZoneParams) -> Book:
    return book_of(book_order(row.schedule.orders[index], params, green=is_green(row)) for row in rows)
