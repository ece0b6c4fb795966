"""What stands on a chain and where: deployments/<chain-id>.json, written by the deployment scripts only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.address import is_checksum_address

from gridwitness.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DeployedContract:
    """A contract's checksummed address and the block it was created in."""

    address: str
    block: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Contracts, streams (name → 32-byte id) and zones (number → parameters as in the file) of one chain."""

    chain_id: int
    contracts: Mapping[str, DeployedContract]
    streams: Mapping[str, bytes] = field(default_factory=dict)
    zones: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    source: str = "manifest"

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read a manifest. Raises ConfigError naming file and key if something is missing or malformed."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"manifest {path} not found", hint="deploy first: ape run deploy") from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"manifest {path} cannot be read: {error}") from error
        reader = _Reader(str(path))
        root = reader.table(data, "the file")
        return cls(
            chain_id=reader.integer(root, "chain_id", "chain_id"),
            contracts={
                name: reader.contract(entry, f"contracts.{name}")
                for name, entry in reader.table(root.get("contracts"), "contracts").items()
            },
            streams={
                name: reader.stream_id(entry, f"streams.{name}")
                for name, entry in reader.table(root.get("streams", {}), "streams").items()
            },
            zones={
                reader.zone(number): reader.table(
                    reader.table(zone, f"zones.{number}").get("params"), f"zones.{number}.params"
                )
                for number, zone in reader.table(root.get("zones", {}), "zones").items()
            },
            source=str(path),
        )

    def address(self, contract: str) -> str:
        """Checksummed address of a contract. Raises ConfigError if the manifest has none."""
        return self._contract(contract).address

    def block(self, contract: str) -> int:
        """Block a contract was created in: where to start reading its events."""
        return self._contract(contract).block

    def stream(self, name: str) -> bytes:
        """Id of a stream by its name. Raises ConfigError if the manifest has none."""
        if name not in self.streams:
            raise ConfigError(f"{self.source}: key streams.{name} is missing", hint="ape run open_stream opens one")
        return self.streams[name]

    def _contract(self, name: str) -> DeployedContract:
        if name not in self.contracts:
            raise ConfigError(f"{self.source}: key contracts.{name} is missing", hint="deploy first: ape run deploy")
        return self.contracts[name]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads values out of parsed JSON and says which key of which file is wrong."""

    source: str

    def table(self, value: object, key: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ConfigError(f"{self.source}: key {key} is missing or not an object")
        return value

    def integer(self, table: dict[str, Any], name: str, key: str) -> int:
        value = table.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ConfigError(f"{self.source}: key {key} is {value!r}; it must be a non-negative integer")
        return value

    def contract(self, value: object, key: str) -> DeployedContract:
        table = self.table(value, key)
        address = table.get("address")
        if not isinstance(address, str) or not is_checksum_address(address):
            raise ConfigError(f"{self.source}: key {key}.address is {address!r}; it must be a checksummed address")
        # A token that was there before has no block of its own in the manifest.
        block = self.integer(table, "block", f"{key}.block") if table.get("block") is not None else 0
        return DeployedContract(address, block)

    def stream_id(self, value: object, key: str) -> bytes:
        text = self.table(value, key).get("id")
        try:
            stream_id = bytes.fromhex(str(text).removeprefix("0x"))
        except ValueError:
            stream_id = b""
        if len(stream_id) != 32:
            raise ConfigError(f"{self.source}: key {key}.id is {text!r}; it must be 32 bytes in hex")
        return stream_id

    def zone(self, number: str) -> int:
        if not number.isdecimal():
            raise ConfigError(f"{self.source}: key zones.{number} is not a zone number")
        return int(number)
