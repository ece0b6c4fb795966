"""Where the commands that trade find a zone's rules."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.market import Market
from gridwitness.domain.market import ZoneParams
from gridwitness.errors import ConfigError
from gridwitness.market.zone_rules import zone_params_of


def zone_rules(zone: int, rules: Path | None, manifest: Path | None, rpc: str | None) -> ZoneParams:
    """Rules from a file, from the chain if its node is given, or as the manifest recorded them."""
    if (rules is None) is (manifest is None):
        raise ConfigError(
            "give the zone's rules by --rules or by --manifest, not both",
            hint="--rules FILE is TOML or JSON; --manifest deployments/<chain-id>.json, with --rpc as they are now",
        )
    if rules is not None:
        return zone_params_of(_table(rules), str(rules))
    assert manifest is not None
    known = Manifest.load(manifest)
    if rpc is None:
        if zone not in known.zones:
            zones = ", ".join(map(str, known.zones)) or "none"
            raise ConfigError(f"{manifest}: no zone {zone}", hint=f"zones in it: {zones}")
        return zone_params_of(known.zones[zone], f"{manifest}: zones.{zone}.params")
    params = Market(Chain(rpc, known)).zone_params(zone)
    if params.tick_size_per_kwh == 0:
        raise ConfigError(f"zone {zone} is not open on chain {known.chain_id}")
    return params


def _table(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
        table: object = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"rules {path} not found") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"rules {path} cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise ConfigError(f"rules {path}: an object of rules is needed, not {table!r:.40}")
    return table
