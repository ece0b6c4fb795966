"""What came of a demo: its tables, its summary, and proof that both are true."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gridwitness.chain.attestation import StreamView
from gridwitness.chain.client import Chain
from gridwitness.domain.market import EUR
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_of, slots_of_day
from gridwitness.market.bills import grid_only_bill, saving_bps, self_sufficiency_bps
from gridwitness.service.demo import audit
from gridwitness.service.demo.actors import Actors
from gridwitness.service.demo.delivery import Delivery
from gridwitness.service.demo.ledger import Ledger
from gridwitness.service.demo.meters import MeterBank
from gridwitness.service.demo.result import BILL_LINES, DemoResult
from gridwitness.service.demo.shared_plant import SharedPlant
from gridwitness.service.demo.shares_facts import asset_summary
from gridwitness.service.demo.tables import bill_lines, busiest_book, clearing_table, reading_table, settlement_table
from gridwitness.service.demo.trade import Trading
from gridwitness.service.demo.world import ZONE
from gridwitness.service.proof_checks import check_offline
from gridwitness.service.proofs import ProofFile

SAMPLE_READINGS = 200


@dataclass(frozen=True)
class Evidence:
    """Everything a finished demo can be judged by."""

    chain: Chain
    actors: Actors
    bank: MeterBank
    days: range
    delivery: Delivery
    trading: Trading
    plant: SharedPlant | None
    readings: StreamView
    profiles: StreamView
    ledger: Ledger
    cash_in: int
    seed: int

    @property
    def slots(self) -> range:
        """All traded delivery slots."""
        return range(self.days.start * SLOTS_PER_DAY, self.days.stop * SLOTS_PER_DAY)


def collect(evidence: Evidence, proof_path: Path) -> DemoResult:
    """Check everything, withdraw what is free, and fill the tables. Writes one proof to `proof_path`."""
    trades, params = evidence.trading.trades, evidence.trading.trades.params
    readings = reading_table(evidence.delivery, evidence.actors.meters, evidence.slots)
    proven = _prove_sample(evidence, proof_path)
    _record_attestation_gas(evidence)
    return DemoResult(
        summary={
            **_counts(evidence),
            "readings_proven": proven,
            **_bills(evidence),
            "flagged_devices": _flagged_devices(evidence, readings),
            "flagged_share_of_honest_pct": _flagged_share_pct(evidence, readings),
            "disputes": _disputes(evidence),
            "asset": asset_summary(evidence.plant, trades) if evidence.plant is not None else None,
            **_cash(evidence),
            "energy_conserved": _energy_conserved(evidence, readings),
            **_agreement(evidence),
            "gas": evidence.ledger.gas(),
        },
        clearings=clearing_table(trades),
        settlements=settlement_table(trades, evidence.actors.homes, evidence.days),
        readings=readings,
        book=busiest_book(trades),
        retail_eur_per_kwh=params.short_price_per_kwh / EUR,
        feed_in_eur_per_kwh=params.long_price_per_kwh / EUR,
        network_fee_eur_per_kwh=params.network_fee_per_kwh / EUR,
        green_premium_eur_per_kwh=params.green_premium_per_kwh / EUR,
    )


def _counts(evidence: Evidence) -> dict[str, Any]:
    verdicts = evidence.delivery.verdicts
    accepted = verdicts["accepted"]
    return {
        "days": len(evidence.days),
        "meters": len(evidence.actors.homes),
        "readings_signed": len(evidence.delivery.signed),
        "readings_accepted": accepted,
        "readings_rejected": verdicts.total() - accepted,
        "batches_attested": evidence.readings.state().seq + evidence.profiles.state().seq,
        "slots_cleared": len(evidence.trading.trades.clearings),
        "schedules_final": len(evidence.trading.trades.final_cash),
        "schedules_held": len(evidence.trading.trades.held),
        "traded_wh": sum(clearing.volume_wh for clearing in evidence.trading.trades.clearings.values()),
    }


def _bills(evidence: Evidence) -> dict[str, Any]:
    """Bills of all days of homes that ended, in all and by line (owed > 0); held ones are in none of the sums."""
    trades = evidence.trading.trades
    profiles = [trades.profiles_wh[key] for key in trades.runs]
    days = [bill_lines(made.settlement, trades.params) for made in trades.runs.values()]
    lines = [-sum(line) for line in zip(*days, strict=True)] or [0] * len(BILL_LINES)
    bills, grid_only = sum(lines), sum(grid_only_bill(profile_wh, trades.params) for profile_wh in profiles)
    covered = [self_sufficiency_bps(_true_flows(evidence, day)) for day in evidence.days]
    return {
        "bills_eur": bills / EUR,
        "bill_lines_eur": {name: line / EUR for name, line in zip(BILL_LINES, lines, strict=True)},
        "grid_only_bills_eur": grid_only / EUR,
        "saving_pct": saving_bps(profiles, grid_only, bills, trades.params) / 100,
        "self_sufficiency_pct": round(sum(covered) / len(covered) / 100, 2),
    }


def _true_flows(evidence: Evidence, day: int) -> dict[bytes, list[int]]:
    """What really flowed on a day, whatever two of the meters said: the village's autarky is a fact of nature."""
    return {
        home.meter.key.device_id: [evidence.bank.true_wh(home.meter.name, slot) for slot in slots_of_day(day)]
        for home in evidence.actors.homes
    }


