"""Excursions of goods that must stay cool, and their mean kinetic temperature, in integers.

The mean kinetic temperature is the constant one at which goods would age as they did (J. D. Haynes, J. Pharm. Sci. 60,
1971; USP <1079.2>; ICH Q1A):

    T = (ΔH / R) / −ln(mean of exp(−ΔH / (R·T_i))),   ΔH = 83.144 kJ/mol, R = 8.3144 J/(mol·K), so ΔH / R = 10,000 K

The end of a metric's name says that it is judged by a profile, and by which; whatever stands before it is free
(`fridge-7.usp-cold:mCel`). No other name is: a freezer keeps other limits, and who insures against warmth but pays for
no suspicious reading wants a sensor whose warmth is not suspicious by itself. Values are thousandths of a degree
Celsius, limits those of USP <659>:

| name ends in | keeps | excursions between | spikes of at most a day | kinetic mean |
|---|---|---|---|---|
| `usp-cold:mCel` | 2 to 8 °C | 0 and 15 °C | up to 25 °C | 8 °C over 24 h |
| `usp-room:mCel` | 20 to 25 °C | 15 and 30 °C | up to 40 °C | 25 °C over 30 days |

The whole names `temperature.cold.mdegC` and `temperature.room.mdegC`, the only ones up to model 3, ask for the same.

Flagged are readings beyond excursions and spikes, spikes that last longer than a day, and readings above the range
while the kinetic mean is too high. Within the range and what excursions allow nothing is flagged.

Rules: readings count alike, one per slot, as if each held until the next; a slot without one counts nothing. The window
moves in 24 or 30 steps. A spike goes on through a gap. Late readings are judged by the plain limits alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gridwitness.domain.readings import Score
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring.channels import NORMAL, flagged_bps
from gridwitness.scoring.integers import clamp

_BITS = 60
_ONE = 1 << _BITS
_LN2 = 799_144_290_325_165_978
"""⌊ln 2 · 2^60⌋."""

_ZERO_C_MK = 273_150
_ACTIVATION_MK = 10_000_000
# Weights are relative to 20 °C, so that they stay near 1.
_REFERENCE = (_ACTIVATION_MK << _BITS) // (20_000 + _ZERO_C_MK)
_COLDEST_MC, _HOTTEST_MC = -200_000, 200_000
_ALLOWED_BPS, _SPIKE_BPS = 5_000, 9_000


@dataclass(frozen=True, slots=True)
class StorageProfile:
    """Limits in thousandths of a degree Celsius; the kinetic mean's window in steps of `step_slots`."""

    low_mc: int
    high_mc: int
    excursion_low_mc: int
    excursion_high_mc: int
    spike_high_mc: int
    kinetic_mc: int
    steps: int
    step_slots: int

    @property
    def window(self) -> str:
        """The window as a person says it."""
        hours = self.steps * self.step_slots * 24 // SLOTS_PER_DAY
        return f"{hours} hours" if hours <= 24 else f"{hours // 24} days"


