"""What to deploy: deployments/params/<network>.yaml, checked against the ABIs before anything is sent.

A value `$name` refers to another part: `$deployer`, `$admin`, `$token`, a contract of the file above the line, or a
stream (its id). Numbers are raw integers in the units of contracts/interfaces. JSON is YAML, so a program may write it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gridwitness.encoding.packing import metric_bytes
from gridwitness.errors import ConfigError, InputError
from scripts._abi import AbiChecker, constructor_inputs, role_names, tuple_fields
from scripts._artefacts import Artefacts
from scripts._zone_rules import check_limits, with_kind_bits

MAX_MEMBERS = 31
MARKET = "EnergyMarket"
ATTESTATION = "DataAttestation"
FEED = "FeedAdapter"
REGISTRY = "DeviceRegistry"
TEST_TOKEN = "EuroToken"  # noqa: S105 (a contract's name)
_SECTIONS = ("admin", "chain_id", "contracts", "feeds", "roles", "streams", "token", "zones")


@dataclass(frozen=True, slots=True)
class StreamParams:
    """A stream to open: ABI types of its leaves, and its first committee, members ascending."""

    name: str
    leaf: tuple[str, ...]
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Params:
    """A checked parameter file. `token` is an address, or empty if the test token is to be deployed.

    Argument, feed and zone values are ABI values, or references (`$name`) to what has no address or id until it stands.
    """

    source: str
    chain_id: int
    token: str
    admin: str
    contracts: Mapping[str, Mapping[str, Any]]
    roles: Mapping[str, Mapping[str, tuple[str, ...]]]
    streams: Mapping[str, StreamParams]
    feeds: Mapping[str, Mapping[str, Any]]
    zones: Mapping[int, Mapping[str, Any]]


class _Loader(yaml.SafeLoader):
    """YAML in which 0x… stays text (an address is not a number) and a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise ConfigError(f"key {twice[0]} is given twice (line {node.start_mark.line + 1} and after)")
        return super().construct_mapping(node, deep=deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        text = str(self.construct_scalar(node))
        return text if text.startswith("0x") else self.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)


