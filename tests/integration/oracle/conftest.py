"""Three oracles as real processes, a real chain with the real contracts, and a village of meters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.encoding.leaves import PROFILE_TYPES, READING_TYPES, schema_of
from tests.integration.chain.conftest import (  # noqa: F401 (fixtures)
    anvil,
    chain,
    deployer,
    manifest,
    open_stream,
    oracles,
    transmitter,
)
from tests.integration.oracle.village import Oracle, Village, make_oracles


@pytest.fixture
def streams(open_stream: Callable[[str, bytes], bytes]) -> dict[str, bytes]:  # noqa: F811
    """Ids of the readings and profiles streams of one 2-of-3 committee."""
    return {
        "readings": open_stream("readings", schema_of(READING_TYPES)),
        "profiles": open_stream("profiles", schema_of(PROFILE_TYPES)),
    }


@pytest.fixture
def deployment(tmp_path: Path, manifest: Manifest, streams: dict[str, bytes]) -> Path:  # noqa: F811
    """The manifest as a file, streams included."""
    path = tmp_path / "manifest.json"
    contracts = {name: {"address": c.address, "block": c.block} for name, c in manifest.contracts.items()}
    ids = {name: {"id": "0x" + stream_id.hex()} for name, stream_id in streams.items()}
    path.write_text(json.dumps({"chain_id": manifest.chain_id, "contracts": contracts, "streams": ids}))
    return path


@pytest.fixture
def village(anvil: Anvil, chain: Chain, streams: dict[str, bytes], transmitter: LocalAccount) -> Village:  # noqa: F811
    """Registered meters; the chain knows the streams by name."""
    chain.manifest = replace(chain.manifest, streams=streams)
    settled = Village(chain, anvil, transmitter)
    settled.register_all()
    return settled


@pytest.fixture
def committee(
    tmp_path: Path,
    chain: Chain,  # noqa: F811
    village: Village,
    deployment: Path,
    oracles: list[LocalAccount],  # noqa: F811
) -> Iterator[list[Oracle]]:
    """Three oracles, configured but not started; stopped at the end."""
    made = make_oracles(tmp_path, chain, oracles, deployment)
    yield made
    for oracle in made:
        oracle.stop()