COLD = StorageProfile(2_000, 8_000, 0, 15_000, 25_000, 8_000, 24, SLOTS_PER_DAY // 24)
ROOM = StorageProfile(20_000, 25_000, 15_000, 30_000, 40_000, 25_000, 30, SLOTS_PER_DAY)
_ENDINGS = {"usp-cold:mCel": COLD, "usp-room:mCel": ROOM}
_NAMES = {"temperature.cold.mdegC": COLD, "temperature.room.mdegC": ROOM}
SPIKE_SLOTS = SLOTS_PER_DAY


def profile_of(metric: str) -> StorageProfile | None:
    """The profile a metric's name asks for, or None."""
    asked = (profile for ending, profile in _ENDINGS.items() if metric.endswith(ending))
    return next(asked, _NAMES.get(metric))


@dataclass(slots=True)
class ChainState:
    """What is remembered of one sensor: rows (step, sum of weights, readings), and when a spike began (-1: none)."""

    steps: list[list[int]] = field(default_factory=list)
    spike_since: int = -1


def exp_q60(value: int) -> int:
    """e^value, both in 1/2^60, rounded down; value between −40 and 40."""
    doublings, rest = divmod(value, _LN2)
    total = term = _ONE
    count = 0
    while term:
        count += 1
        term = (term * rest >> _BITS) // count
        total += term
    return total << doublings if doublings >= 0 else total >> -doublings


def ln_q60(value: int) -> int:
    """Natural logarithm of a positive value, both in 1/2^60, rounded towards less.

    Binary digits come from repeated squaring (D. Knuth, TAOCP 1, section 1.2.2, exercise 25).
    """
    exponent = value.bit_length() - 1 - _BITS
    mantissa = value >> exponent if exponent >= 0 else value << -exponent
    log2 = exponent << _BITS
    for bit in range(_BITS - 1, -1, -1):
        mantissa = mantissa * mantissa >> _BITS
        if mantissa >= 2 * _ONE:
            mantissa >>= 1
            log2 += 1 << bit
    return log2 * _LN2 >> _BITS


def weight_of(temperature_mc: int) -> int:
    """How fast goods age at a temperature, in 1/2^60 of how fast they do at 20 °C."""
    temperature_mk = clamp(temperature_mc, _COLDEST_MC, _HOTTEST_MC) + _ZERO_C_MK
    return exp_q60(_REFERENCE - (_ACTIVATION_MK << _BITS) // temperature_mk)


def kinetic_mean_mc(weights: int, readings: int) -> int:
    """Mean kinetic temperature (thousandths of a degree Celsius, to the nearest) of summed weights of some readings."""
    exponent = _REFERENCE - ln_q60(max(weights // readings, 1))
    return (2 * (_ACTIVATION_MK << _BITS) // exponent + 1) // 2 - _ZERO_C_MK


def score_excursion(chain: ChainState, slot: int, profile: StorageProfile, value_mc: int) -> Score:
    """Score a sensor's reading of a slot after all before it, and learn from it."""
    step = slot // profile.step_slots
    chain.steps = [row for row in chain.steps if row[0] > step - profile.steps]
    if not chain.steps or chain.steps[-1][0] != step:
        chain.steps.append([step, 0, 0])
    chain.steps[-1][1] += weight_of(value_mc)
    chain.steps[-1][2] += 1
    is_spike = profile.excursion_high_mc < value_mc <= profile.spike_high_mc
    chain.spike_since = (chain.spike_since if chain.spike_since >= 0 else slot) if is_spike else -1
    plain = score_limits(profile, value_mc)
    if is_spike and slot - chain.spike_since >= SPIKE_SLOTS:
        reason = f"above {_celsius(profile.excursion_high_mc)} for more than {SPIKE_SLOTS * 24 // SLOTS_PER_DAY} hours"
        return Score(flagged_bps(slot - chain.spike_since + 1, SPIKE_SLOTS), "excursion", reason)
    mean_mc = kinetic_mean_mc(sum(row[1] for row in chain.steps), sum(row[2] for row in chain.steps))
    if value_mc > profile.high_mc and mean_mc > profile.kinetic_mc and plain.score_bps <= _SPIKE_BPS:
        reason = (
            f"kept at {_celsius(mean_mc)} in the kinetic mean of the last {profile.window}, "
            f"at most {_celsius(profile.kinetic_mc)} is allowed"
        )
        return Score(flagged_bps(mean_mc, profile.kinetic_mc), "excursion", reason)
    return plain


def score_limits(profile: StorageProfile, value_mc: int) -> Score:
    """Score a temperature by itself."""
    if value_mc > profile.spike_high_mc:
        over = flagged_bps(value_mc, profile.spike_high_mc)
        return Score(over, "excursion", f"{_celsius(value_mc)}, never above {_celsius(profile.spike_high_mc)} allowed")
    if value_mc < profile.excursion_low_mc:
        under = flagged_bps(profile.excursion_low_mc - value_mc, 0)
        return Score(
            under, "excursion", f"{_celsius(value_mc)}, never below {_celsius(profile.excursion_low_mc)} allowed"
        )
    if profile.low_mc <= value_mc <= profile.high_mc:
        return NORMAL
    bps = _SPIKE_BPS if value_mc > profile.excursion_high_mc else _ALLOWED_BPS
    usual = f"{_celsius(profile.low_mc)} to {_celsius(profile.high_mc)}"
    return Score(bps, "excursion", f"{_celsius(value_mc)} where {usual} is kept")


def _celsius(value_mc: int) -> str:
    """Thousandths of a degree as text, rounded to tenths."""
    tenths = (abs(value_mc) + 50) // 100
    return f"{'-' if value_mc < 0 and tenths else ''}{tenths // 10}.{tenths % 10} °C"
