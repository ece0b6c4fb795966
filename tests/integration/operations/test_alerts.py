"""The alert rules as Prometheus reads them: each fires on its trouble, none on an oracle that is well."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.operations.promtool import ROOT, promtool

RULES = ROOT / "ops/alerts.yml"
MANUAL = ROOT / "docs/operator.md"
WELL = {
    "gridwitness_up": "1",
    "gridwitness_ready": "1",
    "up": "1",
    "gridwitness_oldest_unattested_reading_age_seconds": "900",
    "gridwitness_challenge_alarms": "0",
    "gridwitness_challenges_open": "0",
    "gridwitness_outbox_halted": "0",
    'gridwitness_stream_marks{stream="readings"}': "0",
    'gridwitness_stream_stuck{stream="readings"}': "0",
    "gridwitness_disk_free_bytes": "5e10",
    'gridwitness_log_sync_duration_seconds_bucket{le="0.5"}': "+10",
    'gridwitness_log_sync_duration_seconds_bucket{le="1"}': "+10",
    'gridwitness_log_sync_duration_seconds_bucket{le="+Inf"}': "+10",
    'gridwitness_http_request_duration_seconds_count{method="POST", route="/v1/readings", status="200"}': "+10",
    'gridwitness_http_request_duration_seconds_count{method="POST", route="/v1/readings", status="503"}': "0",
    "gridwitness_readings_accepted_total": "+1000",
    'gridwitness_readings_rejected_total{reason="replayed_counter"}': "+10",
    "gridwitness_readings_attested_total": "+1000",
    "gridwitness_readings_flagged_total": "+10",
    "gridwitness_verify_worker_restarts_total": "0",
    "gridwitness_mqtt_connected": "1",
    "gridwitness_nats_connected": "1",
    'gridwitness_nats_stream_messages{stream="GRIDWITNESS_READINGS"}': "5",
    'gridwitness_worker_lied{worker="w1"}': "0",
    'gridwitness_member_failures_total{member="0xA", kind="wrong_digest"}': "0",
    'gridwitness_member_failures_total{member="0xA", kind="no_answer"}': "+1",
    'gridwitness_member_signatures_total{member="0xA"}': "+1",
    'gridwitness_rpc_usable{node="http://a"}': "1",
    'gridwitness_rpc_usable{node="http://b"}': "1",
    "gridwitness_chain_head_age_seconds": "12",
    "gridwitness_outbox_oldest_in_flight_age_seconds": "20",
    'gridwitness_outbox_intents{state="failed"}': "3",
    "gridwitness_fee_cap_headroom_ratio": "0.8",
    "gridwitness_account_runway_seconds": "8e6",
    "gridwitness_account_balance_wei": "1e18",
    'gridwitness_batches_reorganised_total{stream="readings"}': "0",
    "gridwitness_dry_run": "0",
    "gridwitness_relay_oldest_waiting_age_seconds": "30",
}
# What makes each alert fire: series in place of those above; None where there are none.
TROUBLE: dict[str, dict[str, str] | None] = {
    "GridwitnessReadingsNotAttested": {"gridwitness_oldest_unattested_reading_age_seconds": "1900"},
    "GridwitnessNotReady": {"gridwitness_ready": "0"},
    "GridwitnessDown": {"up": "0"},
    "GridwitnessNotScraped": None,
    "GridwitnessBondInDanger": {"gridwitness_challenge_alarms": "1"},
    "GridwitnessSendingHalted": {"gridwitness_outbox_halted": "1"},
    "GridwitnessStreamConvicted": {'gridwitness_stream_marks{stream="readings"}': "0x90 1x400"},
    "GridwitnessFactsUnreadable": {"gridwitness_up": "0"},
    "GridwitnessDiskFillsUp": {"gridwitness_disk_free_bytes": "5e10-1e8x400"},
    "GridwitnessDiskSlow": {
        'gridwitness_log_sync_duration_seconds_bucket{le="0.5"}': "0+1x400",
        'gridwitness_log_sync_duration_seconds_bucket{le="1"}': "0+10x400",
    },
    "GridwitnessSendersHeldOff": {
        'gridwitness_http_request_duration_seconds_count{method="POST", route="/v1/readings", status="503"}': "0+1x400"
    },
    "GridwitnessReadingsRefused": {'gridwitness_readings_rejected_total{reason="replayed_counter"}': "0+100x400"},
    "GridwitnessVerifyingProcessesDie": {"gridwitness_verify_worker_restarts_total": "0+1x400"},
    "GridwitnessBrokerLost": {"gridwitness_nats_connected": "0"},
    "GridwitnessWorkersBehind": {'gridwitness_nats_stream_messages{stream="GRIDWITNESS_READINGS"}': "2000"},
    "GridwitnessWorkerLied": {'gridwitness_worker_lied{worker="w1"}': "1"},
    "GridwitnessStreamStuck": {'gridwitness_stream_stuck{stream="readings"}': "1"},
    "GridwitnessMemberDisagrees": {
        'gridwitness_member_failures_total{member="0xA", kind="wrong_digest"}': "0x110 1x400"
    },
    "GridwitnessMemberSilent": {'gridwitness_member_signatures_total{member="0xA"}': "7"},
    "GridwitnessNoNode": {
        'gridwitness_rpc_usable{node="http://a"}': "0",
        'gridwitness_rpc_usable{node="http://b"}': "0",
    },
    "GridwitnessNodeUnusable": {'gridwitness_rpc_usable{node="http://b"}': "0"},
    "GridwitnessChainStandsStill": {"gridwitness_chain_head_age_seconds": "400"},
    "GridwitnessTransactionStuck": {"gridwitness_outbox_oldest_in_flight_age_seconds": "900"},
    "GridwitnessTransactionsFail": {'gridwitness_outbox_intents{state="failed"}': "3x100 5x400"},
    "GridwitnessFeeCapReached": {"gridwitness_fee_cap_headroom_ratio": "-0.5"},
    "GridwitnessMoneyRunsLow": {"gridwitness_account_runway_seconds": "300000"},
    "GridwitnessMoneyGone": {"gridwitness_account_balance_wei": "0"},
    "GridwitnessBatchesReorganised": {'gridwitness_batches_reorganised_total{stream="readings"}': "0+1x400"},
    "GridwitnessChallengeOpen": {"gridwitness_challenges_open": "2"},
    "GridwitnessManyReadingsFlagged": {"gridwitness_readings_flagged_total": "0+90x400"},
    "GridwitnessDryRun": {"gridwitness_dry_run": "1"},
    "GridwitnessSchedulesWait": {"gridwitness_relay_oldest_waiting_age_seconds": "700"},
}
# Two hours of a sample a minute; asked at their end.
MINUTES = 120


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def anchors(manual: Path) -> set[str]:
    """Anchors of headings, as Git hosts make them."""
    headings = re.findall(r"^#+ (.+)$", manual.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _series(selector: str, values: str) -> dict[str, str]:
    name, _, labels = selector.partition("{")
    common = 'instance="o1", job="gridwitness"'
    if "x" not in values:
        values = f"0{values}x{MINUTES}" if values.startswith("+") else f"{values}x{MINUTES}"
    return {"series": f"{name}{{{labels.removesuffix('}') + ', ' if labels else ''}{common}}}", "values": values}


def _case(changes: dict[str, str] | None, expected: list[str]) -> dict[str, Any]:
    """A test of promtool: which of the alerts named, or of all if none is, fire after two hours."""
    series = {} if changes is None else WELL | changes
    named = f'alertname="{expected[0]}", ' if expected else ""
    return {
        "interval": "1m",
        "input_series": [_series(selector, values) for selector, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count by (alertname) (ALERTS{{{named}alertstate="firing"}})',
                "eval_time": f"{MINUTES}m",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in expected],
            }
        ],
    }


def _run(folder: Path, *cases: dict[str, Any]) -> str:
    """What promtool complains about; empty if nothing."""
    file = folder / "cases.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [*cases]}))
    done = promtool("test", "rules", str(file))
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_check__all_rules__are_good_promql() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout


def test_fire__each_alert__on_its_trouble(tmp_path: Path) -> None:
    assert _run(tmp_path, *(_case(changes, [name]) for name, changes in TROUBLE.items())) == ""


def test_fire__all_is_well__is_quiet(tmp_path: Path) -> None:
    assert _run(tmp_path, _case({}, [])) == ""


def test_fire__expected_and_absent__fails_the_test_itself(tmp_path: Path) -> None:
    assert "GridwitnessNotReady" in _run(tmp_path, _case({}, ["GridwitnessNotReady"]))


def test_list__troubles__are_those_of_all_alerts() -> None:
    assert [rule["alert"] for rule in rules()] == list(TROUBLE)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_describe__alert__says_what_it_means_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "warn")
    assert {"summary", "means", "runbook"} <= rule["annotations"].keys()
    document, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor in anchors(ROOT / document)


def test_list__alerts_of_the_manual__are_those_of_the_rules() -> None:
    named = re.findall(r"^#+ (Gridwitness[A-Z]\w+)$", MANUAL.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(named) == sorted(TROUBLE)
