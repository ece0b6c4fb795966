"""Shares of assets: calls to send to an asset, its factory, passports and the market of shares; views at one block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

from eth_utils.address import to_checksum_address
from web3.contract.contract import ContractFunction

from gridwitness.chain.abi import abi_of
from gridwitness.chain.client import Chain, calldata
from gridwitness.chain.events import Receipt, decode_logs
from gridwitness.chain.market import metered_tuple, schedule_tuple
from gridwitness.domain.assets import (
    NOBODY,
    Ask,
    AssetProof,
    AssetRule,
    AssetRules,
    AssetTerms,
    Passport,
    Verdict,
)
from gridwitness.domain.batches import Proof
from gridwitness.domain.market import Schedule
from gridwitness.domain.readings import Profile
from gridwitness.errors import ChainError, GridwitnessError, InputError

_SELECTOR_BYTES, _WORD_BYTES = 4, 32
_CALLS_AT_ONCE = 100


class AssetFactory:
    """The manifest's AssetFactory."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._contract = chain.contract("AssetFactory")

    def create(self, terms: AssetTerms, rules: AssetRules, admin: str) -> ContractFunction:
        """Make an asset whose admin, first issuer and first agent is `admin`."""
        return self._contract.functions.create(astuple(terms), _rules_tuple(rules), admin)

    def asset(self, address: str) -> Asset:
        """An asset that this factory made. Raises InputError for anything else at the address."""
        if not self._chain.call(self._contract.functions.isAsset(address)):
            raise InputError(
                f"{address} is no asset of the factory at {self._contract.address}",
                hint="`gridwitness asset create` makes one; is the manifest that of this chain?",
            )
        return Asset(self._chain, address)

    def created(self, receipt: Receipt) -> str:
        """The asset that a transaction made. Raises ChainError if it made none."""
        events = decode_logs("AssetFactory", self._contract.address, receipt)
        for event in events:
            if event.name == "AssetCreated":
                return str(event.args["asset"])
        raise ChainError(f"transaction 0x{receipt.transaction.hex()} made no asset")


class PassportRegistry:
    """The manifest's Passports: calls for its registrar, and views."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._contract = chain.contract("Passports")
        self.address: str = self._contract.address

    def register(self, investors: Sequence[tuple[str, Passport]]) -> ContractFunction:
        """Register investors by their first wallets."""
        return self._contract.functions.register([(wallet, astuple(passport)) for wallet, passport in investors])

    def renew(self, investor: str, passport: Passport, assets: Sequence[str]) -> ContractFunction:
        """Give an investor another passport, and tell assets."""
        return self._contract.functions.renew(investor, astuple(passport), list(assets))

    def revoke(self, investor: str, assets: Sequence[str]) -> ContractFunction:
        """Revoke an investor's passport, and tell assets at once."""
        return self._contract.functions.revoke(investor, list(assets))

    def add_wallet(self, investor: str, wallet: str) -> ContractFunction:
        """Add a wallet of an investor."""
        return self._contract.functions.addWallet(investor, wallet)

    def retire_wallet(self, wallet: str, assets: Sequence[str]) -> ContractFunction:
        """Retire a wallet whose key is lost, and tell assets."""
        return self._contract.functions.retireWallet(wallet, list(assets))


@dataclass(frozen=True, slots=True)
class AssetFigures:
    """What an asset says of itself at one block."""

    terms: AssetTerms
    rules: AssetRules
    proof: AssetProof
    is_paused: bool
    dividend_cash: int
    redemption_cash: int


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """What an asset says of an account at one block."""

    shares: int
    claimable: int
    frozen: int
    verdict: Verdict


