"""An asset in shares, and who acts there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from web3.contract.contract import ContractFunction

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.assets import Asset, AssetFactory, PassportRegistry, ShareMarket
from gridwitness.chain.client import Chain
from gridwitness.chain.events import Receipt
from gridwitness.chain.manifest import Manifest
from gridwitness.domain.assets import BPS, NOBODY, Ask, AssetRules, AssetTerms, Passport
from gridwitness.encoding.eip712 import ask_digest, share_market_domain
from gridwitness.encoding.keys import Secp256k1Key
from gridwitness.service.assets.ledger import Ledger, read_ledger
from gridwitness.service.assets.parameters import AssetParameters

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "assets"
DAY_SECONDS = 86_400
YEAR_SECONDS = 365 * DAY_SECONDS
EUR = 1_000_000
GERMANY, FRANCE, AUSTRIA, AMERICA = 276, 250, 40, 840
RETAIL, PROFESSIONAL = 0, 1
RULES = AssetRules(
    countries=frozenset({GERMANY, FRANCE, AUSTRIA}),
    classes=frozenset({RETAIL, PROFESSIONAL}),
    verdict_seconds=DAY_SECONDS,
    holder_cap=100,
    max_holding_bps=BPS,
    lock_until=0,
)


@dataclass
class Scene:
    """Solar One, its issuer (also its agent), the registrar of passports, and investors."""

    chain: Chain
    anvil: Anvil
    passports: PassportRegistry
    issuer: LocalAccount
    registrar: LocalAccount
    investors: list[LocalAccount]
    asset: Asset = field(init=False)

    def begin(self) -> None:
        """Make the asset, admit four investors, and issue 10,000 shares to the first two."""
        self.asset = self.create()
        for investor, country in zip(self.investors, (GERMANY, FRANCE, AUSTRIA, AMERICA), strict=False):
            self.admit(investor, country)
        self.send(self.issuer, self.asset.mint(self.investors[0].address, 6_000))
        self.send(self.issuer, self.asset.mint(self.investors[1].address, 4_000))

    @property
    def now(self) -> int:
        """Second of the newest block."""
        return self.chain.head_time()

    @property
    def euro(self) -> Any:
        """The token that assets pay in."""
        return self.chain.contract("EuroToken")

    def terms(self, **changes: Any) -> AssetTerms:
        """Terms of an asset without reserve or maturity."""
        manifest = self.chain.manifest
        passports, cash = manifest.address("Passports"), manifest.address("EuroToken")
        terms = AssetTerms("Solar One", "SUN1", 0, passports, cash, NOBODY, 0, False, 0, 0, 0, NOBODY)
        return replace(terms, **changes)

    def create(self, **changes: Any) -> Asset:
        """Make an asset of some terms."""
        factory = AssetFactory(self.chain)
        receipt = self.send(self.issuer, factory.create(self.terms(**changes), RULES, self.issuer.address))
        return Asset(self.chain, factory.created(receipt))

    def create_from(self, name: str, manifest: Manifest | None = None) -> AssetParameters:
        """Make the asset of an example file, as the scene's own; returns its parameters."""
        parameters = AssetParameters.load(EXAMPLES / f"{name}.toml")
        terms, factory = parameters.terms(manifest or self.chain.manifest), AssetFactory(self.chain)
        receipt = self.send(self.issuer, factory.create(terms, parameters.asset_rules(), self.issuer.address))
        self.asset = Asset(self.chain, factory.created(receipt))
        return parameters

    def admit(self, investor: LocalAccount, country: int, investor_class: int = PROFESSIONAL) -> None:
        """Give an investor a passport that holds for ten years."""
        passport = Passport(self.now + 10 * YEAR_SECONDS, country, investor_class)
        self.send(self.registrar, self.passports.register([(investor.address, passport)]))

    def send(self, sender: LocalAccount, function: ContractFunction) -> Receipt:
        """Send a transaction and wait for it."""
        return self.chain.transact(sender, function)

    def fill_pocket(self, account: LocalAccount, spender: str, cash: int) -> None:
        """Give an account cash that the spender may take."""
        self.send(account, self.euro.functions.mint(account.address, cash))
        self.send(account, self.euro.functions.approve(spender, cash))

    def fund(self, cash: int) -> None:
        """Pay a dividend out of the issuer's pocket."""
        self.fill_pocket(self.issuer, self.asset.address, cash)
        self.send(self.issuer, self.asset.fund(cash))

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.anvil.set_next_time(self.now + seconds)
        self.anvil.mine()

    def ask(self, seller: LocalAccount, amount: int, price_per_share: int, number: int = 0) -> tuple[Ask, bytes]:
        """An ask for an hour, signed by its seller, who lets the market take the shares."""
        market, cash = ShareMarket(self.chain), self.chain.manifest.address("EuroToken")
        self.send(seller, self.asset.approve(market.address, amount))
        ask = Ask(self.asset.address, seller.address, NOBODY, cash, amount, price_per_share, number, self.now + 3_600)
        digest = ask_digest(share_market_domain(self.chain.chain_id, market.address), ask)
        return ask, Secp256k1Key(int.from_bytes(seller.key, "big")).sign(digest)

    def fill(self, buyer: LocalAccount, signed: tuple[Ask, bytes], amount: int) -> Receipt:
        """Buy shares of an ask."""
        market, cash = ShareMarket(self.chain), amount * signed[0].price_per_share
        self.fill_pocket(buyer, market.address, cash)
        return self.send(buyer, market.fill(*signed, amount, cash))

    def ledger(self, **options: Any) -> Ledger:
        """The asset's ledger."""
        return read_ledger(self.chain, self.asset.address, **options)
