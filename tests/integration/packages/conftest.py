"""A village's finished day that others deployed and attested, and the two packages with its addresses."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from web3 import HTTPProvider, Web3

from gridwitness.client.proofs import ReadingProof
from tests.integration.deploy.conftest import Console
from tests.integration.packages.scene import (
    EXAMPLES,
    EXAMPLES_PAGE,
    Packages,
    ServedDemo,
    Workshop,
    build_packages,
    make_workshop,
)
from tests.portal_scene import ROOT, copied, finished_demo  # noqa: F401 (fixture)

OpenWorkshop = Callable[[str, Packages], Workshop]
FEED_NAME = "townhall"
METER = "bus-05"
# Noon of the traded day.
READING_TIME = 1_471_089_600


@pytest.fixture(scope="session")
def served_demo(finished_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDemo]:  # noqa: F811
    """A demo that has ended, served again, with a feed of one home on its chain and one reading in the feed."""
    folder = copied(finished_demo, tmp_path_factory.mktemp("village"))
    serving = subprocess.Popen(
        [sys.executable, "-m", "gridwitness", "serve", "--data", str(folder), "--port", "0"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert serving.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", serving.stdout.readline())
        assert found is not None
        with httpx.Client(base_url=found[0], timeout=60) as api:
            rpc_url = api.get("/v1/site").json()["rpc_url"]
            devices = api.get("/v1/devices").json()["items"]
            device = next(each["device_id"] for each in devices if each["name"] == METER)
            query = {"device": device, "time": READING_TIME}
            document = api.get("/v1/proofs/readings", params=query).raise_for_status().json()
        served_demo = ServedDemo(rpc_url, found[0], folder / "31337.json", device, READING_TIME)
        open_feed(served_demo)
        carry(served_demo, document)
        yield served_demo
    finally:
        serving.kill()
        serving.wait()


def open_feed(served_demo: ServedDemo) -> None:
    """Deploy the feed as a person does."""
    feed = {
        "attestation": "$DataAttestation",
        "streamId": "$readings",
        "deviceId": served_demo.device,
        "metric": "1-0:16.29.0",
        "decimals": 3,
        "intervalSeconds": 900,
        "maxScoreBps": 9_900,
        "description": "town hall / kWh",
    }
    setting = f"feeds.{FEED_NAME}={json.dumps(feed)}"
    outcome = Console(served_demo.rpc_url, served_demo.manifest).run("open_feed", FEED_NAME, "--set", setting)
    assert outcome.code == 0, outcome.output


def carry(served_demo: ServedDemo, document: dict[str, Any]) -> None:
    """Make a proven reading the feed's newest round."""
    web3 = Web3(HTTPProvider(served_demo.rpc_url))
    abi = json.loads((ROOT / "oracle/gridwitness/chain/abi/IFeedAdapter.json").read_text(encoding="utf-8"))
    feed = web3.eth.contract(served_demo.deployed["feeds"][FEED_NAME]["address"], abi=abi)
    proof = ReadingProof.of(document, served_demo.device, time=served_demo.time)
    sent = feed.functions.update(tuple(proof.leaf), tuple(proof.path)).transact({"from": web3.eth.accounts[5]})
    assert web3.eth.wait_for_transaction_receipt(sent)["status"] == 1


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Both packages, with no addresses but those that the repository has."""
    return build_packages(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="session")
def packages_of_demo(served_demo: ServedDemo, tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Both packages, with the demo's addresses in them, as the page of the examples says."""
    found = re.search(r'^make packages ARGS="(.+)"$', EXAMPLES_PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    arguments = shlex.split(found[1].replace("out/demo", shlex.quote(str(served_demo.manifest.parent))))
    return build_packages(tmp_path_factory.mktemp("packages"), *arguments)


@pytest.fixture(scope="session")
def open_workshop(tmp_path_factory: pytest.TempPathFactory) -> OpenWorkshop:
    """Copies an example by its name into an empty folder, where the packages given can be installed."""

    def make(example: str, packages: Packages) -> Workshop:
        return make_workshop(EXAMPLES / example, tmp_path_factory.mktemp("workshop"), packages)

    return make


@pytest.fixture(scope="session")
def insurance_workshop(open_workshop: OpenWorkshop, packages: Packages) -> Workshop:
    """The example's folder, installed and compiled as its README says."""
    shop = open_workshop("solidity-insurance", packages)
    build = shop.readme_blocks()[0].splitlines()
    shop.shell("\n".join(line for line in build if "forge create" not in line))
    return shop
