"""A day of a plant that earns for its shares: sold in the market, metered, settled, and paid to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from gridwitness.chain.market import Market
from gridwitness.chain.registry import BY_ITSELF
from gridwitness.domain.batches import AttestedBatch, BatchMeta
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import NO_ORDER, Order, Schedule, Side, SignedSchedule, ZoneParams
from gridwitness.domain.readings import Profile, ScoredReading
from gridwitness.domain.slots import SECONDS_PER_DAY, slot_start
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.encoding.keys import DeviceKey
from gridwitness.encoding.leaves import profile_leaf
from gridwitness.service.batching import ReadingKeys, encode_keys
from gridwitness.store import BatchLog, Database, ReadingLog, StoredBatch, row_of
from tests.asset_world import DAY, DEPOSIT, END, HOME, PLANT, SLOTS, ZONE, AssetWorld
from tests.integration.chain.market_scene import zone_params
from tests.integration.chain.parties import Committee, register, scored_reading

SOLD_SLOTS = range(40, 56)
OFFERED_WH, DELIVERED_WH, BOUGHT_WH = 500, 540, 500
FLAGGED_SLOT = 48
FEEDER_CAP_WH = 60_000
_KEYS = encode_keys(ReadingKeys(absent=[], readings=[]))


def open_market(world: AssetWorld) -> tuple[Committee, ZoneParams]:
    """A zone with a backstop, both devices registered, and the home's owner with money in; who attests profiles."""
    chain = world.chain
    profiles = Committee(chain, chain.manifest.stream("profiles"), world.oracles, 2)
    params = zone_params(profiles.stream_id, FEEDER_CAP_WH)
    world.grant("EnergyMarket", b"ZONE_OPERATOR_ROLE")
    world.send(chain.contract("EnergyMarket").functions.openZone(ZONE, astuple(params)))
    market = Market(chain)
    world.pay_into(world.admin, market.address, DEPOSIT)
    world.send(market.fund_backstop(ZONE, DEPOSIT))
    world.pay_into(world.owner, market.address, DEPOSIT)
    world.send(market.deposit(world.owner.address, DEPOSIT), world.owner)
    for key, kind in ((PLANT, DeviceKind.PROSUMER), (HOME, DeviceKind.CONSUMPTION)):
        register(chain, world.owner, world.owner.address, key, kind, ZONE)
    return profiles, params


def add_plant(world: AssetWorld) -> None:
    """Make the device a plant of the asset, which has money in the market to trade on."""
    registry = world.chain.contract("DeviceRegistry").functions
    world.send(registry.setPayee(PLANT.device_id, world.plant.address, BY_ITSELF), world.owner)
    world.send(world.plant.add_plant(PLANT.device_id))
    market = Market(world.chain)
    world.pay_into(world.admin, market.address, DEPOSIT)
    world.send(market.deposit(world.plant.address, DEPOSIT))


def trade_a_day(world: AssetWorld) -> list[SignedSchedule]:
    """The plant offers at noon what the home bids for."""
    market = Market(world.chain)
    offers = _orders(Order(Side.OFFER, 40, OFFERED_WH))
    bids = _orders(Order(Side.BID, 60, BOUGHT_WH))
    rows = [
        _signed(world, PLANT, world.plant.address, offers),
        _signed(world, HOME, world.owner.address, bids),
    ]
    receipt = world.send(market.submit(rows), world.carrier)
    assert market.skipped(receipt) == []
    world.anvil.set_next_time(END)
    world.send(market.clear(ZONE, SLOTS), world.carrier)
    return rows


def _orders(order: Order) -> tuple[Order, ...]:
    return tuple(order if slot in SOLD_SLOTS else NO_ORDER for slot in range(len(SLOTS)))


def _signed(world: AssetWorld, key: DeviceKey, account: str, orders: tuple[Order, ...]) -> SignedSchedule:
    schedule = Schedule(key.device_id, account, ZONE, DAY, 1, END, 2_000, orders)
    domain = market_domain(world.chain.chain_id, world.chain.manifest.address("EnergyMarket"))
    return SignedSchedule(schedule, key.sign(schedule_digest(domain, schedule)))


def _energies(key: DeviceKey) -> list[int]:
    energy = -DELIVERED_WH if key is PLANT else BOUGHT_WH
    return [energy if slot in SOLD_SLOTS else 0 for slot in range(len(SLOTS))]


def metered_day(world: AssetWorld) -> list[ScoredReading]:
    """Readings of both devices; one of the plant's is flagged, its last two quarter hours never came."""
    readings = []
    for key in (PLANT, HOME):
        for index, energy_wh in enumerate(_energies(key)[: 94 if key is PLANT else 96]):
            score = 9_950 if key is PLANT and index == FLAGGED_SLOT else 100
            readings.append(scored_reading(world.chain, key, index, slot_start(SLOTS[index]), energy_wh, score))
    return readings


def settle_and_pay(world: AssetWorld, committee: Committee, params: ZoneParams, rows: Sequence[SignedSchedule]) -> None:
    """See the day through to its end, and pay the shares what the plant earned."""
    market = Market(world.chain)
    profiles = [Profile(key.device_id, SLOTS[0], tuple(_energies(key)), 100) for key in (PLANT, HOME)]
    committee.attest(world.transmitter, [profile_leaf(one) for one in profiles])
    proven = [
        (row.schedule, profile, committee.proof(1, place))
        for place, (row, profile) in enumerate(zip(rows, profiles, strict=True))
    ]
    world.send(market.settle(proven), world.carrier)
    world.wait_until(world.now + params.dispute_seconds)
    world.send(market.finalize(list(market.standing_runs().values())), world.carrier)
    world.wait_until(world.now + SECONDS_PER_DAY)
    world.send(world.plant.fund_revenue(proven[:1]), world.carrier)


def write_log(folder: Path, stream: bytes, readings: Sequence[ScoredReading]) -> None:
    """The oracle's log with all readings attested in one batch."""
    database = Database(folder / "oracle.sqlite")
    ReadingLog(database).append([row_of(one.signed) for one in readings], END)
    flagged = sum(one.score.score_bps > 9_900 for one in readings)
    meta = BatchMeta(len(readings), flagged, 9_950, slot_start(SLOTS[0]), END, bytes(12))
    batch = AttestedBatch(stream, 1, b"\x01" * 32, meta, 0, 1, b"\x01" * 32, 7, b"\x01" * 32, 1)
    BatchLog(database).commit_readings(StoredBatch(batch, "attested", _KEYS), list(readings), b"{}")
    database.close()
