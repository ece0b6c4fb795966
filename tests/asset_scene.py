"""A plant owned in shares on a chain of its own, and the portal of the oracle that meters it.

    with asset_world(project, folder) as world:
        world.portal.assets().asset(EVERYTHING, world.plant.address)

`Roof One` earns in the energy market: its device sold a day's energy, delivered it, and the shares were paid. `Bond`
matures, pays interest out of its issuer's pocket, and has documents. `Broken` names a reserve that was never attested,
and the name of another is no text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract.contract import ContractFunction

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.assets import Asset, AssetFactory, PassportRegistry, ShareMarket
from gridwitness.chain.attestation import proof_tuple
from gridwitness.chain.client import MAX_TRANSACTION_GAS, Chain, calldata
from gridwitness.chain.manifest import DeployedContract, Manifest
from gridwitness.chain.market import Market
from gridwitness.chain.registry import BY_ITSELF
from gridwitness.domain.assets import BPS, NOBODY, Ask, AssetRules, AssetTerms, Passport
from gridwitness.domain.batches import AttestedBatch, BatchMeta
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import EUR, NO_ORDER, Order, Schedule, Side, SignedSchedule, ZoneParams
from gridwitness.domain.readings import Profile, ScoredReading
from gridwitness.domain.slots import SECONDS_PER_DAY, day_of, slot_of, slot_start, slots_of_day
from gridwitness.encoding.eip712 import (
    ask_digest,
    market_domain,
    schedule_digest,
    share_market_domain,
)
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import DeviceKey, P256Key, Secp256k1Key
from gridwitness.encoding.leaves import (
    PROFILE_TYPES,
    READING_TYPES,
    profile_leaf,
    reading_fields,
    reading_leaf,
    schema_of,
)
from gridwitness.service.batching import ReadingKeys, encode_keys
from gridwitness.service.portal import SiteOptions, SitePortal, Sources
from gridwitness.store import BatchLog, Database, ReadingLog, StoredBatch, row_of
from gridwitness.store.log_reader import LogReader
from gridwitness.store.site_index import SiteIndex
from tests.integration.chain.conftest import ACCESS_CONTROL, dev_account
from tests.integration.chain.parties import GENESIS_TIME, Committee, register, scored_reading

ZONE = 7
DAY = day_of(slot_of(GENESIS_TIME)) + 1
SLOTS = list(slots_of_day(DAY))
END = (DAY + 1) * SECONDS_PER_DAY
PLANT, HOME = Secp256k1Key(42), P256Key(41)
SOLD_SLOTS = range(40, 56)
OFFERED_WH, DELIVERED_WH, BOUGHT_WH = 500, 540, 500
DEPOSIT = 1_000 * EUR
SHARES = 10_000
GERMANY, FRANCE, AUSTRIA = 276, 250, 40
FLAGGED_SLOT = 48
_CONTRACTS: dict[str, tuple[str, ...]] = {
    "DeviceRegistry": ("admin",),
    "DataAttestation": ("DeviceRegistry",),
    "EuroToken": (),
    "EnergyMarket": ("DeviceRegistry", "DataAttestation", "EuroToken", "admin"),
    "Passports": ("admin",),
    "AssetFactory": (),
    "ShareMarket": (),
}
_RULES = AssetRules(frozenset({GERMANY, FRANCE, AUSTRIA}), frozenset({0, 1}), SECONDS_PER_DAY, 100, BPS, 0)


def wallet(number: int) -> str:
    """Address of an investor that only holds."""
    return to_checksum_address(f"0x{number:040x}")


@dataclass
class AssetWorld:
    """Who acts, what was made, and the oracle's files. `investors`: five Germans, four of France, one of Austria."""

    chain: Chain
    anvil: Anvil
    folder: Path
    project: Any
    admin: LocalAccount = field(default_factory=lambda: dev_account(0))
    carrier: LocalAccount = field(default_factory=lambda: dev_account(1))
    transmitter: LocalAccount = field(default_factory=lambda: dev_account(9))
    owner: LocalAccount = field(default_factory=lambda: dev_account(2))
    first: LocalAccount = field(default_factory=lambda: dev_account(3))
    second: LocalAccount = field(default_factory=lambda: dev_account(4))
    oracles: list[LocalAccount] = field(
        default_factory=lambda: sorted((dev_account(i) for i in (5, 6, 7)), key=lambda one: int(one.address, 16))
    )
    plant: Asset = field(init=False)
    bond: Asset = field(init=False)
    broken: Asset = field(init=False)
    garbled: str = field(init=False)
    portal: SitePortal = field(init=False)

    @property
    def now(self) -> int:
        return self.chain.head_time()

    @property
    def investors(self) -> list[tuple[str, int]]:
        countries = [GERMANY] * 5 + [FRANCE] * 4 + [AUSTRIA]
        wallets = [self.first.address, *(wallet(0xA0 + one) for one in range(4)), self.second.address]
        wallets += [wallet(0xB0 + one) for one in range(4)]
        return list(zip(wallets, countries, strict=True))

    def send(self, function: ContractFunction, sender: LocalAccount | None = None) -> Any:
        return self.chain.transact(sender or self.admin, function)

    def pay_into(self, account: LocalAccount, spender: str, cash: int) -> None:
        """Give an account cash that the spender may take."""
        token = self.chain.contract("EuroToken").functions
        self.send(token.mint(account.address, cash), account)
        self.send(token.approve(spender, cash), account)

    def wait_until(self, time: int) -> None:
        self.anvil.set_next_time(time)
        self.anvil.mine()

    def fund_bond(self, cash: int) -> None:
        """Pay interest on the bond."""
        self.pay_into(self.admin, self.bond.address, cash)
        self.send(self.bond.fund(cash))


