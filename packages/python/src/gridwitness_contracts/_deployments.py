"""What stands on which chain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class DeployedContract:
    """A contract's checksummed address, and the block it was created in: where to start reading its events."""

    address: str
    block: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """What stands on one chain: contracts, streams (32-byte ids, 0x-hex) and feeds, each by name."""

    chain_id: int
    network: str
    contracts: Mapping[str, DeployedContract]
    streams: Mapping[str, str]
    feeds: Mapping[str, DeployedContract]

    def address(self, contract: str) -> str:
        """Address of a contract. Raises KeyError, naming those there are."""
        return str(self._one("contract", self.contracts, contract).address)

    def block(self, contract: str) -> int:
        """Block a contract was created in. Raises KeyError, naming those there are."""
        return int(self._one("contract", self.contracts, contract).block)

    def stream(self, name: str) -> str:
        """Id of a stream. Raises KeyError, naming those there are."""
        return str(self._one("stream", self.streams, name))

    def feed(self, name: str) -> str:
        """Address of a feed. Raises KeyError, naming those there are."""
        return str(self._one("feed", self.feeds, name).address)

    def _one(self, what: str, table: Mapping[str, Any], name: str) -> Any:
        if name not in table:
            raise KeyError(f"no {what} {name!r} on chain {self.chain_id}; there are {', '.join(table) or 'none'}")
        return table[name]


def chains() -> tuple[int, ...]:
    """Ids of the chains with a deployment, ascending."""
    return tuple(sorted(_deployments()))


def deployment(chain_id: int) -> Deployment:
    """What stands on a chain. Raises KeyError, naming the chains there are."""
    known = _deployments()
    if chain_id not in known:
        raise KeyError(f"no deployment on chain {chain_id}; there are {', '.join(map(str, sorted(known))) or 'none'}")
    return known[chain_id]


@cache
def _deployments() -> dict[int, Deployment]:
    text = Path(__file__).with_name("data").joinpath("deployments.json").read_text(encoding="utf-8")
    return {int(chain_id): _read(entry) for chain_id, entry in json.loads(text).items()}


def _read(entry: dict[str, Any]) -> Deployment:
    return Deployment(
        chain_id=entry["chainId"],
        network=entry["network"],
        contracts={name: DeployedContract(**contract) for name, contract in entry["contracts"].items()},
        streams=entry["streams"],
        feeds={name: DeployedContract(**feed) for name, feed in entry["feeds"].items()},
    )
