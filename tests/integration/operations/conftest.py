"""Oracles and a chain, all real."""

from __future__ import annotations

from tests.integration.chain.conftest import (  # noqa: F401 (fixtures)
    anvil,
    chain,
    deployer,
    manifest,
    open_stream,
    oracles,
    transmitter,
)
from tests.integration.oracle.conftest import committee, deployment, streams, village  # noqa: F401 (fixtures)
