"""A plant in shares: its contracts, who runs it, and investors with passports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ape
import pytest
from eth_utils import keccak
from ethpm_types import ContractType
from web3.exceptions import ContractCustomError

from gridwitness.domain.assets import AssetRule as Rule
from gridwitness.encoding.keys import Secp256k1Key
from tests.functional.market.village import encoded, warp

ZERO = "0x" + "00" * 20
EUR = 1_000_000
DAY_SECONDS = 86_400
YEAR_SECONDS = 365 * DAY_SECONDS
EPOCH_SECONDS = 600
MAX_UINT256 = 2**256 - 1
GERMANY, FRANCE, AUSTRIA, AMERICA = 276, 250, 40, 840
RETAIL, PROFESSIONAL, BARRED = 0, 1, 7
NO_LIMIT_BPS = 10_000
SUPPLY = 10_000
Passport = tuple[int, int, int]


def countries(*codes: int) -> list[int]:
    """Mask of accepted countries, four words."""
    words = [0, 0, 0, 0]
    for code in codes:
        words[code // 256] |= 1 << code % 256
    return words


def rules(
    holder_cap: int = 100, max_holding_bps: int = NO_LIMIT_BPS, lock_until: int = 0, verdict_seconds: int = DAY_SECONDS
) -> tuple[Any, ...]:
    """Rules that take retail and professional investors of three countries."""
    accepted = countries(GERMANY, FRANCE, AUSTRIA)
    return (accepted, 1 << RETAIL | 1 << PROFESSIONAL, verdict_seconds, holder_cap, max_holding_bps, lock_until)


def shares_and_governance(project: Any) -> ContractType:
    """The one ABI that an asset answers."""
    shares, governance = project.AssetShares.contract_type, project.AssetGovernance.contract_type
    known = {(entry.type, getattr(entry, "selector", "")) for entry in shares.abi}
    more = [
        entry
        for entry in governance.abi
        if entry.type in {"function", "event", "error"} and (entry.type, entry.selector) not in known
    ]
    return ContractType.model_validate(
        {
            "contractName": "AssetShares",
            "abi": [entry.model_dump(mode="json", by_alias=True) for entry in [*shares.abi, *more]],
        }
    )


def at(project: Any, address: str) -> Any:
    """The asset at an address."""
    contract_type = shares_and_governance(project)
    ape.chain.contracts[address] = contract_type
    return ape.chain.contracts.instance_at(address, contract_type=contract_type)


def refuse(method: Any, *arguments: Any, sender: Any, error: Any, values: Sequence[object] = ()) -> None:
    """Expect a call to revert with exactly this error and these values, whichever contract it comes from."""
    data = "0x" + bytes(method.encode_input(*arguments)).hex()
    with pytest.raises(ContractCustomError) as info:
        ape.networks.provider.web3.eth.call({"from": str(sender), "to": method.contract.address, "data": data})
    given = bytes.fromhex(str(info.value.data).removeprefix("0x"))
    assert given == encoded(error, *(str(value) if hasattr(value, "address") else value for value in values)), given


def now() -> int:
    """Second of the newest block, which calls see."""
    return int(ape.chain.blocks.head.timestamp)


def key_of(account: Any) -> Secp256k1Key:
    """Key of one of Ape's accounts."""
    return Secp256k1Key(int(account.private_key, 16))


