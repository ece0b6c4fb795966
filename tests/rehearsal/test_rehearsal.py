"""The rehearsal, short enough for every run of the tests, and that what judges it finds what is wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import ape
import pytest

from scripts._artefacts import load_artefacts
from tests.rehearsal.changes import CHANGES
from tests.rehearsal.doomed import AllBut, DoomedApe
from tests.rehearsal.nodes import CHAINS, GENESIS_TIME, AnvilChain
from tests.rehearsal.rehearse import DELAY_S, DEPLOY, HANDOVER, ROOT, Rehearsal, Stage, environment
from tests.rehearsal.standing import Standing, same_but_for_time, stripped

SHORT = ("the deployer is admin again", "one byte of code", "an immutable")
STANDING = Standing(
    manifest={"contracts": {"A": {"address": "0x01"}}},
    code={"0x01": "0x60"},
    storage={"0x01": {"0x0": 7}},
    nonces={"0x02": 3},
)


def test_rehearsal__short__passes_on_both_nodes(tmp_path: Path) -> None:
    artefacts = load_artefacts(ape.project)
    changes = tuple(change for change in CHANGES if change.name in SHORT)
    assert len(changes) == len(SHORT)
    rehearsals = [
        Rehearsal(chain, artefacts, tmp_path / chain.kind, every=26, changes=changes, clean=False) for chain in CHAINS
    ]
    with ThreadPoolExecutor(len(rehearsals)) as pool:
        findings = [finding for found in pool.map(Rehearsal.run, rehearsals) for finding in found]
    assert [f"{one.node}: {one.what}: {one.outcome}" for one in findings if not one.passed] == []
    assert len(findings) == len(CHAINS) * (5 + len(changes))


def test_handover__killed_before_its_roles_are_noted__is_noted_by_the_next_run(tmp_path: Path) -> None:
    with AnvilChain(tmp_path / "node.log") as chain:
        stage = Stage(chain, tmp_path)
        stage.run(*DEPLOY)
        stage.run(*HANDOVER)
        chain.forward(DELAY_S + 1)
        step = AllBut("before recording: roles.DeviceRegistry")
        script = DoomedApe(
            stage.arguments(*HANDOVER), ROOT, environment(), stage.log(), step, tmp_path / "last-words", every=1
        )
        script.communicate()
        assert script.returncode == -9
        timelock = stage.manifest["governance"]["admin"]
        assert len(stage.manifest["roles"]["DeviceRegistry"]["DEFAULT_ADMIN_ROLE"]) == 2
        stage.run(*HANDOVER)
        for contract in ("DeviceRegistry", "EnergyMarket", "Passports"):
            assert stage.manifest["roles"][contract]["DEFAULT_ADMIN_ROLE"] == [timelock]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (replace(STANDING, manifest={"contracts": {"A": {"address": "0x03"}}}), "manifest: contracts.A.address"),
        (replace(STANDING, code={"0x01": "0x61"}), "code at 0x01"),
        (replace(STANDING, code={"0x01": "0x60", "0x09": "0x60"}), "code at 0x09"),
        (replace(STANDING, storage={"0x01": {"0x0": 8}}), "storage of 0x01 at 0x0: 0x7 and 0x8"),
        (replace(STANDING, storage={"0x01": {"0x0": 7, "0x1": 1}}), "storage of 0x01 at 0x1: 0x0 and 0x1"),
        (replace(STANDING, nonces={"0x02": 4}), "nonces: "),
    ],
)
def test_differences__one_thing_other__is_named(other: Standing, named: str) -> None:
    (difference,) = STANDING.differences(other)
    assert difference.startswith(named)


def test_differences__what_was_never_written_and_what_is_zero__are_the_same() -> None:
    assert STANDING.differences(replace(STANDING, storage={"0x01": {"0x0": 7, "0x1": 0}})) == []


def test_same_but_for_time__times_of_the_chain_in_one_field__are_the_same_and_all_else_is_not() -> None:
    term = (GENESIS_TIME + 5 << 32) | 1
    assert same_but_for_time(term, (GENESIS_TIME + 900 << 32) | 1)
    assert not same_but_for_time(term, (GENESIS_TIME + 900 << 32) | 2)
    assert not same_but_for_time(term, (GENESIS_TIME - 1 << 32) | 1)
    assert not same_but_for_time(term, 1)


def test_stripped__manifest__keeps_addresses_and_arguments_and_drops_what_passes() -> None:
    entry = {"address": "0x01", "arguments": [1], "block": 3, "transaction": "0x02", "source_commit": "ab"}
    assert stripped({"contracts": {"A": entry}}) == {"contracts": {"A": {"address": "0x01", "arguments": [1]}}}