def read_params(path: Path, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Parse the file and set `KEY=VALUE` overrides (dotted key, YAML value). Raises ConfigError."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except FileNotFoundError:
        raise ConfigError(
            f"no parameters at {path}", hint="deployments/params/ has examples; or give --params"
        ) from None
    except (OSError, yaml.YAMLError, ConfigError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: holds no keys; expected {', '.join(_SECTIONS)}")
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(f"--set {override}: expected KEY=VALUE, e.g. streams.readings.threshold=2")
        *parents, last = [int(part) if part.isdecimal() else part for part in key.split(".")]
        table: Any = data
        for parent in parents:
            table = table.setdefault(parent, {}) if isinstance(table, dict) else None
        if not isinstance(table, dict):
            raise ConfigError(f"--set {override}: {key.rpartition('.')[0]} is not a table in {path}")
        table[last] = yaml.load(value, Loader=_Loader)  # noqa: S506
    return data


def check_params(
    data: Mapping[str, Any], source: str, artefacts: Artefacts, *, deployer: str, is_mainnet: bool
) -> Params:
    """Check everything against the ABIs. Raises ConfigError of one line that names file, key, value and limit."""
    known = {"deployer": deployer}
    check = AbiChecker(source, known)
    data = {"feeds": None, **data}  # a file need not have any
    check.keys(data, "", required=_SECTIONS)
    known["admin"] = admin = check.value("address", data["admin"], "admin")
    check.refer("admin", "address", "admin")
    check.refer("token", "address", "token")
    return Params(
        source=source,
        chain_id=check.value("uint64", data["chain_id"], "chain_id"),
        token=_token(check, data["token"], is_mainnet),
        admin=admin,
        # Streams come before contracts: their names must not be taken by a contract, and zones refer to them.
        streams=_streams(check, data["streams"]),
        contracts=_contracts(check, data["contracts"], artefacts),
        roles=_roles(check, data["roles"], artefacts),
        feeds=_feeds(check, data["feeds"], artefacts),
        zones=_zones(check, data["zones"], artefacts),
    )


def _token(check: AbiChecker, token: Any, is_mainnet: bool) -> str:
    table = check.table(token, "token")
    if set(table) == {"address"}:
        return str(check.value("address", table["address"], "token.address"))
    if table != {"deploy": TEST_TOKEN}:
        raise check.error("token", token, f"expected {{address: 0x…}} or, on a test network, {{deploy: {TEST_TOKEN}}}")
    if is_mainnet:
        raise check.error("token.deploy", TEST_TOKEN, "anyone may mint it; on a main network give token.address")
    return ""


def _streams(check: AbiChecker, streams: Any) -> dict[str, StreamParams]:
    result = {}
    for name, entry in check.table(streams, "streams").items():
        key = f"streams.{name}"
        check.short_name(name, key)
        table = check.keys(entry, key, required=("leaf", "members", "threshold"))
        members = check.value("address[]", table["members"], f"{key}.members")
        if not 1 <= len(members) <= MAX_MEMBERS or len(set(members)) != len(members):
            raise check.error(f"{key}.members", members, f"expected 1 to {MAX_MEMBERS} different addresses")
        threshold = check.value("uint8", table["threshold"], f"{key}.threshold")
        if not 1 <= threshold <= len(members):
            raise check.error(f"{key}.threshold", threshold, f"{len(members)} members allow 1 to {len(members)}")
        leaf = check.leaf_types(table["leaf"], f"{key}.leaf")
        # The contract wants members ascending; their order in a file means nothing.
        result[name] = StreamParams(name, leaf, threshold, tuple(sorted(members, key=lambda m: int(m, 16))))
        check.refer(name, "bytes32", key)
    return result


def _contracts(check: AbiChecker, contracts: Any, artefacts: Artefacts) -> dict[str, dict[str, Any]]:
    result = {}
    for name, arguments in check.table(contracts, "contracts").items():
        key = f"contracts.{name}"
        if name not in artefacts.contracts:
            raise check.error(
                key, name, f"there is no such contract; known are {', '.join(sorted(artefacts.contracts))}"
            )
        result[name] = check.fields(constructor_inputs(artefacts[name].abi), arguments, key)
        check.refer(name, "address", key)
    for name in (REGISTRY, ATTESTATION, MARKET):
        if name not in result:
            raise check.error("contracts", sorted(result), f"{name} is missing")
    return result


def _roles(check: AbiChecker, roles: Any, artefacts: Artefacts) -> dict[str, dict[str, tuple[str, ...]]]:
    result: dict[str, dict[str, tuple[str, ...]]] = {}
    for contract, entries in check.table(roles, "roles").items():
        known = role_names(artefacts[contract].abi)
        result[contract] = {}
        for role, accounts in check.table(entries, f"roles.{contract}").items():
            key = f"roles.{contract}.{role}"
            if role not in known:
                raise check.error(key, role, f"{contract} has the roles {', '.join(known)}")
            result[contract][role] = tuple(check.value("address[]", accounts, key))
    return result


def _feeds(check: AbiChecker, feeds: Any, artefacts: Artefacts) -> dict[str, dict[str, Any]]:
    result = {}
    for name, entry in check.table(feeds, "feeds").items():
        key = f"feeds.{name}"
        check.short_name(name, key)
        fields = dict(check.table(entry, key))
        if isinstance(metric := fields.get("metric"), str):
            try:
                fields["metric"] = "0x" + metric_bytes(metric).hex()
            except InputError as error:
                raise check.error(f"{key}.metric", metric, "expected 1 to 32 printable ASCII characters") from error
        result[name] = check.fields(constructor_inputs(artefacts[FEED].abi), fields, key)
    return result


def _zones(check: AbiChecker, zones: Any, artefacts: Artefacts) -> dict[int, dict[str, Any]]:
    fields = zone_fields(artefacts)
    result = {}
    for number, entry in check.table(zones, "zones").items():
        key = f"zones.{number}"
        numeric = int(number) if isinstance(number, str) and number.isdecimal() else number
        zone = check.value("uint24", numeric, key)
        if zone == 0 or zone in result:
            raise check.error(key, number, "zones count from 1, each given once")
        result[zone] = check.fields(fields, with_kind_bits(check, check.table(entry, key), key), key)
        check_limits(check, result[zone], key)
    return result


def zone_fields(artefacts: Artefacts) -> list[dict[str, Any]]:
    """Fields of IMarketZones.ZoneParams. EnergyMarket, which hands the call on, does not name its arguments."""
    return tuple_fields(artefacts[f"I{MARKET}"].abi, "openZone", "params")


def params_path(root: Path, network: str) -> Path:
    """Where a network's parameters stand unless --params says otherwise."""
    return root / "deployments" / "params" / f"{network}.yaml"
