"""What the demo's site says of itself, for the web page that its first oracle and `gridwitness serve` show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from gridwitness.service.demo.meters import Meter

SITE_FILE = "site.toml"
_CURRENCY = "EUR"


def write_site(folder: Path, name: str, time_zone: str, meters: Sequence[Meter], rpc_url: str) -> None:
    """Write site.toml: names as in the community's data. The chain goes on for a day of disputes in which no meter is
    read, so the present is where the readings end."""
    settings = {
        "name": name,
        "data_dir": ".",
        "time_zone": time_zone,
        "currency": _CURRENCY,
        "browser_rpc_url": rpc_url,
        "ends_with_readings": True,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    names = {"0x" + meter.key.device_id.hex(): meter.name for meter in meters}
    lines += ["", "[names]", *(f'"{device}" = {json.dumps(called)}' for device, called in names.items())]
    (folder / SITE_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
