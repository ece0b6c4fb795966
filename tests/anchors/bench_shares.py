"""Shares of assets beside a plain ERC-20, the least of ERC-7943 and T-REX (ERC-3643), on one chain, in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.anchors.tables import figure
from tests.anchors.trex import deploy_suite
from tests.functional.shares.plant import (
    EUR,
    GERMANY,
    YEAR_SECONDS,
    Plant,
    Staff,
    deploy_passports,
    make_plant,
    now,
    owned_by,
    rules,
    terms,
)

MARK = "bench-anchors shares"
SHARES = 10_000
MOVED = 100
LEGEND = """
Whole transactions. Each moves a part of what a holder has; a new holder had nothing, and is admitted. The plain ERC-20
is OpenZeppelin's with permit: it asks nobody anything and pays nothing. The least of ERC-7943 is a plain ERC-20 with an
allowlist and a frozen amount of each account, without roles or dividends. OpenZeppelin's uRWA is made in this way; it
is on no registry and so not in this run: when these contracts were designed, a transfer of it took 42,791. T-REX asks
two claims of the receiver and three modules (country, largest balance, supply); an investor is given an identity, two
claims and a place in one token's registry. Here the sender's and the receiver's passports (by a verdict of the day),
freezing, pause, lock-up, cap and largest holding are looked at, and dividends are pending on both sides; a passport is
given once for all assets. An asset is made with its terms and rules, the suite by T-REX's factory with its modules made
before.
"""


@dataclass(frozen=True)
class ShareRow:
    """Gas of one piece of work on each; None where they have nothing alike. `least` is of ERC-7943."""

    work: str
    plain: float | None
    least: float | None
    t_rex: float | None
    ours: float


def measure_plain(project: Any, accounts: Sequence[Any]) -> dict[str, float]:
    """Gas of OpenZeppelin's ERC-20."""
    owner, holder, newcomer = accounts[:3]
    token = owner.deploy(project.EuroToken)
    for account in (owner, holder):
        token.mint(account, SHARES, sender=owner)
    return {
        "existing": token.transfer(holder, MOVED, sender=owner).gas_used,
        "new": token.transfer(newcomer, MOVED, sender=owner).gas_used,
        "create": token.creation_metadata.receipt.gas_used,
    }


def measure_least(project: Any, accounts: Sequence[Any]) -> dict[str, float]:
    """Gas of a token with an allowlist and frozen amounts."""
    owner, holder, newcomer = accounts[:3]
    token = owner.deploy(project.AllowlistToken)
    admitted = [token.allow(account, sender=owner).gas_used for account in (owner, holder, newcomer)]
    for account in (owner, holder):
        token.mint(account, SHARES, sender=owner)
    return {
        "onboard": admitted[-1],
        "existing": token.transfer(holder, MOVED, sender=owner).gas_used,
        "new": token.transfer(newcomer, MOVED, sender=owner).gas_used,
        "create": token.creation_metadata.receipt.gas_used,
    }


def measure_t_rex(accounts: Sequence[Any]) -> dict[str, float]:
    """Gas of T-REX."""
    owner, seller, buyer, newcomer = accounts[:4]
    suite = deploy_suite(owner, (seller, buyer), SHARES)
    return {
        "onboard": suite.onboard(newcomer),
        "existing": suite.token.transfer(buyer, MOVED, sender=seller).gas_used,
        "new": suite.token.transfer(newcomer, MOVED, sender=seller).gas_used,
        "create": suite.created.gas_used,
    }


def measure_ours(project: Any, accounts: Sequence[Any]) -> dict[str, float]:
    """Gas of AssetShares and Passports, in the steady state of tests/gas/test_gas_shares.py."""
    deployer, issuer, agent, registrar, *owners, stranger = accounts[:9]
    cash, factory = deployer.deploy(project.EuroToken), deployer.deploy(project.AssetFactory)
    staff = Staff(issuer, agent, registrar)
    passports = deploy_passports(project, deployer, registrar)
    plant = owned_by(make_plant(project, factory, passports, staff, cash, rules_=rules()), owners)
    passport = (now() + 10 * YEAR_SECONDS, GERMANY, 1)
    onboarded = passports.register([(stranger, passport)], sender=registrar)
    created = factory.create(terms(passports, cash), rules(), issuer, sender=issuer)
    return trade(plant, owners) | {"onboard": onboarded.gas_used, "create": created.gas_used}


def trade(plant: Plant, owners: Sequence[Any]) -> dict[str, float]:
    """Gas of what holders do, once everybody has had a dividend before."""
    asset, (seller, buyer, newcomer) = plant.asset, owners[:3]
    plant.cash.mint(plant.issuer, EUR, sender=plant.issuer)
    plant.fund(1_000 * EUR + 7)
    asset.transfer(buyer, MOVED, sender=seller)
    for wallet in (seller, buyer):
        asset.claim(sender=wallet)
    return {
        "fund": plant.fund(1_000 * EUR).gas_used,
        "existing": asset.transfer(buyer, MOVED, sender=seller).gas_used,
        "new": asset.transfer(newcomer, MOVED, sender=seller).gas_used,
        "claim": asset.claim(sender=buyer).gas_used,
    }


def measure_shares(project: Any, accounts: Sequence[Any]) -> list[ShareRow]:
    """All rows of the table."""
    plain, least = measure_plain(project, accounts), measure_least(project, accounts)
    t_rex, ours = measure_t_rex(accounts), measure_ours(project, accounts)
    works = {
        "existing": "transfer to somebody who has shares",
        "new": "transfer to a new holder",
        "onboard": "onboard an investor",
        "create": "create an asset",
        "fund": "pay a dividend to all holders, however many",
        "claim": "claim a dividend",
    }
    return [ShareRow(work, plain.get(key), least.get(key), t_rex.get(key), ours[key]) for key, work in works.items()]


def share_table(rows: Sequence[ShareRow]) -> str:
    """Rows as Markdown, with the legend."""
    lines = [
        "| work | OpenZeppelin ERC-20 5.7.0, gas | least of ERC-7943, gas | T-REX 4.1.6, gas | here, gas |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        figures = " | ".join(figure(one) for one in (row.plain, row.least, row.t_rex, row.ours))
        lines.append(f"| {row.work} | {figures} |")
    return "\n".join(lines) + "\n" + LEGEND
