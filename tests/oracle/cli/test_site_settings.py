from __future__ import annotations

import re
from pathlib import Path

import pytest

from gridwitness.cli.site_settings import SiteSettings
from gridwitness.errors import ConfigError

DEVICE = "0x" + "ab" * 32
REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "operator-reference.md"


def load(folder: Path, text: str) -> SiteSettings:
    file = folder / "site.toml"
    file.write_text(text, encoding="utf-8")
    return SiteSettings.load(file, "serve")


def test_load__names_and_paths__are_taken_relative_to_the_file(tmp_path: Path) -> None:
    site = load(tmp_path, f'name = "Green Street"\ndata_dir = "data"\n[names]\n"{DEVICE}" = "number 7"\n')
    assert (site.data_dir, site.time_zone, site.names) == (tmp_path / "data", "UTC", {DEVICE: "number 7"})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('time_zone = "Europe/Bärlin"', "IANA time zone"),
        ('currency = "euro"', "currency"),
        ('explorer_url = "ftp://x"', "explorer_url"),
        ("refresh_s = 0", "refresh_s"),
        ('colour = "green"', "colour"),
        ('[names]\n"0x12" = "short"', "no device id"),
    ],
)
def test_load__value_that_cannot_be__is_refused_by_its_name(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, f'name = "x"\ndata_dir = "."\n{line}\n')


def test_document__every_key__stands_in_the_reference() -> None:
    section = REFERENCE.read_text(encoding="utf-8").split("\n## Site\n")[1].split("\n## ")[0]
    documented = set(re.findall(r"`\[?(\w+)\]?`(?: \([^()]*\))?(?=,| \|)", section))
    assert documented == SiteSettings.model_fields.keys() - {"log_level"}
