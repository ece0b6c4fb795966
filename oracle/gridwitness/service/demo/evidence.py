"""What came of a demo: its tables, its summary, and proof that both are true."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gridwitness.chain.attestation import StreamView
from gridwitness.chain.client import Chain
from gridwitness.domain.market import EUR
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_of, slot_start, slots_of_day
from gridwitness.market.bills import grid_only_bill, market_bill, saving_bps, self_sufficiency_bps
from gridwitness.scoring import FLAG_SCORE_BPS
from gridwitness.service.demo import audit
from gridwitness.service.demo.actors import Actors, Home
from gridwitness.service.demo.delivery import Delivery
from gridwitness.service.demo.ledger import Ledger
from gridwitness.service.demo.meters import MeterBank
from gridwitness.service.demo.result import (
    CLEARING_COLUMNS,
    READING_COLUMNS,
    SETTLEMENT_COLUMNS,
    BookSnapshot,
    DemoResult,
)
from gridwitness.service.demo.trade import Trading
from gridwitness.service.demo.world import ZONE
from gridwitness.service.proof_checks import check_offline
from gridwitness.service.proofs import ProofFile

SAMPLE_READINGS = 200

# (device id, delivery day) → the 96 net energies (Wh) its proven profile attests
Profiles = Mapping[tuple[bytes, int], Sequence[int]]


@dataclass(frozen=True)
class Evidence:
    """Everything a finished demo can be judged by."""

    chain: Chain
    actors: Actors
    bank: MeterBank
    days: range
    delivery: Delivery
    trading: Trading
    readings: StreamView
    profiles: StreamView
    profiles_wh: Profiles
    ledger: Ledger
    cash_in: int
    seed: int

    @property
    def slots(self) -> range:
        """All traded delivery slots."""
        return range(self.days.start * SLOTS_PER_DAY, self.days.stop * SLOTS_PER_DAY)


def collect(evidence: Evidence, proof_path: Path) -> DemoResult:
    """Check everything, withdraw what is free, and fill the tables. Writes one proof to `proof_path`."""
    readings = _readings(evidence)
    proven = _prove_sample(evidence, proof_path)
    _record_attestation_gas(evidence)
    settlements = _settlements(evidence)
    cash = _cash(evidence)
    flagged = _flagged_devices(evidence, readings)
    return DemoResult(
        summary={
            **_counts(evidence),
            "readings_proven": proven,
            **_bills(evidence),
            "flagged_devices": flagged,
            "flagged_share_of_honest_pct": _flagged_share_pct(evidence, readings),
            **cash,
            "energy_conserved": _energy_conserved(evidence, readings),
            **_agreement(evidence),
            "gas": evidence.ledger.gas(),
        },
        clearings=_clearings(evidence),
        settlements=settlements,
        readings=readings,
        book=_book(evidence),
        retail_eur_per_kwh=evidence.trading.params.short_price_per_kwh / EUR,
        feed_in_eur_per_kwh=evidence.trading.params.long_price_per_kwh / EUR,
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
        "slots_cleared": len(evidence.trading.clearings),
        "traded_wh": sum(clearing.volume_wh for clearing in evidence.trading.clearings.values()),
    }


def _bills(evidence: Evidence) -> dict[str, Any]:
    """Bills of all settled days of homes; held ones are in neither sum."""
    trading = evidence.trading
    settled = {key: evidence.profiles_wh[key] for key in trading.settlements}
    bills = sum(market_bill(settlement) for settlement in trading.settlements.values())
    grid_only = sum(grid_only_bill(profile_wh, trading.params) for profile_wh in settled.values())
    covered = [self_sufficiency_bps(_true_flows(evidence, day)) for day in evidence.days]
    return {
        "bills_eur": bills / EUR,
        "grid_only_bills_eur": grid_only / EUR,
        "saving_pct": saving_bps(settled.values(), grid_only, bills, trading.params) / 100,
        "self_sufficiency_pct": round(sum(covered) / len(covered) / 100, 2),
    }


def _true_flows(evidence: Evidence, day: int) -> dict[bytes, list[int]]:
    """What really flowed on a day, whatever two of the meters said: the village's autarky is a fact of nature."""
    return {
        home.meter.key.device_id: [evidence.bank.true_wh(home.meter.name, slot) for slot in slots_of_day(day)]
        for home in evidence.actors.homes
    }


def _cash(evidence: Evidence) -> dict[str, Any]:
    """Money in against money out and left, to the unit."""
    trading = evidence.trading
    cash_out = trading.withdraw_all()
    owners = [home.owner.address for home in evidence.actors.homes]
    accounts = sum(free + reserved for free, reserved in trading.market.balances(owners))
    left = accounts + trading.market.backstop(ZONE)[0]
    return {
        "cash_in": evidence.cash_in,
        "cash_out": cash_out,
        "cash_left": left,
        "cash_conserved": evidence.cash_in == cash_out + left and left == trading.held_in_market(),
    }