@dataclass
class Plant:
    """An asset and those who run it."""

    asset: Any
    passports: Any
    cash: Any
    issuer: Any
    agent: Any
    registrar: Any

    def broken(self, rule: Rule, account: Any, value: int = 0, limit: int = 0) -> dict[str, Any]:
        """What `refuse` expects of a rule."""
        return {"error": self.asset.RuleBroken, "values": (int(rule), account, value, limit)}

    def admit(self, *wallets: Any, country: int = GERMANY, investor_class: int = RETAIL, expires_at: int = 0) -> None:
        """Register investors by their first wallets; by default for ten years."""
        passport = (expires_at or now() + 10 * YEAR_SECONDS, country, investor_class)
        self.passports.register([(str(wallet), passport) for wallet in wallets], sender=self.registrar)

    def add_wallet(self, investor: Any, wallet: Any) -> None:
        """Give an investor another wallet."""
        self.passports.addWallet(investor, wallet, sender=self.registrar)

    def revoke(self, investor: Any) -> Any:
        """Revoke, and tell the asset; returns the receipt."""
        return self.passports.revoke(investor, [self.asset], sender=self.registrar)

    def mint(self, wallet: Any, shares: int) -> Any:
        """Issue shares; returns the receipt."""
        return self.asset.mint(wallet, shares, sender=self.issuer)

    def fund(self, cash: int) -> Any:
        """Pay dividends out of the issuer's pocket; returns the receipt."""
        self.fill_pocket(self.issuer, self.asset, cash)
        return self.asset.fund(cash, sender=self.issuer)

    def fill_pocket(self, account: Any, spender: Any, cash: int) -> None:
        """Give an account cash that the spender may take."""
        self.cash.mint(account, cash, sender=account)
        self.cash.approve(spender, MAX_UINT256, sender=account)

    def set_rules(self, **changes: Any) -> Any:
        """Other rules, as soon as an epoch may begin; returns the receipt."""
        warp(now() + EPOCH_SECONDS)
        return self.asset.setRules(rules(**changes), sender=self.issuer)

    def balances(self, *wallets: Any) -> list[int]:
        """Shares of wallets."""
        return [self.asset.balanceOf(wallet) for wallet in wallets]

    def permit_digest(self, owner: Any, spender: Any, shares: int, nonce: int, deadline: int) -> bytes:
        """EIP-2612 digest, computed apart from the contract's code."""
        types = keccak(text="Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
        words = [int(str(owner), 16), int(str(spender), 16), shares, nonce, deadline]
        struct = keccak(types + b"".join(word.to_bytes(32, "big") for word in words))
        return keccak(b"\x19\x01" + self.domain_separator() + struct)

    def domain_separator(self) -> bytes:
        """EIP-712 domain of the asset."""
        kind = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        name, version = keccak(text="Gridwitness AssetShares"), keccak(text="1")
        chain = ape.chain.chain_id.to_bytes(32, "big")
        return keccak(kind + name + version + chain + int(self.asset.address, 16).to_bytes(32, "big"))


def create(project: Any, factory: Any, admin: Any, terms: Sequence[Any], rules_: Sequence[Any]) -> Any:
    """Make an asset; returns it."""
    receipt = factory.create(tuple(terms), tuple(rules_), admin, sender=admin)
    (created,) = receipt.decode_logs(
        factory.AssetCreated.abi
    )  # `events` would look up the asset, which it does not know yet
    return at(project, created.asset)


def terms(passports: Any, cash: Any, **changes: Any) -> tuple[Any, ...]:
    """Terms of an asset without reserve or maturity."""
    fields = {
        "name": "Solar One",
        "symbol": "SUN1",
        "decimals": 0,
        "passports": str(passports),
        "cash": str(cash),
        "reserve": ZERO,
        "reserve_per_share": 0,
        "reserve_is_cumulative": False,
        "max_reserve_age_seconds": 0,
        "matures_at": 0,
        "redemption_per_share": 0,
        "market": ZERO,
    }
    assert changes.keys() <= fields.keys()
    return tuple((fields | changes).values())


@dataclass
class Staff:
    """Who runs plants: one account each."""

    issuer: Any
    agent: Any
    registrar: Any


def deploy_passports(project: Any, deployer: Any, registrar: Any) -> Any:
    """Passports with a registrar."""
    contract = deployer.deploy(project.Passports, deployer)
    contract.grantRole(contract.REGISTRAR_ROLE(), registrar, sender=deployer)
    return contract


def make_plant(
    project: Any, factory: Any, passports: Any, staff: Staff, cash: Any, *, rules_: Any, **changes: Any
) -> Plant:
    """A plant that pays in `cash`, whose issuer is not its agent; other terms as keywords."""
    asset = create(project, factory, staff.issuer, terms(passports, cash, **changes), rules_)
    asset.grantRole(asset.AGENT_ROLE(), staff.agent, sender=staff.issuer)
    asset.revokeRole(asset.AGENT_ROLE(), staff.issuer, sender=staff.issuer)
    return Plant(asset, passports, cash, staff.issuer, staff.agent, staff.registrar)


def owned_by(plant: Plant, investors: Sequence[Any]) -> Plant:
    """The plant with four investors admitted: 6,000 shares of the first, 4,000 of the second."""
    plant.admit(*investors[:4])
    plant.mint(investors[0], 6_000)
    plant.mint(investors[1], SUPPLY - 6_000)
    return plant
