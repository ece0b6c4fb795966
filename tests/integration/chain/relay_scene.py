"""A zone with devices, an owner with money, and a relay that submits for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from eth_account.signers.local import LocalAccount
from web3.contract.contract import ContractFunction

from gridwitness.api.relay import RowResult
from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain, calldata
from gridwitness.chain.events import Receipt, decode_logs, read_receipt
from gridwitness.chain.market import Market
from gridwitness.chain.signing_key import LocalKey
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import NO_ORDER, Order, Schedule, Side, SignedSchedule, ZoneParams
from gridwitness.domain.slots import SECONDS_PER_DAY, day_of, slot_of
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import DeviceKey, P256Key
from gridwitness.service.relay.batching import RelayRules
from gridwitness.service.relay.messages import to_row
from gridwitness.service.relay.node import RelayConfig, RelayNode
from tests.deployed import dev_account
from tests.integration.chain.parties import GENESIS_TIME, register_batch

ZONE = 7
DAY = day_of(slot_of(GENESIS_TIME)) + 1
DEPOSIT = 10**12
REGISTRATIONS = 60
PARAMS = ZoneParams(
    profile_stream=keccak(b"profiles"),
    floor_price_per_kwh=66_000,
    tick_size_per_kwh=2_000,
    short_price_per_kwh=320_000,
    long_price_per_kwh=70_000,
    penalty_per_kwh=10_000,
    tolerance_bps=1_000,
    hold_score_bps=9_900,
    cap_tick=127,
    network_fee_ticks=2,
    green_premium_ticks=1,
    green_kinds=1 << DeviceKind.GENERATION,
    min_order_wh=10,
    gate_lead_slots=4,
    feeder_cap_wh=1_000_000,
    provisional_after_seconds=3_600,
    final_after_seconds=2 * SECONDS_PER_DAY,
    dispute_seconds=3_600,
    dispute_bond=1_000_000,
)
AT_ONCE = RelayRules(enough_rows=1, max_age_s=0, retry_s=1, client_rows_per_minute=100_000)
RELAY_KEY = 3


@dataclass
class Scene:
    """What a test of the relay acts with. Devices are numbered from 0."""

    chain: Chain
    anvil: Anvil
    owner: LocalAccount
    transmitter: LocalAccount
    folder: Path
    market: Market
    keys: list[DeviceKey] = field(default_factory=list)
    # Hash and the relay's receipts of each block from the first on, since hundreds of rounds of a test ask for them.
    _seen_blocks: list[tuple[str, list[Any]]] = field(default_factory=list)

    def register(self, count: int, owner: LocalAccount | None = None) -> None:
        """Give an owner that many devices more."""
        account = owner or self.owner
        for start in range(0, count, REGISTRATIONS):
            fresh = [P256Key(1_000 + len(self.keys) + index) for index in range(min(REGISTRATIONS, count - start))]
            register_batch(self.chain, account, account.address, fresh, DeviceKind.PROSUMER, ZONE)
            self.keys += fresh

    def deposit(self, account: str, amount: int) -> None:
        """Put token units of the owner into an account."""
        token = self.chain.contract("EuroToken").functions
        self.chain.transact(self.owner, token.mint(self.owner.address, amount))
        self.chain.transact(self.owner, token.approve(self.market.address, amount))
        self.chain.transact(self.owner, self.market.deposit(account, amount))

    def schedule(self, device: int, orders: Sequence[Order] = (), **changes: Any) -> Schedule:
        """A device's schedule: the given orders from the day's first slot on, or 100 Wh bought in every slot."""
        wanted = tuple(orders) + (NO_ORDER,) * (96 - len(orders)) if orders else (Order(Side.BID, 60, 100),) * 96
        plain = Schedule(
            self.keys[device].device_id, self.owner.address, ZONE, DAY, 1, (DAY + 1) * SECONDS_PER_DAY, 5_000, wanted
        )
        return replace(plain, **changes)

    def signed(self, device: int, orders: Sequence[Order] = (), **changes: Any) -> SignedSchedule:
        """{schedule} with the device's signature."""
        schedule = self.schedule(device, orders, **changes)
        domain = market_domain(self.chain.chain_id, self.market.address)
        return SignedSchedule(schedule, self.keys[device].sign(schedule_digest(domain, schedule)))

    def relay(self, rules: RelayRules = AT_ONCE, **config: Any) -> RelayNode:
        """The relay on this scene's folder, with the chain's clock."""
        settings = RelayConfig(self.folder, clock="chain", rules=rules, **config)
        return RelayNode(settings, Chain(self.anvil.url, self.chain.manifest), LocalKey(dev_account(RELAY_KEY)))

    def send_ahead(self, account: LocalAccount, function: ContractFunction) -> None:
        """Send a transaction that the next block takes before the relay's."""
        transaction = {
            "to": self.market.address,
            "data": "0x" + calldata(function).hex(),
            "chainId": self.chain.chain_id,
            "nonce": self.chain.node.transaction_count(account.address),
            "gas": 200_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 10**10,
            "value": 0,
        }
        raw = bytes(account.sign_transaction(transaction).raw_transaction)
        self.chain.node.rpc("eth_sendRawTransaction", "0x" + raw.hex())

    @contextmanager
    def broken_market(self) -> Iterator[None]:
        """Blocks made inside find a market that always reverts."""
        code = self.chain.node.rpc("eth_getCode", self.market.address, "latest")
        self.chain.node.rpc("anvil_setCode", self.market.address, "0x60006000fd")
        yield
        self.chain.node.rpc("anvil_setCode", self.market.address, code)

    def statuses(self) -> list[int]:
        """1 for each of the relay's transactions that went through, 0 for one that failed, in chain order."""
        return [int(receipt["status"], 16) for receipt in self._receipts()]

    def receipts(self) -> list[Receipt]:
        """Receipts of all the relay's transactions, in chain order."""
        return [read_receipt(receipt) for receipt in self._receipts()]

    def _receipts(self) -> list[Any]:
        if self._seen_blocks and self._block(len(self._seen_blocks) - 1)["hash"] != self._seen_blocks[-1][0]:
            self._seen_blocks.clear()  # reorganised
        for number in range(len(self._seen_blocks), self.chain.head_number() + 1):
            block = self._block(number)
            receipts = [
                self.chain.node.rpc("eth_getTransactionReceipt", transaction["hash"])
                for transaction in block["transactions"]
                if transaction["from"] == dev_account(RELAY_KEY).address.lower()
            ]
            self._seen_blocks.append((block["hash"], receipts))
        return [receipt for _, receipts in self._seen_blocks for receipt in receipts]

    def _block(self, number: int) -> Any:
        return self.chain.node.rpc("eth_getBlockByNumber", hex(number), True)

    def submitted(self) -> list[tuple[bytes, int]]:
        """Device and version of every schedule that the relay's transactions made stand."""
        events = (
            event for receipt in self.receipts() for event in decode_logs("EnergyMarket", self.market.address, receipt)
        )
        return [
            (event.args["deviceId"], event.args["version"]) for event in events if event.name == "ScheduleSubmitted"
        ]

    def version_on_chain(self, device: int) -> int:
        """Newest version of a device's day."""
        view = self.chain.contract("EnergyMarket").functions.scheduleOf(self.keys[device].device_id, DAY)
        return int(self.chain.call(view)[1])


