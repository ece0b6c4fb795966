"""What the demo must show on the bundled village, read from the files it leaves behind."""

from __future__ import annotations

import json
import re

import pandas as pd

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.assets import Asset
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.service.demo.meters import REPORTED_PERCENT, MeterBank, choose_faults
from gridwitness.service.demo.result import BILL_LINES, CLEARING_COLUMNS, SETTLEMENT_COLUMNS
from gridwitness.sources.community import load_community

from .conftest import ROOT, FinishedDemo, Run

SEED = 1


def culprits() -> tuple[str, str]:
    """The two meters that misbehave for the demo's seed, found again from the data."""
    community = load_community(ROOT / "data" / "simbench-rural1")
    days = community.choose_days(1)
    span = range(days.history.start, days.trade.stop)
    bank = MeterBank(
        {meter: community.days_wh(meter, span).reshape(-1) for meter in community.meters}, span.start * 96, SEED
    )
    faults = choose_faults(bank.true_wh, community.meters, days.trade.start * 96, SEED)
    return faults.underreporting, faults.frozen


def test_demo__village_day__every_reading_is_accepted_attested_and_provable(village_day: FinishedDemo) -> None:
    summary = village_day.summary
    meters = summary["meters"] + 1  # the feeder has one too
    assert summary["days"] == 1
    assert summary["readings_signed"] == meters * 4 * 96  # three days of history, one traded
    assert summary["readings_accepted"] == summary["readings_signed"]
    assert summary["readings_rejected"] == 0
    assert summary["readings_proven"] == 200
    assert summary["batches_attested"] > 96


# INV-M1
def test_demo__village_day__money_and_energy_are_conserved_to_the_unit(village_day: FinishedDemo) -> None:
    summary = village_day.summary
    assert summary["cash_in"] == summary["cash_out"] + summary["cash_left"]
    assert summary["cash_conserved"] is True
    assert summary["energy_conserved"] is True
    assert summary["backstop_covers"] is True
    assert 0 < summary["most_exposed"] < summary["balance_when_most_exposed"]


# INV-M4
def test_demo__village_day__clearing_equals_brute_force_and_settlement_the_reference(
    village_day: FinishedDemo,
) -> None:
    summary = village_day.summary
    assert summary["slots_cleared"] == 96
    assert summary["clearing_equals_brute_force"] is True
    assert summary["settlement_equals_reference"] is True
    assert summary["schedules_final"] + summary["schedules_held"] == summary["meters"]
    assert summary["traded_wh"] > 10_000


def test_demo__village_day__a_dispute_without_a_correction_costs_the_doubter_the_bond(
    village_day: FinishedDemo,
) -> None:
    (dispute,) = village_day.summary["disputes"]
    assert dispute["upheld"] is False and dispute["bond_eur"] > 0
    settlements = pd.read_csv(village_day.out / "settlements.csv").set_index("meter")
    assert settlements.loc[dispute["meter"], "status"] == "final"
    assert settlements["bill_eur"].idxmin() == dispute["meter"]


def test_demo__village_day__both_culprits_are_flagged_and_held_and_nobody_else(village_day: FinishedDemo) -> None:
    summary = village_day.summary
    held = {device["meter"] for device in summary["flagged_devices"] if device["held"]}
    assert held == set(culprits())
    assert summary["flagged_share_of_honest_pct"] <= 2
    settlements = pd.read_csv(village_day.out / "settlements.csv")
    assert set(settlements.loc[settlements["status"] == "held", "meter"]) == set(culprits())
    reasons = {device["meter"]: device["reason"] for device in summary["flagged_devices"]}
    underreporting, frozen = culprits()
    assert reasons[frozen].startswith("stuck at")
    assert (share := re.search(r"about (\d+) %", reasons[underreporting])) is not None
    assert abs(int(share[1]) - REPORTED_PERCENT) <= 10


def test_demo__village_day__the_community_saves_money(village_day: FinishedDemo) -> None:
    summary = village_day.summary
    assert summary["bills_eur"] < summary["grid_only_bills_eur"]
    assert summary["saving_pct"] > 0
    assert 0 < summary["self_sufficiency_pct"] < 100


def test_demo__village_day__tables_agree_with_the_summary(village_day: FinishedDemo) -> None:
    clearings = pd.read_csv(village_day.out / "clearings.csv")
    settlements = pd.read_csv(village_day.out / "settlements.csv")
    assert tuple(clearings.columns) == CLEARING_COLUMNS
    assert tuple(settlements.columns) == SETTLEMENT_COLUMNS
    assert clearings["volume_wh"].sum() == village_day.summary["traded_wh"]
    settled = settlements[settlements["status"] == "final"]
    for line, amount in village_day.summary["bill_lines_eur"].items():
        assert abs(settled[f"{line}_eur"].sum() + amount) < 1e-6
    assert (settled["bill_eur"] + settled[[f"{line}_eur" for line in BILL_LINES]].sum(axis=1)).abs().max() < 1e-6
    assert abs(settled["bill_eur"].sum() - village_day.summary["bills_eur"]) < 1e-6
    assert abs(settled["grid_only_bill_eur"].sum() - village_day.summary["grid_only_bills_eur"]) < 1e-6
    assert len(settlements) == village_day.summary["meters"]


