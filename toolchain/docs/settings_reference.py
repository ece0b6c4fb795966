"""The reference of settings files: types, limits and defaults from the models, meanings from the operator reference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_ROW = re.compile(r"^\| (`.+?) \| (.+) \|$")
_SETTING = re.compile(r"`([a-z]\w*|\[names\])`(?: \([^()]*\))?")
# Defaults of the machine that builds the site are nobody else's.
_IN_WORDS = {"verify_workers": "cores − 1"}
_LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def settings_page(root: Path) -> str:
    """Every setting of every file that a command reads."""
    from gridwitness.cli.relay import RelaySettings
    from gridwitness.cli.settings import OracleSettings, Peer
    from gridwitness.cli.site_settings import SiteSettings
    from gridwitness.cli.worker import WorkerSettings

    told = meanings((root / "docs/operator-reference.md").read_text(encoding="utf-8"))
    files: list[tuple[str, str, type[BaseModel]]] = [
        ("Oracle", "`gridwitness run --config` and `gridwitness doctor --config`", OracleSettings),
        ("Peer of an oracle", "An entry `[[peers]]` of an oracle's file", Peer),
        ("Relay", "`gridwitness relay --config`", RelaySettings),
        ("Worker", "`gridwitness worker --config`", WorkerSettings),
        ("Site", "The file that an oracle's `site` names", SiteSettings),
    ]
    parts = [
        "# Settings\n",
        "Of settings files in TOML, with types, limits and defaults as the code has them. What to do with them stands "
        "in the [operator reference](../operator-reference.md).\n",
    ]
    for title, readers, model in files:
        prefix = str(model.model_config.get("env_prefix", ""))
        parts.append(f"## {title}\n\n{readers}. {(model.__doc__ or '').strip()}\n")
        if prefix:
            parts.append(f"In the environment `{prefix}<NAME>` goes before the file.\n")
        parts += _table(title, model, told)
    return "\n".join(parts)


def meanings(reference: str) -> dict[str, str]:
    """What the operator reference's tables say of each setting."""
    found: dict[str, str] = {}
    is_table = False
    for line in reference.splitlines():
        is_table = line.startswith(("| setting |", "| in the site's file |")) or (is_table and line.startswith("|"))
        if is_table and (row := _ROW.match(line)):
            for name in _SETTING.findall(row[1]):
                found[name.strip("[]")] = row[2]
    return found


def _table(title: str, model: type[BaseModel], told: dict[str, str]) -> Iterator[str]:
    place = title.split()[0].lower()
    yield "| setting | default | |\n|---|---|---|"
    for name, field in model.model_fields.items():
        kind = ", ".join([_type(field.annotation), *_limits(field.metadata)]).replace("|", "\\|")
        meaning = re.sub(r"\]\((?!https?:)([\w-]+\.md)", r"](../\1", told.get(name, ""))
        yield f"| `{name}`{{: #{place}-{name} }}<br><small>{kind}</small> | {_default(name, field)} | {meaning} |"
    yield ""


def _type(annotation: Any) -> str:
    """A type in words."""
    kind, parts = get_origin(annotation), get_args(annotation)
    if kind is Literal:
        return " or ".join(f"`{choice}`" for choice in parts)
    if kind is Annotated:
        return ", ".join([_type(parts[0]), *(limit for one in parts[1:] for limit in _limits(_inner(one)))])
    if kind in (Union, UnionType):
        return " or ".join(_type(one) for one in parts if one is not type(None))
    if kind is tuple:
        return f"list of {_type(parts[0])}"
    if kind is dict:
        return f"table of {_type(parts[1])}"
    return {str: "text", bool: "true or false", int: "integer", float: "number", Path: "path"}.get(
        annotation, getattr(annotation, "__name__", str(annotation)).lower()
    )


def _inner(metadata: Any) -> list[Any]:
    return metadata.metadata if isinstance(metadata, FieldInfo) else [metadata]


def _limits(metadata: Iterable[Any]) -> list[str]:
    limits = []
    for one in metadata:
        limits += [f"{sign} {getattr(one, key):,}" for key, sign in _LIMITS.items() if hasattr(one, key)]
        if pattern := getattr(one, "pattern", None):
            limits.append(f"`{pattern}`")
    return limits


def _default(name: str, field: FieldInfo) -> str:
    if name in _IN_WORDS:
        return _IN_WORDS[name]
    if field.is_required():
        return "must be given"
    default = field.get_default(call_default_factory=True)
    if default in (None, "", (), {}):
        return ""
    if isinstance(default, int | float) and not isinstance(default, bool):
        return f"{default:,}"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