def _disputes(evidence: Evidence) -> list[dict[str, Any]]:
    """Disputes that ended: who doubted whose day, and who has the bond."""
    trades = evidence.trading.trades
    home_of = {home.meter.key.device_id: home.meter.name for home in evidence.actors.homes}
    owned_by = {str(home.owner.address): home.meter.name for home in evidence.actors.homes}
    return [
        {
            "meter": home_of[dispute.device_id],
            "doubted_by": owned_by[dispute.disputer],
            "bond_eur": dispute.bond / EUR,
            "upheld": dispute.upheld,
        }
        for dispute in trades.disputes
    ]


def _cash(evidence: Evidence) -> dict[str, Any]:
    """Money in against money out and left, to the unit, and whether the backstop always had what it could owe."""
    trading = evidence.trading
    cash_out = trading.withdraw_all() + (evidence.plant.proof().revenue if evidence.plant is not None else 0)
    accounts = [str(home.owner.address) for home in evidence.actors.homes] + [*trading.trades.payees.values()]
    balances = trading.market.balances(accounts)
    backstop = trading.market.backstop(ZONE)
    left = sum(free + reserved for free, reserved in balances) + backstop.balance + backstop.in_transit
    reserved = {account: reserved for account, (_, reserved) in zip(accounts, balances, strict=True)}
    most_exposed = max(trading.trades.backstops, key=lambda money: money.exposure)
    return {
        "cash_in": evidence.cash_in,
        "cash_out": cash_out,
        "cash_left": left,
        "cash_conserved": evidence.cash_in == cash_out + left and left == trading.held_in_market(),
        "most_exposed": most_exposed.exposure,
        "balance_when_most_exposed": most_exposed.balance,
        "backstop_covers": audit.backstop_covers(trading.trades, reserved, backstop),
    }


def _energy_conserved(evidence: Evidence, readings: pd.DataFrame) -> bool:
    """What flowed is what was attested, and what was attested is what was settled, in every slot and to the Wh."""
    trades = evidence.trading.trades
    attested = {
        (str(meter), slot_of(int(start.timestamp()))): int(energy_wh)
        for meter, start, energy_wh in zip(readings["meter"], readings["slot_start"], readings["net_wh"], strict=True)
    }
    names = [home.meter.name for home in evidence.actors.homes]
    return (
        len(attested) == (len(names) + 1) * len(evidence.slots)
        and audit.attested_flows_balance(attested, evidence.bank, names)
        and audit.contracts_balance(trades)
        and audit.settled_energy_adds_up(trades)
    )


def _agreement(evidence: Evidence) -> dict[str, Any]:
    trades = evidence.trading.trades
    all_cleared = len(trades.clearings) == len(evidence.slots)
    return {
        "clearing_equals_brute_force": all_cleared and not audit.clearing_errors(trades),
        "settlement_equals_reference": not audit.settlement_errors(trades),
    }


def _prove_sample(evidence: Evidence, proof_path: Path) -> int:
    """Prove a random sample of all readings; returns how many verify here and on chain. Saves the first proof."""
    signed = evidence.delivery.signed
    sample = random.Random(evidence.seed).sample(signed, min(SAMPLE_READINGS, len(signed)))  # noqa: S311
    proofs = evidence.delivery.reading_proofs([item.reading for item in sample])
    proofs[0].save(proof_path)
    on_chain = evidence.readings.verify_readings([(proof.fields, proof.proof) for proof in proofs])
    own = [_holds(proof, item.signature) for proof, item in zip(proofs, sample, strict=True)]
    return sum(a and b for a, b in zip(on_chain, own, strict=True))


def _holds(proof: ProofFile, signature: bytes) -> bool:
    """Whether a proof's own hashes hold and it carries the very signature the meter made."""
    return len(list(check_offline(proof))) > 0 and proof.signature == signature


def _record_attestation_gas(evidence: Evidence) -> None:
    """Attestations are the oracles' transactions: their gas is read from their receipts."""
    for name, stream in (("readings", evidence.readings), ("profiles", evidence.profiles)):
        receipts = evidence.chain.wait([attested.transaction for attested in stream.attested(0)])
        for receipt in receipts:
            evidence.ledger.spent(f"DataAttestation.attest/{name}", receipt.gas_used)


def _flagged_devices(evidence: Evidence, readings: pd.DataFrame) -> list[dict[str, Any]]:
    """Meters with flagged readings or held days, most flagged first."""
    held = {key.device_id for key in evidence.trading.trades.held}
    devices = []
    for meter in evidence.actors.meters:
        flagged = readings[(readings["meter"] == meter.name) & readings["flagged"]]
        if flagged.empty:
            continue
        devices.append(
            {
                "device_id": "0x" + meter.key.device_id.hex(),
                "meter": meter.name,
                "flagged_readings": len(flagged),
                "first_flagged": flagged["slot_start"].iloc[0].isoformat(),
                "reason": str(flagged["reason"].iloc[-1]),
                "held": meter.key.device_id in held,
            }
        )
    return sorted(devices, key=lambda device: -int(device["flagged_readings"]))


def _flagged_share_pct(evidence: Evidence, readings: pd.DataFrame) -> float:
    """Share of flagged readings among meters that were not made to misbehave."""
    faults = evidence.bank.faults
    culprits = (faults.underreporting, faults.frozen) if faults is not None else ()
    honest = readings[~readings["meter"].isin(culprits)]
    return round(100 * float(honest["flagged"].mean()), 3)
