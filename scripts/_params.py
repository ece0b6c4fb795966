"""What to deploy: deployments/params/<network>.yaml, checked against the ABIs before anything is sent.

A value `$name` refers to another part: `$deployer`, `$token`, a contract of the file above the line, or a stream (its
id). Numbers are raw integers in the units of contracts/interfaces. `extends: <file>` takes what another file has and
puts this one's values in its place, key by key. JSON is YAML, so a program may write it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ape.api import NetworkAPI

from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.packing import metric_bytes
from gridwitness.errors import ConfigError, InputError
from scripts._abi import AbiChecker, constructor_inputs, role_names, tuple_fields
from scripts._artefacts import TIMELOCK, Artefacts
from scripts._shares import written_out
from scripts._zone_rules import check_limits, with_kind_bits

MAX_MEMBERS = 31
MARKET = "EnergyMarket"
ATTESTATION = "DataAttestation"
FEED = "FeedAdapter"
REGISTRY = "DeviceRegistry"
TEST_TOKEN = "EuroToken"  # noqa: S105 (a contract's name)
ANYONE = "anyone"
ZERO_ADDRESS = "0x" + "0" * 40
_SECTIONS = (
    "chain_id", "contracts", "create2", "feeds", "governance", "roles", "salt", "shares", "streams", "token", "zones",
)  # fmt: skip
_OPTIONAL = {"create2": "auto", "feeds": None, "governance": None, "shares": None}


@dataclass(frozen=True, slots=True)
class StreamParams:
    """A stream to open: ABI types of its leaves, and its first committee, members ascending."""

    name: str
    leaf: tuple[str, ...]
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GovernanceParams:
    """Who is to hold DEFAULT_ADMIN_ROLE at last: an address or `$TimelockController`, with its constructor's values."""

    admin: str
    timelock: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Params:
    """A checked parameter file. `token` is an address, or empty if the test token is to be deployed.

    `salt` is 32 bytes for CREATE2, None if it is not to be used; without `governance` the deployer stays the admin.
    What a file's `shares` stand for is among `contracts` and `roles`.
    Argument, feed and zone values are ABI values, or references (`$name`) to what has no address or id until it stands.
    """

    source: str
    chain_id: int
    token: str
    salt: bytes | None
    governance: GovernanceParams | None
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
    """Parse the file and what it extends, and set `KEY=VALUE` overrides (dotted key, YAML value).

    Raises ConfigError.
    """
    data = _read_extended(path, ())
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


def _read_extended(path: Path, extending: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in extending:
        raise ConfigError(f"{extending[-1]}: extends is {path.name}, which extends that file itself")
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
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise ConfigError(f"{path}: extends is {base!r}; expected a file beside it")
    return _merged(_read_extended(path.parent / base, (*extending, path.resolve())), data)


def _merged(base: dict[Any, Any], own: Mapping[Any, Any]) -> dict[Any, Any]:
    """Tables key by key; anything else, lists too, is replaced as a whole."""
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def check_params(
    data: Mapping[str, Any], source: str, artefacts: Artefacts, *, deployer: str, is_mainnet: bool
) -> Params:
    """Check everything against the ABIs. Raises ConfigError of one line that names file, key, value and limit."""
    check = AbiChecker(source, {"deployer": deployer})
    data = {**_OPTIONAL, **data}
    check.keys(data, "", required=_SECTIONS)
    check.refer("token", "address", "token")
    data = written_out(check, data)
    return Params(
        source=source,
        chain_id=check.value("uint64", data["chain_id"], "chain_id"),
        token=_token(check, data["token"], is_mainnet),
        salt=_salt(check, data["create2"], data["salt"]),
        # Streams come before contracts: their names must not be taken by a contract, and zones refer to them.
        streams=_streams(check, data["streams"]),
        contracts=_contracts(check, data["contracts"], artefacts),
        roles=_roles(check, data["roles"], artefacts),
        feeds=_feeds(check, data["feeds"], artefacts),
        zones=_zones(check, data["zones"], artefacts),
        governance=_governance(check, data["governance"]),
    )


def _salt(check: AbiChecker, create2: Any, salt: Any) -> bytes | None:
    if create2 not in ("auto", "never"):
        raise check.error("create2", create2, "auto uses CREATE2 where the chain has its factory, never does not")
    text = check.value("string", salt, "salt")
    return keccak(text.encode()) if create2 == "auto" else None


def _governance(check: AbiChecker, governance: Any) -> GovernanceParams | None:
    if governance is None:
        return None
    given = check.table(governance, "governance")
    timelock = given.get("timelock")
    table = check.keys({"timelock": None, **given}, "governance", required=("admin", "timelock"))
    if timelock is None:
        return GovernanceParams(check.value("address", table["admin"], "governance.admin"), None)
    if table["admin"] != "$timelock":
        raise check.error("governance.admin", table["admin"], "with governance.timelock it is $timelock")
    key = "governance.timelock"
    fields = check.keys(timelock, key, required=("executors", "minDelaySeconds", "proposers"))
    arguments = {
        "minDelay": check.value("uint32", fields["minDelaySeconds"], f"{key}.minDelaySeconds"),
        "proposers": check.value("address[]", fields["proposers"], f"{key}.proposers"),
        # The zero address as executor stands for everybody (TimelockController.onlyRoleOrOpenRole).
        "executors": [ZERO_ADDRESS]
        if fields["executors"] == ANYONE
        else check.value("address[]", fields["executors"], f"{key}.executors"),
        # Nobody but the timelock itself changes who proposes and executes.
        "admin": ZERO_ADDRESS,
    }
    for name in ("proposers", "executors"):
        if not arguments[name]:
            raise check.error(f"{key}.{name}", arguments[name], "expected one at least, or nothing could be done ever")
    return GovernanceParams(f"${TIMELOCK}", arguments)


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


def params_path(root: Path, network: NetworkAPI) -> Path:
    """Where a network's parameters stand unless --params says otherwise: local.yaml, base-sepolia.yaml and so on."""
    name = "local" if network.is_local else f"{network.ecosystem.name}-{network.name}"
    return root / "deployments" / "params" / f"{name}.yaml"