@contextmanager
def asset_world(project: Any, folder: Path) -> Iterator[AssetWorld]:
    """The world after the plant's day was sold, delivered, settled and paid; its portal is up to date."""
    with Anvil(genesis_time=GENESIS_TIME) as anvil:
        world = _begun(project, anvil, folder)
        profiles, params = _open_market(world)
        world.plant = _made(world, name="Roof One", symbol="ROOF1", market=world.chain.manifest.address("EnergyMarket"))
        _admit_and_issue(world)
        _add_plant(world)
        rows = _trade_a_day(world)
        readings = _metered_day(world)
        _settle_and_pay(world, profiles, params, rows)
        _make_others(world)
        _sell_shares(world)
        write_log(folder, world.chain.manifest.stream("readings"), readings)
        with opened_site(world, is_open_data=True) as portal:
            world.portal = portal
            yield world


@contextmanager
def opened_site(world: AssetWorld, *, is_open_data: bool) -> Iterator[SitePortal]:
    """A portal over the world's files and chain, brought up to date."""
    options = SiteOptions(
        name="Village of roofs",
        zone=ZONE,
        oracle="oracle-1",
        account=world.oracles[0].address,
        is_open_data=is_open_data,
        ends_with_readings=True,
        names={PLANT.device_id: "roof-01", HOME.device_id: "home-01"},
    )
    index = SiteIndex(world.folder / f"site-{'open' if is_open_data else 'closed'}.sqlite")
    log = LogReader(world.folder / "oracle.sqlite")
    portal = SitePortal(options, Sources(world.chain, log, index, world.folder / "outbox.sqlite"))
    try:
        portal.refresh()
        yield portal
    finally:
        portal.close()


def write_log(folder: Path, stream: bytes, readings: Sequence[ScoredReading]) -> None:
    """The oracle's log with all readings attested in one batch."""
    database = Database(folder / "oracle.sqlite")
    ReadingLog(database).append([row_of(one.signed) for one in readings], END)
    flagged = sum(one.score.score_bps > 9_900 for one in readings)
    meta = BatchMeta(len(readings), flagged, 9_950, slot_start(SLOTS[0]), END, bytes(12))
    batch = AttestedBatch(stream, 1, b"\x01" * 32, meta, 0, 1, b"\x01" * 32, 7, b"\x01" * 32, 1)
    BatchLog(database).commit_readings(StoredBatch(batch, "attested", _KEYS), list(readings), b"{}")
    database.close()


def _begun(project: Any, anvil: Anvil, folder: Path) -> AssetWorld:
    web3, admin = Web3(Web3.HTTPProvider(anvil.url)), dev_account(0)
    deployed: dict[str, DeployedContract] = {}
    for name, needs in _CONTRACTS.items():
        known = {"admin": admin.address} | {one: entry.address for one, entry in deployed.items()}
        deployed[name] = deploy(web3, project, name, [known[need] for need in needs])
    names = {name: keccak(bytes.fromhex(admin.address[2:]).rjust(32, b"\0") + _name(name)) for name in _STREAMS}
    world = AssetWorld(Chain(anvil.url, Manifest(anvil.chain_id, deployed, names)), anvil, folder, project)
    members = [oracle.address for oracle in world.oracles]
    for name, types in _STREAMS.items():
        world.send(
            world.chain.contract("DataAttestation").functions.openStream(_name(name), schema_of(types), (2, members))
        )
    return world


