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
class RecordedZone:
    """Rules of a zone as in the file: those in force when it was written, and what was announced from a day on."""

    rules: Mapping[str, Any]
    announced: tuple[int, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """Contracts, streams (name → 32-byte id) and zones (by number) of one chain."""

    chain_id: int
    contracts: Mapping[str, DeployedContract]
    streams: Mapping[str, bytes] = field(default_factory=dict)
    zones: Mapping[int, RecordedZone] = field(default_factory=dict)
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
                reader.zone_number(number): reader.zone(entry, f"zones.{number}")
                for number, entry in reader.table(root.get("zones", {}), "zones").items()
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

    def zone_rules(self, zone: int, day: int) -> tuple[Mapping[str, Any], str]:
        """Rules of a zone for a delivery day, and where they stand. Raises ConfigError if the manifest has none."""
        if zone not in self.zones:
            zones = ", ".join(map(str, self.zones)) or "none"
            raise ConfigError(f"{self.source}: no zone {zone}", hint=f"zones in it: {zones}")
        recorded = self.zones[zone]
        if recorded.announced is not None and day >= recorded.announced[0]:
            return recorded.announced[1], f"{self.source}: zones.{zone}.announced.params"
        return recorded.rules, f"{self.source}: zones.{zone}.params"

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

    def zone(self, value: object, key: str) -> RecordedZone:
        entry = self.table(value, key)
        rules = self.table(entry.get("params"), f"{key}.params")
        if "announced" not in entry:
            return RecordedZone(rules)
        announced = self.table(entry["announced"], f"{key}.announced")
        from_day = self.integer(announced, "from_day", f"{key}.announced.from_day")
        return RecordedZone(rules, (from_day, self.table(announced.get("params"), f"{key}.announced.params")))

    def zone_number(self, number: str) -> int:
        if not number.isdecimal():
            raise ConfigError(f"{self.source}: key zones.{number} is not a zone number")
        return int(number)
