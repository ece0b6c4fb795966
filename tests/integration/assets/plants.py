"""What stands behind assets: a feed of attested readings, and a plant that sells and delivers in the market."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.encoding.keys import P256Key
from gridwitness.encoding.leaves import profile_fields, reading_fields, reading_leaf
from gridwitness.encoding.packing import metric_bytes
from gridwitness.service.proofs import ProofFile
from tests.deployed import deploy
from tests.integration.assets.scene import EUR, Scene
from tests.integration.chain.market_scene import BUYER, DAY, END, SELLER, SLOTS, ZONE, signed_by
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
    chain, owner = scene.chain, market.owner
    registry = chain.contract("DeviceRegistry").functions
    for key, kind in ((BUYER, DeviceKind.CONSUMPTION), (SELLER, DeviceKind.PROSUMER)):
        register(chain, market.transmitter, owner.address, key, kind, ZONE)
    scene.send(owner, registry.setPayee(SELLER.device_id, scene.asset.address, BY_ITSELF))
    scene.send(scene.issuer, scene.asset.add_plant(SELLER.device_id))
    scene.fill_pocket(scene.issuer, market.market.address, 100 * EUR)
    scene.send(scene.issuer, market.market.deposit(scene.asset.address, 100 * EUR))
    sold = _sold_for(chain, scene.asset.address)
    bought = signed_by(chain, BUYER, owner, _only(Order(Side.BID, 110, SOLD_WH)))
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


@contextmanager
def oracle_of(market: MarketScene, row: tuple[Schedule, Profile, Proof]) -> Iterator[str]:
    """URL of an oracle that has the proof of a row's profile, and of nothing else."""
    _, profile, proof = row
    tree, _ = market.committee.trees[proof.seq - 1]
    contracts = {name: entry.address for name, entry in market.chain.manifest.contracts.items()}
    length = len(market.committee.trees)
    fields, energies = profile_fields(profile), profile.energy_wh
    file = ProofFile("profile", market.chain.chain_id, contracts, proof, tree.root, length, fields, energy_wh=energies)
    known = f"/v1/proofs/profiles/0x{profile.device_id.hex()}/{profile.first_slot // SLOTS_PER_DAY}"

    class Oracle(Answering):
        def respond(self) -> None:
            if self.path == known and self.headers["authorization"] == "Bearer secret":
                self.answer(json.dumps(file.document()).encode())
            else:
                self.answer(b'{"detail": "nothing is attested"}', 404)

    with serving(Oracle) as url:
        yield url


def _sold_for(chain: Chain, account: str) -> SignedSchedule:
    orders = _only(Order(Side.OFFER, 40, SOLD_WH))
    schedule = Schedule(SELLER.device_id, account, ZONE, DAY, 1, END, 2_000, orders)
    domain = market_domain(chain.chain_id, chain.manifest.address("EnergyMarket"))
    return SignedSchedule(schedule, SELLER.sign(schedule_digest(domain, schedule)))


def _only(order: Order) -> tuple[Order, ...]:
    orders = [NO_ORDER] * 96
    orders[SLOT] = order
    return tuple(orders)


def _energies(energy_wh: int) -> tuple[int, ...]:
    return tuple(energy_wh if slot == SLOT else 0 for slot in range(96))