def _energy_conserved(evidence: Evidence, readings: pd.DataFrame) -> bool:
    """What flowed is what was attested, and what was attested is what was settled, in every slot and to the Wh."""
    trading = evidence.trading
    attested = {
        (str(meter), slot_of(int(start.timestamp()))): int(energy_wh)
        for meter, start, energy_wh in zip(readings["meter"], readings["slot_start"], readings["net_wh"], strict=True)
    }
    names = [home.meter.name for home in evidence.actors.homes]
    return (
        len(attested) == (len(names) + 1) * len(evidence.slots)
        and audit.attested_flows_balance(attested, evidence.bank, names)
        and audit.contracts_balance(trading.schedules, trading.clearings)
        and audit.settled_energy_adds_up(
            trading.settlements, trading.schedules, trading.clearings, evidence.profiles_wh
        )
    )


def _agreement(evidence: Evidence) -> dict[str, Any]:
    trading = evidence.trading
    wrong_slots = audit.clearing_errors(trading.clearings, trading.schedules, trading.params)
    wrong_rows = audit.settlement_errors(
        trading.settlements, trading.schedules, trading.clearings, evidence.profiles_wh, trading.params
    )
    return {
        "clearing_equals_brute_force": not wrong_slots and len(trading.clearings) == len(evidence.slots),
        "settlement_equals_reference": not wrong_rows,
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


def _readings(evidence: Evidence) -> pd.DataFrame:
    """Attested readings of the traded days with their scores, homes and feeder."""
    time_from, time_to = slot_start(evidence.slots.start), slot_start(evidence.slots.stop)
    rows = [
        (
            pd.Timestamp(row["time"], unit="s", tz="UTC"),
            meter.name,
            row["value"],
            row["score_bps"],
            row["channel"],
            row["reason"],
            row["score_bps"] > FLAG_SCORE_BPS,
        )
        for meter in evidence.actors.meters
        for row in evidence.delivery.attested_readings(meter, time_from, time_to)
    ]
    return pd.DataFrame(rows, columns=list(READING_COLUMNS))


def _flagged_devices(evidence: Evidence, readings: pd.DataFrame) -> list[dict[str, Any]]:
    """Meters with flagged readings or held days, most flagged first."""
    held = {device for device, _ in evidence.trading.held}
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


def _clearings(evidence: Evidence) -> pd.DataFrame:
    rows = []
    for slot, clearing in sorted(evidence.trading.clearings.items()):
        bids, offers = evidence.trading.market.book(ZONE, slot)
        start = pd.Timestamp(slot_start(slot), unit="s", tz="UTC")
        price = clearing.price_per_kwh / EUR
        rows.append((start, ZONE, clearing.tick, price, clearing.volume_wh, sum(bids), sum(offers)))
    return pd.DataFrame(rows, columns=list(CLEARING_COLUMNS))


def _settlements(evidence: Evidence) -> pd.DataFrame:
    rows = [_settlement_row(evidence, home, day) for day in evidence.days for home in evidence.actors.homes]
    return pd.DataFrame(rows, columns=list(SETTLEMENT_COLUMNS))


def _settlement_row(evidence: Evidence, home: Home, day: int) -> tuple[Any, ...]:
    key = (home.meter.key.device_id, day)
    settlement = evidence.trading.settlements.get(key)
    profile_wh = evidence.profiles_wh[key]
    date = pd.Timestamp(slot_start(slots_of_day(day).start), unit="s", tz="UTC").date().isoformat()
    identity = (date, home.meter.name, "0x" + key[0].hex(), home.owner.address, home.meter.kind.name.lower())
    grid_only = grid_only_bill(profile_wh, evidence.trading.params) / EUR
    if key in evidence.trading.held:
        return (*identity, "held", None, sum(profile_wh), None, None, None, None, grid_only)
    if settlement is None:
        return (*identity, "no orders", 0, sum(profile_wh), 0.0, -grid_only, 0.0, grid_only, grid_only)
    cash = (settlement.traded_cash, settlement.imbalance_cash, settlement.penalty_cash)
    return (
        *identity,
        "settled",
        settlement.contracted_wh,
        settlement.metered_wh,
        *(component / EUR for component in cash),
        market_bill(settlement) / EUR,
        grid_only,
    )


def _book(evidence: Evidence) -> BookSnapshot:
    """The book of the slot in which most was traded."""
    trading = evidence.trading
    slot = max(trading.clearings, key=lambda candidate: trading.clearings[candidate].volume_wh)
    bids, offers = trading.market.book(ZONE, slot)
    return BookSnapshot(
        slot_start=pd.Timestamp(slot_start(slot), unit="s", tz="UTC"),
        bids_wh=list(bids),
        offers_wh=list(offers),
        price_eur_per_kwh=[trading.params.price_of(tick) / EUR for tick in range(len(bids))],
        clearing_price_eur_per_kwh=trading.clearings[slot].price_per_kwh / EUR,
        volume_wh=trading.clearings[slot].volume_wh,
    )
