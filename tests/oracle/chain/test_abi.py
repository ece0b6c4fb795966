"""The ABIs in the package are those of the contracts in this checkout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gridwitness.chain.abi import abi_of, custom_errors

TOOLCHAIN = Path(__file__).resolve().parents[3] / "toolchain"
sys.path.insert(0, str(TOOLCHAIN))

from export_abi import (  # noqa: E402
    FOLDER,
    VERSIONS,
    compile_abis,
    read_versions,
    stale_files,
    unversioned_changes,
)


def test_export_abi__fresh_compile__equals_what_is_committed() -> None:
    assert stale_files() == []


def test_export_abi__file_changed_or_unknown__is_named(tmp_path: Path) -> None:
    for file in FOLDER.glob("*.json"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "IDeviceRegistry.json").write_text("[]")
    (tmp_path / "SafeCast.json").unlink()
    (tmp_path / "IForgotten.json").write_text("[]")
    assert stale_files(tmp_path) == ["IDeviceRegistry.json", "IForgotten.json", "SafeCast.json"]


def test_version__abi_of_this_checkout__is_the_one_that_had_it() -> None:
    assert read_versions(compile_abis()) == json.loads(VERSIONS.read_text())


def test_version__abi_changed_under_the_same_number__is_named() -> None:
    known = json.loads(VERSIONS.read_text())
    fresh = read_versions({f"{name}.json": "[]" for name in known})
    assert unversioned_changes(fresh, known) == list(fresh)
    newer = {name: {**entry, "version": "2.0.0"} for name, entry in fresh.items()}
    assert unversioned_changes(newer, known) == []


def test_load_abi__every_contract__has_its_calls() -> None:
    calls = {
        "DeviceRegistry": "register",
        "DataAttestation": "attest",
        "EnergyMarket": "settle",
        "EuroToken": "permit",
    }
    for contract, call in calls.items():
        assert call in {entry.get("name") for entry in abi_of(contract)}


def test_collect_errors__all_abis__are_there_once() -> None:
    names = [error["name"] for error in custom_errors()]
    assert {"PossessionNotProven", "ThresholdNotMet", "GateClosed", "ERC20InsufficientBalance"} <= set(names)
    assert len(names) == len(set(names))
