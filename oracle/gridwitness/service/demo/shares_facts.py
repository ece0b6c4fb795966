"""What came of a plant's shares, for summary and report, and whether it reconciles with what the market settled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gridwitness.domain.assets import AssetProof
from gridwitness.domain.market import EUR, Settlement
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.market.settlement import net_cash
from gridwitness.service.demo.investors import Investor
from gridwitness.service.demo.shared_plant import SharedPlant
from gridwitness.service.demo.trades import Key, Trades


def asset_summary(plant: SharedPlant, trades: Trades) -> dict[str, Any]:
    """Facts of the plant's asset as the chain has them at the end: cash in token units unless it says EUR."""
    proof = plant.proof()
    return {
        "address": plant.asset.address,
        "name": plant.asset.terms().name,
        "meter": plant.home.meter.name,
        "device_id": "0x" + plant.home.meter.key.device_id.hex(),
        "shares": proof.supply,
        "holders": proof.holders,
        "holders_by_country": [
            {
                "country": country.words,
                "code": int(country),
                "holders": len(holders),
                "shares": plant.shares_of(holders),
                "claimed": _claimed(plant, holders),
            }
            for country, holders in plant.holders.items()
        ],
        "fills": [
            {
                "from": fill.seller.country.words,
                "to": fill.buyer.country.words,
                "shares": fill.shares,
                "eur": fill.cash / EUR,
            }
            for fill in plant.fills
        ],
        "refused": [
            {"buyer_from": one.buyer.country.words, "rule": one.rule.name.lower(), "value": one.value}
            for one in plant.refusals
        ],
        "days_paid": [datetime.fromtimestamp(day * SECONDS_PER_DAY, UTC).date().isoformat() for day in plant.paid_days],
        "unpaid": plant.unpaid,
        "sold_wh": proof.sold_wh,
        "attested_wh": proof.attested_wh,
        "revenue": proof.revenue,
        "from_sales": sum(one.traded_cash + one.grid_cash for one in _settled(plant, trades)),
        "claimed": sum(plant.claimed.values()),
        "eur_per_share": proof.revenue / proof.supply / EUR,
        "reconciles": reconciles(plant, proof, trades),
    }


def _claimed(plant: SharedPlant, investors: list[Investor]) -> int:
    return sum(plant.claimed.get(one.account.address, 0) for one in investors)


def _settled(plant: SharedPlant, trades: Trades) -> list[Settlement]:
    """What the market settled for the days that were paid."""
    return [trades.runs[Key(plant.home.meter.key.device_id, day)].settlement for day in plant.paid_days]


def reconciles(plant: SharedPlant, proof: AssetProof, trades: Trades) -> bool:
    """Whether the shares were paid what the market settled for the days paid, no more energy was sold than attested,
    and the holders have all of it but what each one's share rounds down by.
    """
    settled = _settled(plant, trades)
    final = sum(trades.final_cash[Key(plant.home.meter.key.device_id, day)] for day in plant.paid_days)
    claimed, rest = sum(plant.claimed.values()), plant.cash_held()
    return (
        proof.revenue == sum(net_cash(one) for one in settled) == final
        and proof.sold_wh == -sum(one.contracted_wh for one in settled)
        and proof.attested_wh == -sum(one.metered_wh for one in settled)
        and proof.sold_wh <= proof.attested_wh
        and claimed + rest == proof.revenue
        and 0 <= rest <= proof.holders
    )
