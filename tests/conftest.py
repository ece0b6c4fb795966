"""Contracts deployed once, and the parties that use them. Ape rolls the chain back after each test."""

from __future__ import annotations

import gc
import os
from functools import cache
from typing import Any

import ape_test.accounts
import pytest
from ape import chain, networks
from hypothesis import settings

from gridwitness.chain.anvil import free_port
from gridwitness.encoding.eip712 import Domain, attestation_domain, registry_domain
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from gridwitness.encoding.leaves import PROFILE_TYPES, schema_of
from tests import kept_solc
from tests.actors import Committee, Device, Feed, OpenFeed
from tests.rpc import LeanProvider

# The same examples each time, so that a change is judged by what it changed; HYPOTHESIS_PROFILE="new ways" looks for
# others. How long an example takes says something about the machine, nothing about the code.
settings.register_profile("same ways", deadline=None, derandomize=True)
settings.register_profile("new ways", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same ways"))
_NODE = "APE_FOUNDRY_HOST"


def pytest_collection_finish() -> None:
    """Let the collector pass over what stays for the whole run: it then comes round often enough to close the clients
    that tests leave behind, whose sockets were otherwise over a thousand, more than paho's client can wait on."""
    gc.collect()
    gc.freeze()
    # Ape connects next. Of itself it takes a port that any connection going out may have, and gives up if one has.
    os.environ[_NODE] = f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="session", autouse=True)
def lean_requests() -> None:
    """Ape talks to its node at little cost."""
    os.environ.pop(_NODE, None)  # not for the scripts that tests start
    # Ape derives all its accounts from their words again whenever it is asked whether an address is one of them.
    ape_test.accounts.generate_dev_accounts = cache(ape_test.accounts.generate_dev_accounts)
    networks.provider.web3.provider = LeanProvider(networks.provider.http_uri)


@pytest.fixture(scope="session", autouse=True)
def kept_compiler(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What was compiled in this run, by whichever of its processes, is not compiled again."""
    own = tmp_path_factory.getbasetemp()
    kept_solc.install((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "kept-solc")


@pytest.fixture(scope="session")
def deployer(accounts: Any) -> Any:
    """Account that deploys and owns streams."""
    return accounts[0]


@pytest.fixture(scope="session")
def prosumer(accounts: Any) -> Any:
    """Owner of a home with a plant."""
    return accounts[1]


@pytest.fixture(scope="session")
def neighbour(accounts: Any) -> Any:
    """Owner of another home."""
    return accounts[2]


@pytest.fixture(scope="session")
def manufacturer(accounts: Any) -> Any:
    """Maker of meters, who enrols fleets."""
    return accounts[3]


@pytest.fixture(scope="session")
def transmitter(accounts: Any) -> Any:
    """Account that carries what others signed."""
    return accounts[4]


@pytest.fixture(scope="session")
def intruder(accounts: Any) -> Any:
    """Account with no rights at all."""
    return accounts[5]


@pytest.fixture(scope="session")
def steward(accounts: Any) -> Any:
    """Account that may suspend devices."""
    return accounts[7]


@pytest.fixture(scope="session")
def registry(deployer: Any, steward: Any, project: Any) -> Any:
    """DeviceRegistry, administered by the deployer."""
    registry = deployer.deploy(project.DeviceRegistry, deployer)
    registry.grantRole(keccak(b"STEWARD_ROLE"), steward, sender=deployer)
    return registry


@pytest.fixture(scope="session")
def attestation(deployer: Any, registry: Any, project: Any) -> Any:
    """DataAttestation."""
    return deployer.deploy(project.DataAttestation, registry)


@pytest.fixture(scope="session")
def euro(deployer: Any, project: Any) -> Any:
    """Settlement token, six decimals, open mint."""
    return deployer.deploy(project.EuroToken)


@pytest.fixture(scope="session")
def registry_domain_712(registry: Any) -> Domain:
    """EIP-712 domain of the registry."""
    return registry_domain(chain.chain_id, registry.address)


@pytest.fixture(scope="session")
def attestation_domain_712(attestation: Any) -> Domain:
    """EIP-712 domain of the attestation contract."""
    return attestation_domain(chain.chain_id, attestation.address)


@pytest.fixture(scope="session")
def meter(registry: Any, registry_domain_712: Domain) -> Device:
    """A meter with a P-256 secure element."""
    return Device(P256Key(0x6D65746572), registry, registry_domain_712)


@pytest.fixture(scope="session")
def charger(registry: Any, registry_domain_712: Domain) -> Device:
    """A charger with a secp256k1 key."""
    return Device(Secp256k1Key(0x63686172676572), registry, registry_domain_712)


@pytest.fixture(scope="session", params=["p256", "secp256k1"])
def any_device(request: pytest.FixtureRequest, meter: Device, charger: Device) -> Device:
    """Each test runs once per curve."""
    return meter if request.param == "p256" else charger


@pytest.fixture(scope="session")
def committee() -> Committee:
    """Five oracles, three of whom must sign."""
    return Committee([0x0A1, 0x0A2, 0x0A3, 0x0A4, 0x0A5], threshold=3)


@pytest.fixture(scope="session")
def open_feed(
    attestation: Any,
    attestation_domain_712: Domain,
    deployer: Any,
    transmitter: Any,
) -> OpenFeed:
    """Open a stream by name and follow it; returns its Feed."""

    def open_stream(name: str, committee: Committee, types: tuple[str, ...] = PROFILE_TYPES) -> Feed:
        name_bytes = name.encode("ascii").ljust(32, b"\0")
        receipt = attestation.openStream(name_bytes, schema_of(types), committee.args, sender=deployer)
        stream_id = receipt.events.filter(attestation.StreamOpened)[0].streamId
        return Feed(attestation, attestation_domain_712, stream_id, committee, transmitter)

    return open_stream


@pytest.fixture
def feed(open_feed: OpenFeed, committee: Committee) -> Feed:
    """A fresh stream of profiles."""
    return open_feed("profiles", committee)
