"""The operator's manual and reference: every setting and metric is there, with its default, and none that is not."""

from __future__ import annotations

import re

import pytest
from pydantic.fields import FieldInfo

from gridwitness.cli.relay import RelaySettings
from gridwitness.cli.settings import OracleSettings
from gridwitness.cli.toml_settings import TomlSettings
from gridwitness.cli.worker import WorkerSettings
from tests.integration.operations.promtool import ROOT

REFERENCE = (ROOT / "docs/operator-reference.md").read_text(encoding="utf-8")
# A name in a row's first cell, with its default if there is one.
SETTING = re.compile(r"`([a-z]\w*)`(?: \(([^()]*)\))?")
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
# Defaults that are told in words: what they are depends on something.
IN_WORDS = {"verify_workers": "cores − 1", "max_head_age_s": '300; no limit with `clock = "chain"`'}
# Of the relay alone, in its own section.
RELAYS_OWN = {"listen": "127.0.0.1:8201"}


def documented() -> dict[str, str]:
    """Settings of all tables that list some, with what is told of their defaults."""
    found: dict[str, str] = {}
    is_table = False
    for line in REFERENCE.splitlines():
        is_table = line.startswith("| setting |") or (is_table and line.startswith("|"))
        if is_table:
            for name, default in SETTING.findall(line.split(" | ")[0]):
                found[name] = default or found.get(name, "")
    return found


def value_of(told: str) -> object:
    """A default as the table tells it."""
    text = told.strip('`"').replace(",", "")
    number, _, unit = text.partition(" ")
    if unit in UNITS:
        return int(number) * UNITS[unit]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def settings_of(*kinds: type[TomlSettings]) -> dict[str, FieldInfo]:
    return {name: field for kind in reversed(kinds) for name, field in kind.model_fields.items()}


def test_list__settings__are_all_documented_and_no_others() -> None:
    known = settings_of(OracleSettings, RelaySettings, WorkerSettings)
    assert documented().keys() == known.keys()


@pytest.mark.parametrize("name", sorted(settings_of(OracleSettings, RelaySettings)))
def test_tell__default__is_what_the_code_has(name: str) -> None:
    told = documented().get(name, "")
    default = settings_of(OracleSettings, RelaySettings)[name].default
    if name in IN_WORDS:
        assert told == IN_WORDS[name]
    elif isinstance(default, bool | int | float | str) and default != "":
        assert value_of(told) == default
    elif isinstance(default, tuple) and default:
        assert told.strip("`") == str(list(default)).replace("'", '"')


def test_list__metrics__are_each_told_once() -> None:
    rows = re.findall(r"^\| `(gridwitness_\w+)` \|", REFERENCE, flags=re.MULTILINE)
    assert len(set(rows)) == len(rows) >= 60
