"""A plant's shares as people read them, from the `asset` of a demo's summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridwitness.service.demo import wording

Row = tuple[str, str]
NO_ASSET = "none, as no home of this community feeds in"
# What a rule that refused a buyer asks; a rule that is not named here is shown by its name.
_RULE_WORDS = {"country": "the shares' rules do not accept its country"}


def asset_rows(asset: Mapping[str, Any] | None) -> list[Row]:
    """Heading and figures, a row each; one row that says why if there is no asset."""
    if asset is None:
        return [("asset", NO_ASSET)]
    places = ", ".join(f"{row['holders']} in {row['country']}" for row in asset["holders_by_country"])
    traded = sum(fill["shares"] for fill in asset["fills"])
    rows = [
        ("asset", f"{asset['name']}, {asset['address']}"),
        ("shares", f"{wording.grouped(asset['shares'])} of {wording.count(asset['holders'], 'holder')}: {places}"),
        ("shares traded", f"{wording.grouped(traded)} in {wording.count(len(asset['fills']), 'fill')}"),
        *(("refused", refusal_words(one)) for one in asset["refused"]),
    ]
    if asset["days_paid"]:
        rows += [("its energy", energy_words(asset)), ("its revenue", revenue_words(asset))]
    if asset["unpaid"]:
        rows.append(("not paid", asset["unpaid"]))
    return rows


def refusal_words(refused: Mapping[str, Any]) -> str:
    """Whom the rules refused, and why."""
    rule = refused["rule"]
    why = _RULE_WORDS.get(rule, f"the rule {rule.replace('_', ' ')}")
    return f"a buyer from {refused['buyer_from']}: {why} ({refused['value']})"


def energy_words(asset: Mapping[str, Any]) -> str:
    """What the plant sold, against what was attested."""
    return f"{wording.kwh(asset['sold_wh'])} sold to neighbours, {wording.kwh(asset['attested_wh'])} attested, all net"


def revenue_words(asset: Mapping[str, Any]) -> str:
    """What the market settled for it, and what of that a share has."""
    sales, beside = asset["from_sales"], asset["revenue"] - asset["from_sales"]
    return (
        f"{wording.exact_euros(asset['revenue'])}, {wording.exact_euros(sales)} of it for what it sold and "
        f"{wording.exact_euros(beside)} for energy beside its contracts; €{asset['eur_per_share']:.6f} a share"
    )


def reconciliation_words(asset: Mapping[str, Any]) -> str:
    """What the check of the asset compared."""
    if not asset["days_paid"]:
        return f"nothing was paid: {asset['unpaid'] or 'it had no orders'}"
    rest = asset["revenue"] - asset["claimed"]
    return (
        f"revenue equals what the market settled, {wording.exact_euros(asset['revenue'])}; "
        f"{wording.exact_euros(asset['claimed'])} claimed, {wording.exact_euros(rest)} rounded down; energy sold is "
        "within energy attested"
    )
