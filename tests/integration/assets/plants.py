"""What stands behind assets: a feed of attested readings, and a plant that sells and delivers in the market."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3 import Web3

from gridwitness.chain.attestation import proof_tuple
from gridwitness.chain.client import Chain
from gridwitness.chain.registry import BY_ITSELF
from gridwitness.domain.batches import Proof
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import NO_ORDER, Order, Schedule, Side, SignedSchedule
from gridwitness.domain.readings import NET_ENERGY_METRIC, Profile
from gridwitness.domain.slots import SLOTS_PER_DAY, slots_of_day
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.encoding.keys import DeviceKey, P256Key
from gridwitness.encoding.leaves import profile_fields, reading_fields, reading_leaf
from gridwitness.encoding.packing import metric_bytes
from gridwitness.service.proofs import ProofFile
from tests.deployed import deploy
from tests.integration.assets.scene import DAY_SECONDS, EUR, Scene
from tests.integration.chain.market_scene import BUYER, DAY, SELLER, SLOTS, ZONE, signed_by
from tests.integration.chain.market_scene import Scene as MarketScene
from tests.integration.chain.parties import Committee, register, scored_reading
from tests.serving import Answering, serving

QUARTER_HOUR_SECONDS = 900
GAUGE = P256Key(77)
SOLD_WH = 500
SLOT = 48


@dataclass
class Gauge:
    """A meter with a feed of its readings, brought by whoever wants to mint."""

    chain: Chain
    committee: Committee
    carrier: LocalAccount
    address: str

    def attest(self, value: int) -> None:
        """Have a reading of now attested, and bring it to the feed."""
        time = self.chain.head_time() // QUARTER_HOUR_SECONDS * QUARTER_HOUR_SECONDS - QUARTER_HOUR_SECONDS
        scored = scored_reading(self.chain, GAUGE, len(self.committee.trees) + 1, time, value, 100)
        self.committee.attest(self.committee.members[0], [reading_leaf(scored)])
        proof = proof_tuple(self.committee.proof(len(self.committee.trees), 0))
        feed: Any = self.chain.web3.eth.contract(to_checksum_address(self.address), abi=_UPDATE)
        self.chain.transact(self.carrier, feed.functions.update(reading_fields(scored), proof))


_UPDATE = [
    {
        "type": "function",
        "name": "update",
        "stateMutability": "nonpayable",
        "inputs": [
            {
                "name": "leaf",
                "type": "tuple",
                "components": [
                    {"name": f"field{at}", "type": kind}
                    for at, kind in enumerate(("bytes32", "uint64", "uint64", "bytes32", "int256", "uint16", "bytes32"))
                ],
            },
            {
                "name": "proof",
                "type": "tuple",
                "components": [
                    {"name": f"field{at}", "type": kind}
                    for at, kind in enumerate(("bytes32", "uint32", "uint256", "bytes32[]", "bytes32[]"))
                ],
            },
        ],
        "outputs": [{"name": "roundId", "type": "uint80"}],
    }
]


def deploy_feed(chain: Chain, deployer: LocalAccount, stream_id: bytes) -> str:
    """A FeedAdapter of the gauge's energy; its address."""
    web3 = Web3(Web3.HTTPProvider(chain.node.url))
    metric = metric_bytes(NET_ENERGY_METRIC)
    attestation = chain.manifest.address("DataAttestation")
    values = [attestation, stream_id, GAUGE.device_id, metric, 3, QUARTER_HOUR_SECONDS, 9_900, "hydro / kWh"]
    return deploy(web3, deployer, "FeedAdapter", values).address


def sell_a_day(scene: Scene, market: MarketScene, delivered_wh: int) -> list[tuple[Schedule, Profile, Proof]]:
    """The plant sells SOLD_WH on the asset's account, and delivers; the day is seen through to its end.

    Returns the plant's row, as `fundRevenue` takes it.
    """
    add_plants(scene, market, SELLER)
    sold = sold_for(scene.chain, scene.asset.address)
    bought = signed_by(scene.chain, BUYER, market.owner, _only(Order(Side.BID, 110, SOLD_WH)))
    market.trade([sold, bought])
    profiles = [
        Profile(SELLER.device_id, SLOTS[0], _energies(-delivered_wh), 100),
        Profile(BUYER.device_id, SLOTS[0], _energies(SOLD_WH), 100),
    ]
    for row, profile in zip((sold, bought), profiles, strict=True):
        market.settle(row, profile)
    market.wait(market.params.dispute_seconds)
    market.send(market.market.finalize(list(market.market.standing_runs().values())))
    return [(sold.schedule, profiles[0], market.committee.proof(1, 0))]