def make_scene(
    chain: Chain, anvil: Anvil, deployer: LocalAccount, owner: LocalAccount, transmitter: LocalAccount, folder: Path
) -> Scene:
    """An open zone whose backstop and whose owner have money; no devices yet."""
    contract, token = chain.contract("EnergyMarket").functions, chain.contract("EuroToken").functions
    scene = Scene(chain, anvil, owner, transmitter, folder, Market(chain))
    access = chain.web3.eth.contract(address=scene.market.address, abi=_GRANT).functions
    chain.transact(deployer, access.grantRole(keccak(b"ZONE_OPERATOR_ROLE"), deployer.address))
    chain.transact(deployer, contract.openZone(ZONE, astuple(PARAMS)))
    chain.transact(deployer, token.mint(deployer.address, DEPOSIT))
    chain.transact(deployer, token.approve(scene.market.address, DEPOSIT))
    chain.transact(deployer, scene.market.fund_backstop(ZONE, DEPOSIT))
    scene.deposit(owner.address, DEPOSIT)
    return scene


_GRANT = [
    {
        "type": "function",
        "name": "grantRole",
        "stateMutability": "nonpayable",
        "inputs": [{"name": "role", "type": "bytes32"}, {"name": "account", "type": "address"}],
        "outputs": [],
    }
]


def post(relay: RelayNode, *rows: SignedSchedule, previous: Schedule | None = None) -> list[RowResult]:
    """Post schedules as their senders would."""
    body = msgspec.json.encode([to_row(row, previous) for row in rows])
    return asyncio.run(relay.submit(body, "192.0.2.1"))


def fate(relay: RelayNode, schedule: Schedule) -> dict[str, Any]:
    """What the relay says became of a version."""
    document = asyncio.run(relay.schedules(schedule.device_id, schedule.day))
    assert document is not None
    versions = json.loads(msgspec.json.encode(document))["versions"]
    return next(entry for entry in versions if entry["version"] == schedule.version)


def step_until_idle(relay: RelayNode) -> None:
    """Step until nothing waits or is under way."""
    while {"waiting", "submitted"} & schedules_by_state(relay).keys():
        relay.step()


def schedules_by_state(relay: RelayNode) -> dict[str, int]:
    """Number of the relay's schedules by state."""
    status: Any = asyncio.run(relay.status())
    counts: dict[str, int] = status["schedules"]
    return counts