class Asset:
    """An asset at an address: calls for issuer, agent and holders, and views."""

    def __init__(self, chain: Chain, address: str) -> None:
        self.address = to_checksum_address(address)
        self._chain = chain
        self._functions = chain.web3.eth.contract(address=self.address, abi=abi_of("AssetShares")).functions

    def mint(self, to: str, shares: int) -> ContractFunction:
        """Issue shares; issuers only."""
        return self._functions.mint(to, shares)

    def transfer(self, to: str, shares: int) -> ContractFunction:
        """Move shares of the sender."""
        return self._functions.transfer(to, shares)

    def approve(self, spender: str, shares: int) -> ContractFunction:
        """Let an account move shares of the sender, as the market of shares must to fill its asks."""
        return self._functions.approve(spender, shares)

    def fund(self, cash: int) -> ContractFunction:
        """Pay cash to all shares; not for an asset that earns in a market."""
        return self._functions.fund(cash)

    def fund_revenue(self, rows: Sequence[tuple[Schedule, Profile, Proof]]) -> ContractFunction:
        """Pay the market's proceeds of final schedules, each with its proven profile, to the shares."""
        schedules = [schedule_tuple(schedule) for schedule, _, _ in rows]
        metered = [metered_tuple(profile, proof) for _, profile, proof in rows]
        return self._functions.fundRevenue(schedules, metered)

    def fund_redemption(self, cash: int) -> ContractFunction:
        """Pay in cash that redemptions are paid from."""
        return self._functions.fundRedemption(cash)

    def claim(self) -> ContractFunction:
        """Take what the sender is due."""
        return self._functions.claim()

    def claim_for(self, account: str) -> ContractFunction:
        """Pay an account what it is due; anyone may."""
        return self._functions.claimFor(account)

    def retire(self, shares: int, purpose: bytes) -> ContractFunction:
        """Use up shares of the sender; `purpose` is up to 32 bytes."""
        return self._functions.retire(shares, purpose.ljust(32, b"\0"))

    def redeem(self, shares: int) -> ContractFunction:
        """Give shares of the sender back for their redemption value, from maturity on."""
        return self._functions.redeem(shares)

    def freeze(self, account: str, shares: int) -> ContractFunction:
        """Set how many shares of an account are frozen; agents only."""
        return self._functions.setFrozenTokens(account, shares)

    def force_transfer(self, source: str, to: str, shares: int) -> ContractFunction:
        """Move shares without their holder's consent; agents only."""
        return self._functions.forcedTransfer(source, to, shares)

    def recover(self, lost: str, to: str) -> ContractFunction:
        """Move all that a lost wallet has to another of its investor; agents only."""
        return self._functions.recover(lost, to)

    def set_rules(self, rules: AssetRules) -> ContractFunction:
        """Set all rules; issuers only."""
        return self._functions.setRules(_rules_tuple(rules))

    def set_document(self, name: bytes, uri: str, document_hash: bytes) -> ContractFunction:
        """Name a document by its hash (32 bytes); `name` is up to 32 bytes; issuers only."""
        return self._functions.setDocument(name.ljust(32, b"\0"), uri, document_hash)

    def add_plant(self, device_id: bytes) -> ContractFunction:
        """Let a device earn for the asset from tomorrow on; issuers only."""
        return self._functions.addPlant(device_id)

    def terms(self, block_hash: bytes | None = None) -> AssetTerms:
        """What never changes."""
        (values,) = self._chain.call_many([self._functions.terms()], block_hash=block_hash)
        return _terms(values)

    def proof(self, block_hash: bytes | None = None) -> AssetProof:
        """What stands behind the asset, and what it did."""
        (values,) = self._chain.call_many([self._functions.proofOfAsset()], block_hash=block_hash)
        return AssetProof(*values)

    def plant_of(self, device_id: bytes) -> tuple[int, int]:
        """Last day of a plant that was paid for, 0 for no plant; and its last day of all, 0 while it goes on."""
        funded_through, last_day = self._chain.call(self._functions.plantOf(device_id))
        return funded_through, last_day

    def verdict_of(self, account: str, block_hash: bytes | None = None) -> Verdict:
        """Rule that an account breaks by what it is."""
        (values,) = self._chain.call_many([self._functions.verdictOf(account)], block_hash=block_hash)
        return _verdict(values)

    def claimable(self, account: str) -> int:
        """Cash due to an account, whether or not it may claim it now."""
        return int(self._chain.call(self._functions.claimable(account)))

    def balance_of(self, account: str) -> int:
        """Shares of an account."""
        return int(self._chain.call(self._functions.balanceOf(account)))

    def figures(self, block_hash: bytes) -> AssetFigures:
        """What it says of itself at a block."""
        views = [
            getattr(self._functions, name)() for name in ("terms", "rules", "proofOfAsset", "isPaused", "cashHeld")
        ]
        terms, rules, proof, is_paused, (dividend_cash, redemption_cash) = self._chain.call_many(
            views, block_hash=block_hash
        )
        return AssetFigures(
            _terms(terms), rules_of(rules), AssetProof(*proof), is_paused, dividend_cash, redemption_cash
        )

    def accounts(self, accounts: Sequence[str], block_hash: bytes) -> list[AccountFigures]:
        """What it says of accounts at a block, in their order."""
        ask = self._functions
        views = [ask.balanceOf(NOBODY), ask.claimable(NOBODY), ask.getFrozenTokens(NOBODY), ask.verdictOf(NOBODY)]
        selectors = ["0x" + calldata(view)[:_SELECTOR_BYTES].hex() for view in views]
        # Put together here: web3 takes some 4 ms to encode a call, and there are four for each of thousands of holders.
        words = [account[2:].lower().rjust(64, "0") for account in accounts]
        block = {"blockHash": "0x" + block_hash.hex()}
        calls = [{"to": self.address, "data": selector + word} for word in words for selector in selectors]
        answers: list[Any] = []
        for start in range(0, len(calls), _CALLS_AT_ONCE):
            requests = [("eth_call", (call, block)) for call in calls[start : start + _CALLS_AT_ONCE]]
            answers += self._chain.node.rpc_batch(requests)
        rows = [answers[start : start + len(views)] for start in range(0, len(answers), len(views))]
        return [
            AccountFigures(_number(shares), _number(due), _number(frozen), _verdict(_numbers(verdict, 3)))
            for shares, due, frozen, verdict in rows
        ]


