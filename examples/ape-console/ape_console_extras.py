"""Names the console knows: contracts, streams and feeds of the chain it is at."""

from typing import Any

from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager
from gridwitness_contracts import __version__, deployment


def ape_init_extras(project: ProjectManager, chain: ChainManager) -> dict[str, Any]:
    """`registry`, `attestation`, `market`; `streams` and `feeds` by name."""
    # Ape has 1337 for every local network; the node knows.
    known = deployment(chain.provider.web3.eth.chain_id)
    kinds = project.dependencies["gridwitness"][__version__]
    return {
        "registry": kinds.DeviceRegistry.at(known.address("DeviceRegistry")),
        "attestation": kinds.DataAttestation.at(known.address("DataAttestation")),
        "market": kinds.EnergyMarket.at(known.address("EnergyMarket")),
        "streams": known.streams,
        "feeds": {name: kinds.FeedAdapter.at(feed.address) for name, feed in known.feeds.items()},
    }
