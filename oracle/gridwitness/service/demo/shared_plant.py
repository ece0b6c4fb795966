"""A home's plant in shares: issued before the first day, traded among holders, and paid what the market settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from web3.contract.contract import ContractFunction

from gridwitness.chain.assets import Asset, AssetFactory, PassportRegistry, ShareMarket
from gridwitness.chain.client import Chain
from gridwitness.chain.events import Receipt, decode_logs
from gridwitness.chain.market import Market
from gridwitness.chain.registry import BY_ITSELF
from gridwitness.domain.assets import BPS, NOBODY, Ask, AssetProof, AssetRule, AssetRules, AssetTerms, Passport
from gridwitness.domain.market import EUR, Schedule
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.encoding.eip712 import ask_digest, share_market_domain
from gridwitness.errors import Reverted
from gridwitness.service.demo.actors import Actors, Home
from gridwitness.service.demo.delivery import Delivery
from gridwitness.service.demo.investors import SUBSCRIPTIONS, Country, Investor
from gridwitness.service.demo.ledger import Ledger
from gridwitness.service.demo.trades import Key, Trades

INVESTOR_CLASS = 0
HOLDER_CAP = 20
PASSPORT_DAYS = 365
# What holders ask for a share: like the deposits a number of the demo's own, on which nothing else depends.
PRICE_PER_SHARE = 5 * EUR


@dataclass(frozen=True, slots=True)
class Offer:
    """Shares that a holder offers, and who wants how many; both by their places among the holders."""

    seller: int
    shares: int
    price_per_share: int
    buyers: tuple[tuple[int, int], ...]


# The first is more than the holders take: what is left is what the outsider tries to buy.
OFFERS = (
    Offer(0, 400, PRICE_PER_SHARE, ((9, 200), (6, 100))),
    Offer(5, 150, PRICE_PER_SHARE + EUR // 10, ((2, 150),)),
    Offer(11, 100, PRICE_PER_SHARE - EUR // 10, ((8, 60),)),
)


@dataclass(frozen=True, slots=True)
class Fill:
    """Shares that changed hands for cash (token units)."""

    seller: Investor
    buyer: Investor
    shares: int
    cash: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A fill that the rules of the shares did not allow; `value` is as IAssetShares.Rule says."""

    buyer: Investor
    rule: AssetRule
    value: int