class ShareMarket:
    """The manifest's ShareMarket."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._contract = chain.contract("ShareMarket")
        self.address: str = self._contract.address

    def fill(self, ask: Ask, signature: bytes, amount: int, cash_limit: int) -> ContractFunction:
        """Buy shares of an ask, for `cash_limit` at most; the sender pays and receives."""
        return self._contract.functions.fill(astuple(ask), signature, amount, cash_limit)

    def cancel(self, numbers: Sequence[int]) -> ContractFunction:
        """Take the sender's asks of these numbers back, for good."""
        return self._contract.functions.cancel(list(numbers))

    def filled_of(self, seller: str, number: int) -> int:
        """Shares filled of a seller's number; the largest uint64 if it was cancelled."""
        return int(self._chain.call(self._contract.functions.filledOf(seller, number)))


def rules_of(values: Sequence[Any]) -> AssetRules:
    """Rules from the contract's struct."""
    words, classes, verdict_seconds, cap, max_holding_bps, lock_until = values
    return AssetRules.of_words(words, classes, verdict_seconds, cap, max_holding_bps, lock_until)


def _number(answer: Any) -> int:
    """The number that answers a view."""
    return _numbers(answer, 1)[0]


def _numbers(answer: Any, count: int) -> list[int]:
    """Numbers, a word each, of an answer to a view. Raises ChainError if it has another number of words."""
    if isinstance(answer, GridwitnessError):
        raise answer
    data = bytes.fromhex(answer[2:])
    if len(data) != count * _WORD_BYTES:
        raise ChainError(f"an asset answered {len(data)} bytes in place of {count * _WORD_BYTES}")
    return [int.from_bytes(data[start : start + _WORD_BYTES]) for start in range(0, len(data), _WORD_BYTES)]


def _rules_tuple(rules: AssetRules) -> tuple[list[int], int, int, int, int, int]:
    return (
        rules.country_words,
        rules.class_mask,
        rules.verdict_seconds,
        rules.holder_cap,
        rules.max_holding_bps,
        rules.lock_until,
    )


def _terms(values: Sequence[Any]) -> AssetTerms:
    terms = AssetTerms(*values)
    return replace(
        terms,
        passports=to_checksum_address(terms.passports),
        cash=to_checksum_address(terms.cash),
        reserve=to_checksum_address(terms.reserve),
        market=to_checksum_address(terms.market),
    )


def _verdict(values: Sequence[int]) -> Verdict:
    rule, value, limit = values
    if rule not in set(AssetRule):
        raise ChainError(f"an asset answered rule {rule}, which there is not")
    return Verdict(AssetRule(rule), value, limit)
