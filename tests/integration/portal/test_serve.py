"""`gridwitness serve`, as a person runs it: the last demo's page, and what it says when there is none."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.portal_scene import ROOT, copied

START_S, STOP_S = 120, 60


@dataclass(frozen=True)
class Serving:
    process: subprocess.Popen[str]
    url: str


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gridwitness", "serve", *arguments]


@pytest.fixture
def folder(finished_demo: Path, tmp_path: Path) -> Path:
    """A demo's folder, moved elsewhere."""
    return copied(finished_demo, tmp_path)


@pytest.fixture
def serving(folder: Path) -> Iterator[Serving]:
    process = subprocess.Popen(
        command("--data", str(folder), "--port", "0"), cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
    assert found is not None
    yield Serving(process, found[0])
    process.kill()
    process.wait()


def test_serve__finished_demo__shows_it_and_leaves_its_chain_as_it_was(folder: Path, serving: Serving) -> None:
    state = hashlib.sha256((folder / "chain.json").read_bytes()).digest()
    page = httpx.get(serving.url + "/")
    assert page.status_code == 200
    site = httpx.get(serving.url + "/v1/site").json()
    assert site["time_zone"] == "Europe/Berlin"
    assert site["is_open_data"]
    head = httpx.post(site["rpc_url"], json={"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})
    assert head.json()["result"] == hex(31_337)
    names = {device["name"] for device in httpx.get(serving.url + "/v1/devices").json()["items"]}
    assert {"feeder", "bus-01"} <= names
    serving.process.send_signal(signal.SIGINT)
    assert serving.process.wait(STOP_S) == 0
    assert hashlib.sha256((folder / "chain.json").read_bytes()).digest() == state


def test_serve__key_made_as_the_document_says__is_good(folder: Path, serving: Serving) -> None:
    lines = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").splitlines()
    create = next(line for line in lines if line.startswith("gridwitness apikey create"))
    words = shlex.split(create.replace("out/demo", str(folder)))
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=True)
    headers = {"authorization": f"Bearer {done.stdout.strip()}"}
    assert httpx.get(serving.url + "/v1/session", headers=headers).json()["name"] == "billing"


def test_serve__demo_that_is_served_already__says_so(folder: Path, serving: Serving) -> None:
    done = subprocess.run(command("--data", str(folder)), capture_output=True, text=True, timeout=START_S, check=False)
    assert done.returncode == 2
    assert f"process {serving.process.pid}" in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("missing", ["", "chain.json"])
def test_serve__no_demo_or_no_chain__says_what_to_do(folder: Path, missing: str) -> None:
    if missing:
        (folder / missing).unlink()
    data = folder if missing else folder / "nothing"
    done = subprocess.run(command("--data", str(data)), capture_output=True, text=True, timeout=START_S, check=False)
    assert done.returncode == 2
    assert re.match(r"error: .+\nhint: .+\n$", done.stderr)