class SharedPlant:
    """The plant of a home, whose owner issues it; what happened to its shares is in the attributes."""

    def __init__(self, chain: Chain, actors: Actors, ledger: Ledger, home: Home) -> None:
        self.home = home
        self.fills: list[Fill] = []
        self.refusals: list[Refusal] = []
        self.paid_days: list[int] = []
        self.unpaid = ""  # why days were not paid, if any
        self.claimed: dict[str, int] = {}
        self._chain = chain
        self._actors = actors
        self._ledger = ledger
        self._market = Market(chain)
        self._passports = PassportRegistry(chain)
        self._share_market = ShareMarket(chain)
        self._token = chain.contract("EuroToken")
        self.asset = self._create(AssetFactory(chain))

    def _send(self, kind: str, calls: Sequence[tuple[LocalAccount, ContractFunction]]) -> list[Receipt]:
        receipts = self._chain.wait(self._chain.send(calls))
        for receipt in receipts:
            self._ledger.spent(kind, receipt.gas_used)
        return receipts

    def _create(self, factory: AssetFactory) -> Asset:
        terms = AssetTerms(
            name=f"Roof of {self.home.meter.name}",
            symbol="ROOF",
            decimals=0,
            passports=self._passports.address,
            cash=self._token.address,
            reserve=NOBODY,
            reserve_per_share=0,
            reserve_is_cumulative=False,
            max_reserve_age_seconds=0,
            matures_at=0,
            redemption_per_share=0,
            market=self._market.address,
        )
        rules = AssetRules(
            countries=frozenset(SUBSCRIPTIONS),
            classes=frozenset({INVESTOR_CLASS}),
            verdict_seconds=SECONDS_PER_DAY,
            holder_cap=HOLDER_CAP,
            max_holding_bps=BPS,  # no limit: the first to subscribe has all shares for a moment
            lock_until=0,
        )
        owner = self.home.owner
        (receipt,) = self._send("AssetFactory.create", [(owner, factory.create(terms, rules, owner.address))])
        return Asset(self._chain, factory.created(receipt))

    def issue(self, deposit: int) -> None:
        """Give investors passports and shares, and let the plant earn for them from tomorrow on.

        Its owner moves `deposit` (token units) from its own account in the market to the asset's, to trade on.
        """
        expires_at = self._chain.head_time() + PASSPORT_DAYS * SECONDS_PER_DAY
        everybody = [*self._actors.investors, self._actors.outsider]
        known = [(one.account.address, Passport(expires_at, one.country, INVESTOR_CLASS)) for one in everybody]
        self._send("Passports.register", [(self._actors.registrar, self._passports.register(known))])
        owner, device_id = self.home.owner, self.home.meter.key.device_id
        mints = [(owner, self.asset.mint(one.account.address, one.subscribed)) for one in self._actors.investors]
        self._send("AssetShares.mint", mints)
        payee = self._chain.contract("DeviceRegistry").functions.setPayee(device_id, self.asset.address, BY_ITSELF)
        self._send("DeviceRegistry.setPayee", [(owner, payee)])
        self._send("AssetShares.addPlant", [(owner, self.asset.add_plant(device_id))])
        self._send("EnergyMarket.withdraw", [(owner, self._market.withdraw(deposit, owner.address))])
        self._send("EuroToken.approve", [(owner, self._token.functions.approve(self._market.address, deposit))])
        self._send("EnergyMarket.deposit", [(owner, self._market.deposit(self.asset.address, deposit))])

    def trade(self) -> None:
        """Let holders fill each other's signed asks, and the outsider try, whom the rules refuse."""
        holders, outsider = self._actors.investors, self._actors.outsider
        asks = [self._ask(number, offer) for number, offer in enumerate(OFFERS)]
        self._prepare()
        fills = []
        for (ask, signature), offer in zip(asks, OFFERS, strict=True):
            for buyer, shares in offer.buyers:
                cash = shares * ask.price_per_share
                fills.append((holders[buyer].account, self._share_market.fill(ask, signature, shares, cash)))
                self.fills.append(Fill(holders[offer.seller], holders[buyer], shares, cash))
        self._send("ShareMarket.fill", fills)
        ask, signature = asks[0]
        left = ask.amount - sum(shares for _, shares in OFFERS[0].buyers)
        try:
            wanted = self._share_market.fill(ask, signature, left, left * ask.price_per_share)
            self._send("ShareMarket.fill", [(outsider.account, wanted)])
        except Reverted as error:
            if error.error_name != "RuleBroken":
                raise
            rule, value = (int(str(error.arguments[name])) for name in ("rule", "value"))
            self.refusals.append(Refusal(outsider, AssetRule(rule), value))

    def _ask(self, number: int, offer: Offer) -> tuple[Ask, bytes]:
        """A holder's ask with its signature, good for a day."""
        seller = self._actors.investors[offer.seller].account
        ask = Ask(
            shares=self.asset.address,
            seller=seller.address,
            buyer=NOBODY,
            cash=self._token.address,
            amount=offer.shares,
            price_per_share=offer.price_per_share,
            number=number,
            expires_at=self._chain.head_time() + SECONDS_PER_DAY,
        )
        domain = share_market_domain(self._chain.chain_id, self._share_market.address)
        return ask, bytes(seller.unsafe_sign_hash(Hash32(ask_digest(domain, ask))).signature)

    def _prepare(self) -> None:
        """Buyers come with cash, and both sides allow the market of shares to move what they trade."""
        market, token, holders = self._share_market.address, self._token.functions, self._actors.investors
        calls = [(holders[one.seller].account, self.asset.approve(market, one.shares)) for one in OFFERS]
        purses = {self._actors.outsider.account: OFFERS[0].shares * OFFERS[0].price_per_share}
        purses |= {
            holders[buyer].account: shares * one.price_per_share for one in OFFERS for buyer, shares in one.buyers
        }
        for account, cash in purses.items():
            calls.append((self._actors.relayer, token.mint(account.address, cash)))
            calls.append((account, token.approve(market, cash)))
        self._chain.wait(self._chain.send(calls))

    def pay(self, trades: Trades, delivery: Delivery, days: range) -> None:
        """Have the shares paid what the plant's final schedules earned, on proof, and let every holder claim.

        Days ascend and none may be left out, so those after one that is held wait with it.
        """
        rows = []
        for day in days:
            schedule = self._schedule(trades, day)
            if schedule is None:
                continue
            if Key(schedule.device_id, day) not in trades.final_cash:
                self.unpaid = "its bill is held, so days from then on wait"
                break
            (proof,) = delivery.profile_proofs([schedule.device_id], day)
            rows.append((schedule, proof.profile(), proof.proof))
        if rows:
            try:
                self._send("AssetShares.fundRevenue", [(self._actors.relayer, self.asset.fund_revenue(rows))])
                self.paid_days = [schedule.day for schedule, _, _ in rows]
            except Reverted as error:
                self.unpaid = error.message
        if self.paid_days:
            self._claim()

    def _schedule(self, trades: Trades, day: int) -> Schedule | None:
        device_id = self.home.meter.key.device_id
        return next((schedule for schedule in trades.schedules[day] if schedule.device_id == device_id), None)

    def _claim(self) -> None:
        accounts = [one.account for one in self._actors.investors]
        calls = [(one, self.asset.claim()) for one in accounts if self.asset.claimable(one.address)]
        for receipt in self._send("AssetShares.claim", calls):
            for event in decode_logs("AssetShares", self.asset.address, receipt):
                if event.name == "Claimed":
                    self.claimed[str(event.args["account"])] = int(event.args["cash"])

    @property
    def holders(self) -> dict[Country, list[Investor]]:
        """Investors by country."""
        return {country: [one for one in self._actors.investors if one.country is country] for country in SUBSCRIPTIONS}

    def proof(self) -> AssetProof:
        """What the asset says of itself now."""
        return self.asset.proof()

    def cash_held(self) -> int:
        """Cash (token units) that the asset has not paid out."""
        return int(self._chain.call(self._token.functions.balanceOf(self.asset.address)))

    def shares_of(self, investors: Sequence[Investor]) -> int:
        """Shares of investors together."""
        return sum(self.asset.balance_of(one.account.address) for one in investors)
