"""ABIs, Solidity interfaces and addresses of the Gridwitness contracts.

    from gridwitness_contracts import abi, deployment

    chain = deployment(web3.eth.chain_id)
    attestation = web3.eth.contract(chain.address("DataAttestation"), abi=abi("DataAttestation"))

Nothing here talks to a node, and nothing else is needed.
"""

from importlib.metadata import version as _version

from gridwitness_contracts._deployments import DeployedContract, Deployment, chains, deployment
from gridwitness_contracts._interfaces import (
    abi,
    abi_names,
    interface_version,
    is_compatible,
    solidity_path,
)

__version__ = _version("gridwitness-contracts")

__all__ = [
    "DeployedContract",
    "Deployment",
    "__version__",
    "abi",
    "abi_names",
    "chains",
    "deployment",
    "interface_version",
    "is_compatible",
    "solidity_path",
]