# INV-S9
def test_demo__village_day__shares_are_paid_what_the_market_settled_for_their_plant(village_day: FinishedDemo) -> None:
    asset = village_day.summary["asset"]
    settled = pd.read_csv(village_day.out / "settlements.csv").set_index("meter").loc[asset["meter"]]
    assert (settled["status"], settled["account"]) == ("final", asset["address"])
    assert asset["days_paid"] == [settled["day"]] and asset["unpaid"] == ""
    lines = ("traded", "grid", "imbalance", "penalty")
    assert asset["revenue"] == sum(round(settled[f"{line}_eur"] * 1_000_000) for line in lines) > 0
    assert asset["from_sales"] == sum(round(settled[f"{line}_eur"] * 1_000_000) for line in lines[:2])
    assert (asset["sold_wh"], asset["attested_wh"]) == (-settled["contracted_wh"], -settled["metered_wh"])
    assert 0 < asset["sold_wh"] <= asset["attested_wh"]
    assert 0 <= asset["revenue"] - asset["claimed"] <= asset["holders"]
    assert asset["reconciles"] is True
    assert asset["meter"] not in culprits()


def test_demo__village_day__twelve_holders_of_three_countries_trade_and_a_rule_refuses_a_fourth(
    village_day: FinishedDemo,
) -> None:
    asset = village_day.summary["asset"]
    places = asset["holders_by_country"]
    assert (asset["holders"], len(places)) == (12, 3)
    assert sum(place["holders"] for place in places) == 12
    assert sum(place["shares"] for place in places) == asset["shares"] == 10_000
    assert sum(place["claimed"] for place in places) == asset["claimed"]
    assert len(asset["fills"]) == 4 and any(fill["from"] != fill["to"] for fill in asset["fills"])
    assert asset["refused"] == [{"buyer_from": "the United States", "rule": "country", "value": 840}]
    printed = " ".join(village_day.printed.replace("│", " ").split())
    assert "the shares' rules do not accept its country (840)" in printed
    assert f"{asset['eur_per_share']:.6f} a share" in printed


def test_demo__village_day__gas_of_every_kind_of_call_and_time_of_every_phase_is_told(
    village_day: FinishedDemo,
) -> None:
    gas = village_day.summary["gas"]
    for kind in ("DeviceRegistry.register/p256", "DeviceRegistry.activate/p256", "DataAttestation.attest/readings",
                 "EnergyMarket.submit", "EnergyMarket.clear", "EnergyMarket.settle", "EnergyMarket.dispute",
                 "EnergyMarket.finalize", "AssetFactory.create", "ShareMarket.fill", "AssetShares.fundRevenue",
                 "AssetShares.claim"):  # fmt: skip
        assert gas[kind]["calls"] > 0
        assert gas[kind]["mean"] == round(gas[kind]["total"] / gas[kind]["calls"])
    assert {"deploy", "deliver", "end", "total"} <= set(village_day.summary["wall_s"])


def test_demo__village_day__report_stands_alone(village_day: FinishedDemo) -> None:
    html = (village_day.out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']https?://""", html)
    for meter in culprits():
        assert meter in html
    assert "report.html" in village_day.printed


def test_demo__finished__its_chain_opens_again_and_its_proof_verifies(
    village_day: FinishedDemo, gridwitness: Run
) -> None:
    manifest = village_day.out / "31337.json"
    with Anvil(state_file=village_day.out / "chain.json") as anvil:
        arguments = ("--rpc", anvil.url, "--manifest", str(manifest))
        done = gridwitness("verify", str(village_day.out / "proof.json"), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr

        asset = village_day.summary["asset"]
        proof_of_asset = Asset(Chain(anvil.url, Manifest.load(manifest)), asset["address"]).proof()
        assert (proof_of_asset.revenue, proof_of_asset.sold_wh) == (asset["revenue"], asset["sold_wh"])
        assert (proof_of_asset.supply, proof_of_asset.plants) == (asset["shares"], 1)

        proof = json.loads((village_day.out / "proof.json").read_text())
        proof["leaf"]["fields"][4] = str(int(proof["leaf"]["fields"][4]) + 1)
        proof["statement"]["value"] += 1
        tampered = village_day.out / "tampered.json"
        tampered.write_text(json.dumps(proof))
        refused = gridwitness("verify", str(tampered), *arguments)
        assert refused.returncode == 1
        assert "device" in refused.stdout + refused.stderr
