"""The chain, the village and the three oracles of the neighbouring tests."""

from tests.integration.chain.conftest import (  # noqa: F401 (fixtures)
    anvil,
    chain,
    deployer,
    manifest,
    open_stream,
    oracles,
    outsider,
    transmitter,
)
from tests.integration.oracle.conftest import committee, deployment, streams, village  # noqa: F401 (fixtures)
