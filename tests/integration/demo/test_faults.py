"""Bad input and bad luck: each ends in one line that names value and limit, and nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.keystore import write_keystore

from .conftest import ROOT, Run, command, hamlet_rows

START_TIMEOUT_S = 180


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The error a person sees: one line, perhaps a hint, and never a traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert lines[0].startswith("error: ")
    assert all(line.startswith("hint: ") for line in lines[1:])
    return lines[0]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda rows: rows.drop(columns="export_wh"), "export_wh"),
        (lambda rows: rows.assign(import_wh=rows["import_wh"].astype("float").where(rows.index != 5)), "import_wh"),
        (lambda rows: rows.assign(import_wh=rows["import_wh"].where(rows.index != 7, -3)), "-3"),
        (lambda rows: pd.concat([rows, rows.iloc[[9]]]), "twice"),
        (lambda rows: rows.drop(index=30), "no slot 2021-06-01T02:30:00Z"),
    ],
    ids=["missing column", "NaN", "negative energy", "duplicate slot", "missing slot"],
)
def test_demo__spoiled_community__is_refused_in_one_line(spoil, named, tmp_path: Path, gridwitness: Run) -> None:
    spoil(hamlet_rows()).to_csv(tmp_path / "rows.csv", index=False)
    out = tmp_path / "out"
    assert named in one_line(gridwitness("demo", "--community", str(tmp_path), "--out", str(out)))
    assert not out.exists()


def test_demo__local_time_with_a_daylight_saving_hour__is_refused_with_the_way_out(
    tmp_path: Path, gridwitness: Run
) -> None:
    utc = pd.date_range("2016-10-29T00:00", periods=3 * 96, freq="15min", tz="UTC")
    local = utc.tz_convert("Europe/Berlin").tz_localize(None)
    rows = [(start.isoformat(), meter, 100, 0) for start in local for meter in ("a", "b")]
    frame = pd.DataFrame(rows, columns=["slot_start", "meter", "import_wh", "export_wh"])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    done = gridwitness("demo", "--community", str(tmp_path), "--out", str(tmp_path / "out"))
    assert "2016-10-30T02:00:00Z twice" in one_line(done)
    assert "offset" in done.stderr


def test_demo__too_many_days__names_what_is_there(hamlet: Path, tmp_path: Path, gridwitness: Run) -> None:
    done = gridwitness("demo", "--community", str(hamlet), "--days", "9", "--out", str(tmp_path / "out"))
    assert "9 days" in one_line(done)


def test_demo__busy_port__names_it(tmp_path: Path, hamlet: Path, gridwitness: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = gridwitness("demo", "--community", str(hamlet), "--port", str(port), "--out", str(tmp_path / "out"))
    assert str(port) in one_line(done)


def test_demo__folder_of_somebody_else__is_left_alone(tmp_path: Path, hamlet: Path, gridwitness: Run) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    done = gridwitness("demo", "--community", str(hamlet), "--out", str(tmp_path))
    assert str(tmp_path) in one_line(done)
    assert (tmp_path / "thesis.txt").read_text() == "three years of work"


def test_run__wrong_chain_id__names_both(tmp_path: Path, gridwitness: Run) -> None:
    address = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    manifest = tmp_path / "1.json"
    contracts = {name: {"address": address, "block": 0} for name in ("DeviceRegistry", "DataAttestation")}
    manifest.write_text(json.dumps({"chain_id": 1, "contracts": contracts}))
    settings = tmp_path / "oracle.toml"
    with Anvil() as anvil:
        settings.write_text(_settings(tmp_path, anvil.url, manifest))
        line = one_line(gridwitness("run", "--config", str(settings)))
    assert "31337" in line
    assert "for 1" in line


def test_run__no_node__names_the_url(tmp_path: Path, gridwitness: Run) -> None:
    manifest = tmp_path / "31337.json"
    manifest.write_text(json.dumps({"chain_id": 31337, "contracts": {}}))
    settings = tmp_path / "oracle.toml"
    settings.write_text(_settings(tmp_path, "http://127.0.0.1:9", manifest))
    assert "http://127.0.0.1:9" in one_line(gridwitness("run", "--config", str(settings)))


def _settings(folder: Path, rpc_url: str, manifest: Path) -> str:
    password = folder / "password"
    password.write_text("test\n")
    write_keystore(folder / "keystore.json", (1).to_bytes(32, "big"), password, light=True)
    return "\n".join(
        [
            'name = "oracle-1"',
            f'data_dir = "{folder}"',
            f'rpc_url = "{rpc_url}"',
            f'manifest = "{manifest}"',
            "zone = 1",
            f'keystore = "{folder / "keystore.json"}"',
            f'password_file = "{password}"',
            'listen = "127.0.0.1:0"',
            "",
            "[[peers]]",
            'address = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"',
            'url = "http://127.0.0.1:1"',
        ]
    )


def test_demo__killed_and_started_again__leaves_nothing_behind_and_completes_both_days(
    hamlet: Path, tmp_path: Path, gridwitness: Run
) -> None:
    out = tmp_path / "out"
    arguments = ("demo", "--community", str(hamlet), "--days", "2", "--out", str(out))
    first = subprocess.Popen(command(*arguments), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _has_readings(out):
        assert first.poll() is None, "the first demo ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    while_running = gridwitness(*arguments)
    assert f"process {first.pid}" in one_line(while_running)
    first.send_signal(signal.SIGKILL)
    first.wait()
    _await_no_process_of(out)

    second = subprocess.Popen(command(*arguments, "--keep"), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert second.stdout is not None
    assert any("Ctrl-C ends the demo" in line for line in second.stdout)
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=30) == 0
    assert (out / "chain.json").stat().st_size > 0
    summary = json.loads((out / "summary.json").read_text())
    for check in ("cash_conserved", "energy_conserved", "backstop_covers", "clearing_equals_brute_force",
                  "settlement_equals_reference"):  # fmt: skip
        assert summary[check] is True, check
    assert summary["readings_proven"] == 200
    assert summary["meters"] == 3
    assert summary["slots_cleared"] == 2 * 96
    assert summary["schedules_final"] + summary["schedules_held"] == 2 * 3
    assert summary["schedules_final"] > 0
    assert summary["asset"]["meter"] == "farm"
    assert summary["asset"]["reconciles"] is True
    _await_no_process_of(out)


def _has_readings(out: Path) -> bool:
    return any(file.stat().st_size > 100_000 for file in out.glob("oracle-1/*.sqlite*"))


def _await_no_process_of(out: Path) -> None:
    """Every process that names the demo's folder on its command line must be gone soon."""
    deadline = time.monotonic() + 15
    while left := [line for line in _command_lines() if str(out) in line]:
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.1)


def _command_lines() -> list[str]:
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it may end meanwhile
            lines.append(file.read_text().replace("\0", " "))
    return lines