def add_plants(scene: Scene, market: MarketScene, *keys: DeviceKey) -> None:
    """Register a buyer and plants, which earn for the asset from tomorrow on; the asset has a deposit in the market."""
    chain, owner = scene.chain, market.owner
    registry = chain.contract("DeviceRegistry").functions
    register(chain, owner, owner.address, BUYER, DeviceKind.CONSUMPTION, ZONE)
    for key in keys:
        register(chain, owner, owner.address, key, DeviceKind.PROSUMER, ZONE)
        scene.send(owner, registry.setPayee(key.device_id, scene.asset.address, BY_ITSELF))
        scene.send(scene.issuer, scene.asset.add_plant(key.device_id))
    scene.fill_pocket(scene.issuer, market.market.address, 100 * EUR)
    scene.send(scene.issuer, market.market.deposit(scene.asset.address, 100 * EUR))


def sell_days(scene: Scene, market: MarketScene, sold: Sequence[SignedSchedule]) -> None:
    """A buyer buys all that is sold, and receives it when the day is cleared; nothing of what was sold is settled."""
    days, bought = sorted({row.schedule.day for row in sold}), []
    for day in days:
        offered = [row.schedule.orders for row in sold if row.schedule.day == day]
        bids = [
            Order(Side.BID, 110, SOLD_WH) if any(orders[slot].energy_wh for orders in offered) else NO_ORDER
            for slot in range(96)
        ]
        bought.append(signed_for(scene.chain, BUYER, market.owner.address, day, tuple(bids)))
    market.send(market.market.submit([*sold, *bought]))
    for day, row in zip(days, bought, strict=True):
        market.anvil.set_next_time((day + 1) * DAY_SECONDS)
        market.send(market.market.clear(ZONE, list(slots_of_day(day))))
        energies = tuple(order.energy_wh for order in row.schedule.orders)
        market.settle(row, Profile(BUYER.device_id, slots_of_day(day)[0], energies, 100))


def deliver(market: MarketScene, row: SignedSchedule, score_bps: int = 100) -> tuple[Schedule, Profile, Proof]:
    """Attest that a plant delivered what it sold, and settle; the day is held if the score is too high."""
    schedule = row.schedule
    energies = tuple(-order.energy_wh for order in schedule.orders)
    profile = Profile(schedule.device_id, slots_of_day(schedule.day)[0], energies, score_bps)
    market.settle(row, profile)
    return schedule, profile, market.committee.proof(len(market.committee.trees), 0)


def finish(market: MarketScene) -> None:
    """Let the time for disputes pass, and end all that was settled."""
    market.wait(market.params.dispute_seconds)
    market.send(market.market.finalize(list(market.market.standing_runs().values())))


@contextmanager
def oracle_of(market: MarketScene, *rows: tuple[Schedule, Profile, Proof]) -> Iterator[str]:
    """URL of an oracle that has the proofs of rows' profiles, and of nothing else."""
    contracts = {name: entry.address for name, entry in market.chain.manifest.contracts.items()}
    length = len(market.committee.trees)
    known = {}
    for _, profile, proof in rows:
        tree, _ = market.committee.trees[proof.seq - 1]
        values = (market.chain.chain_id, contracts, proof, tree.root, length, profile_fields(profile))
        path = f"/v1/proofs/profiles/0x{profile.device_id.hex()}/{profile.first_slot // SLOTS_PER_DAY}"
        known[path] = ProofFile("profile", *values, energy_wh=profile.energy_wh).document()

    class Oracle(Answering):
        def respond(self) -> None:
            if self.headers["authorization"] != "Bearer secret":
                self.answer(b'{"detail": "this API key is unknown or revoked"}', 401)
            elif self.path in known:
                self.answer(json.dumps(known[self.path]).encode())
            else:
                self.answer(b'{"detail": "nothing is attested"}', 404)

    with serving(Oracle) as url:
        yield url


def sold_for(chain: Chain, account: str, key: DeviceKey = SELLER, day: int = DAY, slot: int = SLOT) -> SignedSchedule:
    """A plant's schedule that sells SOLD_WH in a slot of a day."""
    return signed_for(chain, key, account, day, _only(Order(Side.OFFER, 40, SOLD_WH), slot))


def signed_for(chain: Chain, key: DeviceKey, account: str, day: int, orders: tuple[Order, ...]) -> SignedSchedule:
    """A schedule of a day that its device signed."""
    schedule = Schedule(key.device_id, account, ZONE, day, 1, (day + 1) * DAY_SECONDS, 2_000, orders)
    domain = market_domain(chain.chain_id, chain.manifest.address("EnergyMarket"))
    return SignedSchedule(schedule, key.sign(schedule_digest(domain, schedule)))


def _only(order: Order, slot: int = SLOT) -> tuple[Order, ...]:
    orders = [NO_ORDER] * 96
    orders[slot] = order
    return tuple(orders)


def _energies(energy_wh: int) -> tuple[int, ...]:
    return tuple(energy_wh if slot == SLOT else 0 for slot in range(96))
