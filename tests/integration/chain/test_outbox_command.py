"""`gridwitness outbox` beside an outbox that is open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner, Result

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain
from gridwitness.chain.outbox_store import OutboxState
from gridwitness.cli import build_app
from gridwitness.errors import GridwitnessError
from tests.integration.chain.outbox_scene import OpenOutbox, state_of
from tests.integration.chain.parties import supply


def run(*arguments: str, folder: Path) -> Result:
    command = ["outbox", *arguments, "--data-dir", str(folder)]
    return CliRunner().invoke(build_app(command), command)


def test_list__queued_under_way_and_final__shows_what_is_not_done(
    anvil: Anvil, open_outbox: OpenOutbox, mint: Any, tmp_path: Path
) -> None:
    outbox = open_outbox()
    outbox.enqueue("done", *mint(1))
    outbox.step()
    outbox.step()
    anvil.node.rpc("evm_setAutomine", False)
    outbox.enqueue("under way", *mint(1))
    outbox.step()
    result = run("list", "--json", folder=tmp_path)
    assert result.exit_code == 0, result.output
    listed = json.loads(result.output)
    assert listed["halted"] == ""
    assert [(row["key"], row["state"], row["nonce"]) for row in listed["transactions"]] == [("under way", "sent", 1)]
    assert [
        row["key"] for row in json.loads(run("list", "--all", "--json", folder=tmp_path).output)["transactions"]
    ] == [
        "done",
        "under way",
    ]
    assert "under way" in run("list", folder=tmp_path).output


def test_cancel_and_retry__running_outbox__does_so_at_its_next_step(
    chain: Chain, open_outbox: OpenOutbox, mint: Any, tmp_path: Path
) -> None:
    outbox = open_outbox()
    outbox.enqueue("a", *mint(5))
    assert run("cancel", "a", folder=tmp_path).exit_code == 0
    outbox.step()
    assert (state_of(outbox, "a"), supply(chain)) == (OutboxState.FAILED, 0)
    assert run("retry", "a", folder=tmp_path).exit_code == 0
    outbox.step()
    outbox.step()
    assert (state_of(outbox, "a"), supply(chain)) == (OutboxState.FINAL, 5)


def test_resume__halted__exit_code_tells_and_sending_goes_on(
    chain: Chain,
    anvil: Anvil,
    open_outbox: OpenOutbox,
    mint: Any,
    token: Any,
    transmitter: LocalAccount,
    tmp_path: Path,
) -> None:
    outbox = open_outbox()
    outbox.step()
    Chain(anvil.url, chain.manifest).transact(transmitter, token.functions.mint(transmitter.address, 100))
    outbox.step()
    listed = run("list", folder=tmp_path)
    assert (listed.exit_code, "halted: nonce 0" in listed.output.replace("\n", " ")) == (1, True), listed.output
    assert run("resume", folder=tmp_path).exit_code == 0
    outbox.step()
    assert run("list", folder=tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("retry", "nothing"), "no transaction has the key 'nothing'"),
        (("retry", "a"), "a is final; only one that failed can be retried"),
        (("cancel", "a"), "a is final; only what is queued or under way can be cancelled"),
        (("resume",), "sending is not halted"),
    ],
)
def test_ask__what_cannot_be_done__is_refused_in_one_line(
    open_outbox: OpenOutbox, mint: Any, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    outbox = open_outbox()
    outbox.enqueue("a", *mint(5))
    outbox.step()
    outbox.step()
    error = run(*arguments, folder=tmp_path).exception
    assert isinstance(error, GridwitnessError)
    assert error.message == message


def test_list__no_outbox__is_said(tmp_path: Path) -> None:
    error = run("list", folder=tmp_path).exception
    assert isinstance(error, GridwitnessError)
    assert "not found" in error.message
