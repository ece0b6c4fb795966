"""The committed snapshot of gas and bytecode size, and the one fixture that compares with it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

SNAPSHOT = Path(__file__).with_name("gas.json")
TOLERANCE = 0.01


@dataclass(frozen=True)
class Spending:
    """What a call costs: gas of the whole transaction and bytes of its calldata (per part, if it has several)."""

    gas: int
    calldata_bytes: int


class GasRecord:
    """Compares the calls of one contract with the snapshot.

    `record.compare("EnergyMarket", {"clear/10": record.of(receipt), ...})` fails on a drift beyond 1 %, on a call that
    the snapshot lacks, and on one it has of the same function that was not measured. GRIDWITNESS_WRITE_GAS=1
    writes what was measured as well, so that the next run passes and the difference is there to commit.
    """

    def __init__(self, project: Any) -> None:
        self._project = project

    @staticmethod
    def spending(gas: int, calldata_bytes: int) -> Spending:
        """Spending measured otherwise than by receipt."""
        return Spending(gas, calldata_bytes)

    @staticmethod
    def of(receipt: Any, parts: int = 1) -> Spending:
        """Spending of one receipt, divided by `parts` (rows, slots, …) and rounded up."""
        return Spending(-(-receipt.gas_used // parts), -(-len(receipt.data) // parts))

    @staticmethod
    def mean(receipts: list[Any]) -> Spending:
        """Mean spending of several receipts, rounded up."""
        count = len(receipts)
        return Spending(
            -(-sum(receipt.gas_used for receipt in receipts) // count),
            -(-sum(len(receipt.data) for receipt in receipts) // count),
        )

    def compare(self, contract: str, measured: Mapping[str, Spending]) -> None:
        """Compare all calls of some functions of `contract`, and its runtime bytecode size, with the snapshot."""
        functions = {call.partition("/")[0] for call in measured}
        calls = {f"{contract}.{call}": asdict(spending) for call, spending in measured.items()}
        code = getattr(self._project, contract).contract_type.runtime_bytecode.bytecode
        size = len(code.removeprefix("0x")) // 2
        prefixes = tuple(f"{contract}.{function}/" for function in functions)
        with SNAPSHOT.open(encoding="utf-8") as kept_file:
            fcntl.flock(kept_file, fcntl.LOCK_EX)  # other test processes may read and write it too
            snapshot = json.load(kept_file)
            kept = {key: call for key, call in snapshot["calls"].items() if f"{key}/".startswith(prefixes)}
            if os.environ.get("GRIDWITNESS_WRITE_GAS") == "1":
                others = {key: call for key, call in snapshot["calls"].items() if key not in kept}
                write_snapshot(others | calls, snapshot["bytecode"] | {contract: size})
        assert calls.keys() == kept.keys()
        drifts = [
            f"{key} {unit}: {value} measured, {kept[key][unit]} in gas.json"
            for key, call in calls.items()
            for unit, value in call.items()
            if drifted(value, kept[key][unit])
        ]
        if drifted(size, snapshot["bytecode"].get(contract, 0)):
            drifts.append(f"{contract} bytecode: {size} measured, {snapshot['bytecode'].get(contract)} in gas.json")
        assert not drifts, "\n".join([*drifts, "if meant: make gas, and commit gas.json"])


def drifted(value: int, kept: int) -> bool:
    """Whether a value left the tolerance around the one kept."""
    return abs(value - kept) > TOLERANCE * kept


def write_snapshot(calls: Mapping[str, dict[str, int]], bytecode: Mapping[str, int]) -> None:
    """Write gas.json, keys sorted."""
    content = {"calls": dict(sorted(calls.items())), "bytecode": dict(sorted(bytecode.items()))}
    SNAPSHOT.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def execution_gas(contract: Any, calldata: bytes) -> int:
    """Gas of a call's own steps: without the 21,000 of a transaction, its calldata and the floor on calldata."""
    call = {"to": contract.address, "data": "0x" + calldata.hex()}
    steps = contract.provider.make_request("debug_traceCall", [call, "latest", {}])["structLogs"]
    return int(steps[0]["gas"] - steps[-1]["gas"] + steps[-1]["gasCost"])


@pytest.fixture(scope="session")
def gas_record(project: Any) -> GasRecord:
    """The snapshot to compare with."""
    return GasRecord(project)
