"""Files that readers save, held against what the programs read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gridwitness.cli.relay import RelaySettings
from gridwitness.cli.settings import OracleSettings
from gridwitness.cli.site_settings import SiteSettings
from gridwitness.cli.toml_settings import TomlSettings
from gridwitness.cli.trading import load_battery, zone_rules
from gridwitness.cli.worker import WorkerSettings
from gridwitness.errors import GridwitnessError

_SETTINGS: dict[str, type[TomlSettings]] = {
    "oracle.toml": OracleSettings,
    "relay.toml": RelaySettings,
    "site.toml": SiteSettings,
    "worker.toml": WorkerSettings,
}


def check_file(path: Path) -> None:
    """Read a file as the program does that it is for, if one has a model for it. Raises AssertionError."""
    try:
        _read(path)
    except GridwitnessError as error:
        raise AssertionError(str(error)) from error


def _read(path: Path) -> None:
    if path.name in _SETTINGS:
        _SETTINGS[path.name].load(path, "run")
    elif path.name == "battery.toml":
        load_battery(path)
    elif path.name == "zone.toml":
        zone_rules(1, path, None, None, day=0)


def check_part(name: str, settings: Mapping[str, object]) -> None:
    """A part of a settings file names settings that there are. Raises AssertionError."""
    unknown = settings.keys() - _SETTINGS[name].model_fields.keys()
    assert not unknown, f"{name} has no {', '.join(sorted(unknown))}"
