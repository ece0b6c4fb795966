"""Settings of a site's web page and API: one TOML file beside an oracle's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from gridwitness.api.portal.limits import RequestRates
from gridwitness.cli.settings import OracleSettings
from gridwitness.cli.toml_settings import TomlSettings

_DEVICE = re.compile(r"0x[0-9a-f]{64}")


def _known_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name} is no IANA time zone, such as Europe/Berlin")
    return name


def _named_devices(names: dict[str, str]) -> dict[str, str]:
    wrong = next((device for device in names if not _DEVICE.fullmatch(device)), None)
    if wrong is not None:
        raise ValueError(f"{wrong} is no device id: 0x and 64 hexadecimal digits")
    return names


_HttpUrl = Annotated[str, Field(pattern=r"^(https?://.+)?$")]


class SiteSettings(TomlSettings):
    """What is said of a site. Paths are relative to the file; `names` are its own for devices, by their id."""

    model_config = SettingsConfigDict(env_prefix="GRIDWITNESS_SITE_", extra="forbid", frozen=True)

    name: str
    data_dir: Path
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] = "UTC"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    explorer_url: _HttpUrl = ""
    browser_rpc_url: _HttpUrl = ""
    public_url: _HttpUrl = ""
    requests_per_key: Annotated[int, Field(ge=1)] = 6_000
    requests_per_address: Annotated[int, Field(ge=1)] = 3_000
    refresh_s: Annotated[float, Field(ge=0.1, le=60)] = 1
    ends_with_readings: bool = False
    names: Annotated[dict[str, str], AfterValidator(_named_devices)] = Field(default_factory=dict)

    @property
    def rates(self) -> RequestRates:
        """How often one may ask the API, a minute."""
        return RequestRates(per_key=self.requests_per_key, per_address=self.requests_per_address)


def load_site(settings: OracleSettings) -> SiteSettings:
    """The site's settings that an oracle's name, or what is there without. Raises ConfigError."""
    if settings.site is None:
        return SiteSettings(name=settings.name, data_dir=settings.data_dir)
    return SiteSettings.load(settings.site, "serve")