_KEYS = encode_keys(ReadingKeys(absent=[], readings=[]))
_STREAMS = {"readings": READING_TYPES, "profiles": PROFILE_TYPES}


def _name(text: str) -> bytes:
    return text.encode().ljust(32, b"\0")


def deploy(web3: Web3, project: Any, name: str, arguments: list[Any]) -> DeployedContract:
    """Deploy what Ape compiled, from an account that does nothing else: a Chain counts nonces of its senders itself."""
    kind = getattr(project, name).contract_type
    code, types = str(kind.deployment_bytecode.bytecode), [one.canonical_type for one in kind.constructor.inputs]
    deployer = dev_account(8)
    transaction = {
        "from": deployer.address,
        "data": code + web3.codec.encode(types, arguments).hex(),
        "nonce": web3.eth.get_transaction_count(deployer.address),
        "chainId": web3.eth.chain_id,
        "gas": MAX_TRANSACTION_GAS,
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 10**9,
        "value": 0,
    }
    digest = web3.eth.send_raw_transaction(deployer.sign_transaction(transaction).raw_transaction)
    receipt = web3.eth.wait_for_transaction_receipt(digest, poll_latency=0.02)
    assert receipt["status"] == 1, name
    return DeployedContract(receipt["contractAddress"], receipt["blockNumber"])


def _grant(world: AssetWorld, contract: str, role: bytes) -> None:
    access = world.chain.web3.eth.contract(address=world.chain.contract(contract).address, abi=ACCESS_CONTROL)
    world.send(access.functions.grantRole(keccak(role), world.admin.address))


def _open_market(world: AssetWorld) -> tuple[Committee, ZoneParams]:
    chain = world.chain
    profiles = Committee(chain, chain.manifest.stream("profiles"), world.oracles, 2)
    params = ZoneParams(
        profile_stream=profiles.stream_id,
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
        feeder_cap_wh=60_000,
        provisional_after_seconds=3_600,
        final_after_seconds=2 * SECONDS_PER_DAY,
        dispute_seconds=7_200,
        dispute_bond=3_000_000,
    )
    _grant(world, "EnergyMarket", b"ZONE_OPERATOR_ROLE")
    world.send(chain.contract("EnergyMarket").functions.openZone(ZONE, astuple(params)))
    market = Market(chain)
    world.pay_into(world.admin, market.address, DEPOSIT)
    world.send(market.fund_backstop(ZONE, DEPOSIT))
    world.pay_into(world.owner, market.address, DEPOSIT)
    world.send(market.deposit(world.owner.address, DEPOSIT), world.owner)
    for key, kind in ((PLANT, DeviceKind.PROSUMER), (HOME, DeviceKind.CONSUMPTION)):
        register(chain, world.carrier, world.owner.address, key, kind, ZONE)
    return profiles, params


def _made(world: AssetWorld, **changes: Any) -> Asset:
    factory = AssetFactory(world.chain)
    receipt = world.send(factory.create(_terms(world, **changes), _RULES, world.admin.address))
    return Asset(world.chain, factory.created(receipt))


def _terms(world: AssetWorld, **changes: Any) -> AssetTerms:
    manifest = world.chain.manifest
    passports, cash = manifest.address("Passports"), manifest.address("EuroToken")
    return replace(AssetTerms("", "", 0, passports, cash, NOBODY, 0, False, 0, 0, 0, NOBODY), **changes)


