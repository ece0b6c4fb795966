"""The systemd units: systemd reads them, and what they start exists with its options and settings."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from gridwitness.cli import build_app
from gridwitness.cli.relay import RelaySettings
from gridwitness.cli.serving import STOP_S
from gridwitness.cli.settings import OracleSettings
from gridwitness.cli.toml_settings import TomlSettings
from gridwitness.cli.worker import WorkerSettings
from tests.integration.operations.promtool import ROOT

UNITS = sorted((ROOT / "ops").glob("*.service"))
SETTINGS: dict[str, type[TomlSettings]] = {"run": OracleSettings, "relay": RelaySettings, "worker": WorkerSettings}
PROGRAM = "/opt/gridwitness/bin/gridwitness"
# systemd before 254 names them and goes on without.
NEWER = re.compile(r"Unknown key( name)? '(RestartSteps|RestartMaxDelaySec)'")


def values(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)


def command_of(unit: Path) -> list[str]:
    (line,) = values(unit, "ExecStart")
    program, *words = shlex.split(line)
    assert program == PROGRAM
    return words


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_verify__systemd__has_no_complaint(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    assert analyze, "systemd-analyze is missing; on Debian and Ubuntu: apt-get install systemd"
    program = shutil.which("gridwitness")
    assert program, "the virtual environment's commands are not in PATH"
    text = unit.read_text(encoding="utf-8").replace(PROGRAM, program).replace("/opt/gridwitness/docs", f"{ROOT}/docs")
    named = tmp_path / unit.name.replace("@", "@one")
    named.write_text(text, encoding="utf-8")
    done = subprocess.run([analyze, "verify", str(named)], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if unit.stem.strip("@") in line and not NEWER.search(line)] == []
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_start__unit__is_a_command_with_its_options(unit: Path) -> None:
    command = typer.main.get_command(build_app())
    assert isinstance(command, TyperGroup)
    name, *options = command_of(unit)
    command.commands[name].make_context(name, options)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_set__environment__are_settings_of_the_command(unit: Path) -> None:
    settings = SETTINGS[command_of(unit)[0]]
    prefix = settings.model_config.get("env_prefix", "")
    given = [pair.partition("=")[0] for line in values(unit, "Environment") for pair in shlex.split(line)]
    ours = [name for name in given if name.startswith("GRIDWITNESS_")]
    assert ours
    assert {name.removeprefix(prefix).lower() for name in ours} <= settings.model_fields.keys()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_harden__unit__gains_nothing_and_writes_its_own_only(unit: Path) -> None:
    for key, value in {
        "DynamicUser": "yes",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "Restart": "always",
        "KillMode": "mixed",
    }.items():
        assert values(unit, key) == [value]
    assert set(values(unit, "ReadWritePaths")) <= {"-/run/lock"}
    # No secret is in the unit or in an environment: credentials are files.
    assert values(unit, "LoadCredential")
    assert not values(unit, "SetCredential")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_stop__unit__waits_longer_than_the_program_takes(unit: Path) -> None:
    (timeout,) = values(unit, "TimeoutStopSec")
    assert int(timeout) > 1.5 * STOP_S
