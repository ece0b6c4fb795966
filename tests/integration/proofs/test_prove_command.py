"""`gridwitness prove` asks running oracles, and `gridwitness verify` finds what they gave on chain."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gridwitness.chain.anvil import free_port
from gridwitness.cli import build_app
from gridwitness.domain.readings import SignedReading
from gridwitness.errors import GridwitnessError
from tests.integration.oracle.village import Oracle, Village, eventually


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(arguments), arguments)


def iso(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%MZ")


def attest_slot(committee: list[Oracle], village: Village, slot: int, seq: int) -> list[SignedReading]:
    """Every meter's reading of a slot, attested as batch `seq`."""
    village.pass_slot(slot)
    readings = village.sign_slot(slot)
    for oracle in committee:
        oracle.post(readings)
    for oracle in committee:
        eventually(lambda oracle=oracle: oracle.seq() >= seq or None, f"batch {seq}")
    return readings


def test_prove__attested_reading__verifies_until_the_range_moves_on_and_again_when_refreshed(
    committee: list[Oracle], village: Village, deployment: Path, tmp_path: Path
) -> None:
    for oracle in committee:
        oracle.start()
    for oracle in committee:
        oracle.await_live()
    slot = village.first_slot()
    reading = attest_slot(committee, village, slot, 1)[1].reading
    out = tmp_path / "proof.json"
    device = "0x" + reading.device_id.hex()
    prove = ["prove", "--url", committee[1].url, "--device", device, "--time", iso(reading.time), "--out", str(out)]
    verify = ["verify", str(out), "--rpc", village.chain.node.url, "--manifest", str(deployment)]
    proved = run(*prove)
    assert proved.exit_code == 0, proved.output
    assert json.loads(out.read_text())["statement"]["value"] == reading.value
    verified = run(*verify)
    assert (verified.exit_code, verified.output.count("✓")) == (0, 7), verified.output
    attest_slot(committee, village, slot + 1, 2)
    old = run(*verify)
    assert old.exit_code == 1
    assert "✗ the range proof is old: the stream grew from 1 to 2 batches since" in old.output
    assert run(*prove).exit_code == 0
    assert run(*verify).exit_code == 0


def test_prove__nothing_there__is_said_in_one_line(committee: list[Oracle], village: Village, tmp_path: Path) -> None:
    committee[0].start()
    committee[0].await_live()
    device = "0x" + village.meters[0].key.device_id.hex()
    common = ["prove", "--url", committee[0].url, "--device", device, "--out", str(tmp_path / "proof.json")]
    for options in (["--time", "2016-07-20T12:00Z"], ["--time", "2016-07-20T12:00Z", "--profile"]):
        error = run(*common, *options).exception
        assert isinstance(error, GridwitnessError)
        assert "\n" not in error.message
        assert error.message
    assert not (tmp_path / "proof.json").exists()


@pytest.mark.parametrize(
    ("device", "time", "message"),
    [
        ("0x12", "2016-07-20T12:00Z", "device '0x12' is not 0x and 64 hex digits"),
        ("0x" + "00" * 32, "noon", "time 'noon' is not ISO 8601"),
        ("0x" + "00" * 32, "2016-07-20T12:00", "time '2016-07-20T12:00' has no zone"),
        ("0x" + "00" * 32, "2016-07-20T12:00+02:00", "no oracle answers at http://127.0.0.1:"),
    ],
)
def test_prove__bad_option_or_no_oracle__is_said_in_one_line(device: str, time: str, message: str) -> None:
    error = run("prove", "--url", f"http://127.0.0.1:{free_port()}", "--device", device, "--time", time).exception
    assert isinstance(error, GridwitnessError)
    assert message in error.message