def _admit_and_issue(world: AssetWorld) -> None:
    _grant(world, "Passports", b"REGISTRAR_ROLE")
    expires = world.now + 10 * 365 * SECONDS_PER_DAY
    passports = [(one, Passport(expires, country, 0)) for one, country in world.investors]
    world.send(PassportRegistry(world.chain).register(passports))
    for one, _ in world.investors:
        world.send(world.plant.mint(one, SHARES // len(world.investors)))


def _add_plant(world: AssetWorld) -> None:
    registry = world.chain.contract("DeviceRegistry").functions
    world.send(registry.setPayee(PLANT.device_id, world.plant.address, BY_ITSELF), world.owner)
    world.send(world.plant.add_plant(PLANT.device_id))
    market = Market(world.chain)
    world.pay_into(world.admin, market.address, DEPOSIT)
    world.send(market.deposit(world.plant.address, DEPOSIT))


def _trade_a_day(world: AssetWorld) -> list[SignedSchedule]:
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


def _metered_day(world: AssetWorld) -> list[ScoredReading]:
    """Readings of both devices; one of the plant's is flagged, its last two quarter hours never came."""
    readings = []
    for key in (PLANT, HOME):
        for index, energy_wh in enumerate(_energies(key)[: 94 if key is PLANT else 96]):
            score = 9_950 if key is PLANT and index == FLAGGED_SLOT else 100
            readings.append(scored_reading(world.chain, key, index, slot_start(SLOTS[index]), energy_wh, score))
    return readings


def _settle_and_pay(
    world: AssetWorld, committee: Committee, params: ZoneParams, rows: Sequence[SignedSchedule]
) -> None:
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


def _make_others(world: AssetWorld) -> None:
    """A bond with a reserve, interest and documents; and two that strangers may make, neither of which can be read."""
    committee = Committee(world.chain, world.chain.manifest.stream("readings"), world.oracles, 2)
    feeds = [deploy_feed(world, f"Collateral {number}") for number in (1, 2)]
    collateral = scored_reading(world.chain, HOME, 900, world.now - 1_800, 9_000, 100)
    committee.attest(world.transmitter, [reading_leaf(collateral)])
    abi = [one.model_dump(mode="json", by_alias=True) for one in world.project.FeedAdapter.contract_type.abi]
    feed = world.chain.web3.eth.contract(address=feeds[0], abi=abi)
    world.send(feed.functions.update(reading_fields(collateral), proof_tuple(committee.proof(1, 0))))
    matures = world.now + 400 * SECONDS_PER_DAY
    redeemed = {"matures_at": matures, "redemption_per_share": 100 * EUR}
    backed = {"reserve": feeds[0], "reserve_per_share": 1, "max_reserve_age_seconds": SECONDS_PER_DAY}
    world.bond = _made(world, name="Bond <script>alert(1)</script>", symbol="BND", **redeemed, **backed)
    for one, _ in world.investors[:2]:
        world.send(world.bond.mint(one, 100))
    world.fund_bond(10 * EUR)
    world.send(world.bond.set_document(b"prospectus", "https://example.org/prospectus.pdf", keccak(b"prospectus")))
    world.send(world.bond.set_document(b"trap", "javascript:alert(1)", keccak(b"trap")))
    world.broken = _made(world, name="Broken", symbol="BRK", **(backed | {"reserve": feeds[1]}))
    world.garbled = _garbled(world)


def _garbled(world: AssetWorld) -> str:
    """An asset whose name is no UTF-8, as only a contract or a stranger's tool would make one."""
    plain = calldata(AssetFactory(world.chain).create(_terms(world, name="@" * 8), _RULES, world.admin.address))
    data = "0x" + plain.replace(b"@" * 8, b"\xff" * 8).hex()
    call = {"from": dev_account(8).address, "to": world.chain.manifest.address("AssetFactory"), "data": data}
    sent = world.chain.rpc("eth_sendTransaction", [call])
    (receipt,) = world.chain.wait([bytes.fromhex(sent[2:])])
    created = next(log for log in receipt.logs if log["address"].lower() == call["to"].lower())
    return to_checksum_address("0x" + created["topics"][1][-40:])


def deploy_feed(world: AssetWorld, description: str) -> str:
    """A feed of the home's readings, of which none was brought yet."""
    manifest = world.chain.manifest
    metric = reading_fields(scored_reading(world.chain, HOME, 0, 0, 0, 0))[3]
    source = [manifest.address("DataAttestation"), manifest.stream("readings"), HOME.device_id, metric]
    return deploy(world.chain.web3, world.project, "FeedAdapter", [*source, 0, 900, 10_000, description]).address


def _sell_shares(world: AssetWorld) -> None:
    """The first investor sells the second 100 shares of the plant at 12 euros."""
    market, price = ShareMarket(world.chain), 12 * EUR
    manifest = world.chain.manifest
    world.send(world.plant.approve(market.address, 100), world.first)
    cash = manifest.address("EuroToken")
    ask = Ask(world.plant.address, world.first.address, NOBODY, cash, 100, price, 1, world.now + 3_600)
    digest = ask_digest(share_market_domain(world.chain.chain_id, market.address), ask)
    signature = Secp256k1Key(int.from_bytes(world.first.key, "big")).sign(digest)
    world.pay_into(world.second, market.address, 100 * price)
    world.send(market.fill(ask, signature, 100, 100 * price), world.second)
    world.send(world.plant.claim(), world.second)
