"""Options that the commands that trade share, and the files behind them."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.market import Market
from gridwitness.domain.market import ZoneParams
from gridwitness.errors import ConfigError
from gridwitness.market.battery import Battery
from gridwitness.market.zone_rules import zone_params_of

ZoneOption = Annotated[int, typer.Option(min=1, max=(1 << 24) - 1, help="Zone of the market")]
RulesOption = Annotated[Path | None, typer.Option(help="TOML or JSON file with the zone's rules")]
ManifestOption = Annotated[Path | None, typer.Option(help="deployments/<chain-id>.json, instead of --rules")]
RpcOption = Annotated[str | None, typer.Option(help="Node to read the rules from, with --manifest")]
HistoryDaysOption = Annotated[int, typer.Option(min=1, help="Days to learn from")]


def zone_rules(zone: int, rules: Path | None, manifest: Path | None, rpc: str | None, day: int) -> ZoneParams:
    """Rules from a file; or for a delivery day, from the chain if its node is given, else as the manifest has them."""
    if rules is not None and manifest is None and rpc is None:
        return zone_params_of(_table("rules", rules), str(rules))
    if rules is not None or manifest is None:
        raise ConfigError(
            "give the zone's rules by --rules or by --manifest, not both",
            hint="--rules FILE is TOML or JSON; --manifest deployments/<chain-id>.json, with --rpc as they are now",
        )
    known = Manifest.load(manifest)
    if rpc is None:
        return zone_params_of(*known.zone_rules(zone, day))
    params = Market(Chain(rpc, known)).zone_params(zone, day)
    if params.tick_size_per_kwh == 0:
        raise ConfigError(f"zone {zone} is not open on chain {known.chain_id}")
    return params


def load_battery(path: Path) -> Battery:
    """A battery from a TOML or JSON file. Raises ConfigError naming the key, InputError for what cannot be."""
    table = _table("battery", path)
    names = [field.name for field in fields(Battery)]
    hint = f"needed are {', '.join(names)}"
    for name in table:
        if name not in names:
            raise ConfigError(f"{path}: {name} is not known of a battery", hint=hint)
    values: dict[str, int] = {}
    for name in names:
        value = table.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(f"{path}: {name} is {'missing' if value is None else repr(value)}", hint=hint)
        values[name] = value
    return Battery(**values)


def _table(what: str, path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
        table: object = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"{what} {path} not found") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{what} {path} cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise ConfigError(f"{what} {path}: a table of values is needed, not {table!r:.40}")
    return table
