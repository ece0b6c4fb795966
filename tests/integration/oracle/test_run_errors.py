"""What `gridwitness run` says when it cannot start: one line, a hint, exit code 2."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridwitness.chain.anvil import free_port
from tests.integration.oracle.village import Oracle, start_all


def _run(config: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "gridwitness", "run", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


@pytest.fixture
def config(committee: list[Oracle]) -> Path:
    return committee[0].folder / "oracle.toml"


def _change(config: Path, **values: object) -> None:
    lines = config.read_text().splitlines()
    for name, value in values.items():
        lines = [f"{name} = {json.dumps(value)}" if line.startswith(f"{name} =") else line for line in lines]
    config.write_text("\n".join(lines))


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def _assert_one_line(code: int, errors: str, words: str) -> None:
    first, *rest = errors.strip().splitlines()
    assert code == 2
    assert first.startswith("error: ")
    assert words in first
    assert all(line.startswith("hint: ") for line in rest)
    assert len(rest) <= 1


def test_run__busy_port__names_it(config: Path, busy_port: int) -> None:
    _change(config, listen=f"127.0.0.1:{busy_port}")
    _assert_one_line(*_run(config), f"cannot listen on 127.0.0.1:{busy_port}: Address already in use")


def test_run__no_node__names_the_url(config: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    _change(config, rpc_url=url)
    _assert_one_line(*_run(config), url)


def test_run__manifest_of_another_chain__names_both(config: Path, deployment: Path) -> None:
    deployment.write_text(deployment.read_text().replace('"chain_id": 31337', '"chain_id": 11155111'))
    _assert_one_line(*_run(config), "is chain 31337")


def test_run__wrong_password__says_so(config: Path) -> None:
    (config.parent / "password").write_text("another\n")
    _assert_one_line(*_run(config), "wrong password")


def test_run__log_in_use_by_another_oracle__is_refused(committee: list[Oracle], config: Path) -> None:
    start_all(committee[:1])
    _change(config, listen="127.0.0.1:0")
    _assert_one_line(*_run(config), "is in use by another process")


def test_run__sigterm__ends_well(committee: list[Oracle]) -> None:
    start_all(committee[:1])
    assert committee[0].stop() == 0
    assert '"event": "oracle_stopped"' in committee[0].log()
