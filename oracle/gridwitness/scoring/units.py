"""Values as they stand in a reason: in the unit that the metric's name says, and without one if it says none.

| name | a reason says |
|---|---|
| the net energy `1-0:16.29.0` | 412 Wh |
| ends in a thousandth, such as `:mCel`, `:mV`, `:mWh`, or `.mdegC` | 21.7 °C, 229.9 V, 7.042 Wh |
| ends in `:varh`, `:VAh`, `:Pa`, `:ppm` | 12 varh |
| any other, also `:count` | 3 |
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gridwitness.domain.readings import NET_ENERGY_METRIC

_THOUSAND = 1_000
_UNITS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {unit: (1, f" {unit[1:]}") for unit in (":varh", ":VAh", ":Pa", ":ppm")}
    | {f":m{unit}": (_THOUSAND, f" {unit}") for unit in ("W", "var", "VA", "Wh", "V", "A", "Hz", "K", "s", "l")}
    | {
        ":m%RH": (_THOUSAND, " % RH"),
        ":mCel": (_THOUSAND, " °C"),
        ".mdegC": (_THOUSAND, " °C"),
    }
)
"""Per ending of a name how many of its values make one of the unit, and the unit with a leading space."""


def shown(metric: str, value: int) -> str:
    """A metric's value with its unit, exactly: no digit is rounded away."""
    if metric == NET_ENERGY_METRIC:
        return f"{value} Wh"
    parts, unit = _UNITS.get(metric[max(metric.rfind(":"), metric.rfind(".")) :], (1, ""))
    whole, rest = divmod(abs(value), parts)
    decimals = f".{rest:03}".rstrip("0") if rest else ""
    return f"{'-' if value < 0 else ''}{whole}{decimals}{unit}"
