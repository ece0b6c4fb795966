"""A plant owned in shares on a chain of its own, and the portal of the oracle that meters it.

    with asset_world(folder) as world:
        world.portal.assets().asset(EVERYTHING, world.plant.address)

`Roof One` earns in the energy market: its device sold a day's energy, delivered it, and the shares were paid. `Bond`
matures, pays interest out of its issuer's pocket, and has documents. `Thief` has a market of a stranger's making, which
says of every device that it earns for whoever asks, and calls the device of `Roof One` its own. `Broken` names a
reserve where no contract is, and the name of another is no text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.assets import Asset, AssetFactory, PassportRegistry, ShareMarket
from gridwitness.chain.attestation import proof_tuple
from gridwitness.chain.client import calldata
from gridwitness.domain.assets import BPS, NOBODY, Ask, AssetRules, AssetTerms, Passport
from gridwitness.domain.market import EUR
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.encoding.eip712 import ask_digest, share_market_domain
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import Secp256k1Key
from gridwitness.encoding.leaves import reading_fields, reading_leaf
from gridwitness.service.portal import SiteOptions, SitePortal, Sources
from gridwitness.store.log_reader import LogReader
from gridwitness.store.site_index import SiteIndex
from tests.asset_day import add_plant, metered_day, open_market, settle_and_pay, trade_a_day, write_log
from tests.asset_world import AUSTRIA, FRANCE, GERMANY, HOME, PLANT, SHARES, ZONE, AssetWorld, begun, wallet
from tests.deployed import abi_of, deploy, dev_account
from tests.integration.chain.parties import GENESIS_TIME, Committee, scored_reading

_RULES = AssetRules(frozenset({GERMANY, FRANCE, AUSTRIA}), frozenset({0, 1}), SECONDS_PER_DAY, 100, BPS, 0)


@contextmanager
def asset_world(folder: Path) -> Iterator[AssetWorld]:
    """The world after the plant's day was sold, delivered, settled and paid; its portal is up to date."""
    with Anvil(genesis_time=GENESIS_TIME) as anvil:
        world = begun(anvil, folder)
        profiles, params = open_market(world)
        world.plant = _made(world, name="Roof One", symbol="ROOF1", market=world.chain.manifest.address("EnergyMarket"))
        _admit_and_issue(world)
        add_plant(world)
        _steal_plant(world)
        rows = trade_a_day(world)
        readings = metered_day(world)
        settle_and_pay(world, profiles, params, rows)
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


def _made(world: AssetWorld, **changes: Any) -> Asset:
    factory = AssetFactory(world.chain)
    receipt = world.send(factory.create(_terms(world, **changes), _RULES, world.admin.address))
    return Asset(world.chain, factory.created(receipt))


def _terms(world: AssetWorld, **changes: Any) -> AssetTerms:
    manifest = world.chain.manifest
    passports, cash = manifest.address("Passports"), manifest.address("EuroToken")
    return replace(AssetTerms("", "", 0, passports, cash, NOBODY, 0, False, 0, 0, 0, NOBODY), **changes)


def _admit_and_issue(world: AssetWorld) -> None:
    world.grant("Passports", b"REGISTRAR_ROLE")
    expires = world.now + 10 * 365 * SECONDS_PER_DAY
    passports = [(one, Passport(expires, country, 0)) for one, country in world.investors]
    world.send(PassportRegistry(world.chain).register(passports))
    for one, _ in world.investors:
        world.send(world.plant.mint(one, SHARES // len(world.investors)))


def _steal_plant(world: AssetWorld) -> None:
    """An asset whose market names the right token, itself as registry, and whoever asks as the payee of a device."""
    market, token = wallet(0xFA4E), world.chain.manifest.address("EuroToken")[2:]
    answers = f"80 63fc0c546a 14 601d57 637b103999 14 603757 33 603956 5b50 73{token} 603956 5b30 5b 600052 60206000f3"
    world.anvil.node.rpc("anvil_setCode", market, "0x60003560e01c" + answers.replace(" ", ""))
    world.thief = _made(world, name="Thief", symbol="THF", market=market)
    world.send(world.thief.add_plant(PLANT.device_id))


def _make_others(world: AssetWorld) -> None:
    """A bond with a reserve, interest and documents; and two that strangers may make, neither of which can be read."""
    committee = Committee(world.chain, world.chain.manifest.stream("readings"), world.oracles, 2)
    collateral_feed = deploy_feed(world, "Collateral")
    collateral = scored_reading(world.chain, HOME, 900, world.now - 1_800, 9_000, 100)
    committee.attest(world.transmitter, [reading_leaf(collateral)])
    feed = world.chain.web3.eth.contract(address=collateral_feed, abi=abi_of("FeedAdapter"))
    world.send(feed.functions.update(reading_fields(collateral), proof_tuple(committee.proof(1, 0))))
    matures = world.now + 400 * SECONDS_PER_DAY
    redeemed = {"matures_at": matures, "redemption_per_share": 100 * EUR}
    backed = {"reserve": collateral_feed, "reserve_per_share": 1, "max_reserve_age_seconds": SECONDS_PER_DAY}
    world.bond = _made(world, name="Bond <script>alert(1)</script>", symbol="BND", **redeemed, **backed)
    for one, _ in world.investors[:2]:
        world.send(world.bond.mint(one, 100))
    world.fund_bond(10 * EUR)
    world.send(world.bond.set_document(b"prospectus", "https://example.org/prospectus.pdf", keccak(b"prospectus")))
    world.send(world.bond.set_document(b"trap", "javascript:alert(1)", keccak(b"trap")))
    world.broken = _made(world, name="Broken", symbol="BRK", **(backed | {"reserve": wallet(0xFEED)}))
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
    return deploy(world.chain.web3, dev_account(8), "FeedAdapter", [*source, 0, 900, 10_000, description]).address


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
