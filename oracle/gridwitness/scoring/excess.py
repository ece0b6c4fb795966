"""Excess of a zone: what a slot came to, and what the excesses of slots add up to.

A slot's tally is kept as long as a meter may still report the slot late: then the guess that stood for it makes room
for its value, and what was added up since is added up anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt

from gridwitness.scoring.attribution import Evidence
from gridwitness.scoring.integers import clamp
from gridwitness.scoring.loss import LossModel
from gridwitness.scoring.neighbours import Expectation
from gridwitness.scoring.params import ScorerParams

# One honest slot's excess is within a sigma or so: it must stand above the drift to add up, and no slot alone alarms.
_Q4 = 16
_DRIFT_Q4 = 14
_MAX_STEP_Q4 = 8 * _Q4
_MAX_SUM_Q4 = 48 * _Q4
_ALARM_Q4 = 9 * _Q4


@dataclass(frozen=True, slots=True)
class Tally:
    """A slot's feeder reading, the sum of its meters, of their squares (Wh²), and of the squared doubts about guesses.

    `unsure` are the meters that were silent or stuck, which are guessed.
    """

    feeder_wh: int
    total_wh: int = 0
    squares: int = 0
    doubt: int = 0
    unsure: tuple[bytes, ...] = ()

    def plus(self, value_wh: int) -> Tally:
        """With the value of a meter."""
        return replace(self, total_wh=self.total_wh + value_wh, squares=self.squares + value_wh * value_wh)

    def plus_guess(self, device_id: bytes, due: Expectation) -> Tally:
        """With a guess for a meter."""
        guessed = self.plus(due.value_wh)
        return replace(guessed, doubt=self.doubt + due.error_wh**2, unsure=(*self.unsure, device_id))

    def with_late(self, device_id: bytes, due: Expectation, value_wh: int) -> Tally:
        """With the value of a meter in place of the guess that stood for it."""
        return replace(
            self,
            total_wh=self.total_wh - due.value_wh + value_wh,
            squares=self.squares - due.value_wh**2 + value_wh**2,
            doubt=self.doubt - due.error_wh**2,
            unsure=tuple(one for one in self.unsure if one != device_id),
        )

    @property
    def missing_wh(self) -> int:
        """What the feeder sees and no meter reports, losses included."""
        return self.feeder_wh - self.total_wh

    @property
    def is_plausible(self) -> bool:
        """Whether losses may be what is missing: they are never half of what flows."""
        return 2 * abs(self.missing_wh) <= isqrt(self.feeder_wh * self.feeder_wh + self.squares)

    def nominal_sigma_wh(self, params: ScorerParams, loss: LossModel) -> int:
        """Standard deviation (Wh) the excess should have, guesses aside."""
        return loss.nominal_sigma_wh(params, self.feeder_wh, self.squares, loss.estimate_wh(self.feeder_wh))

    def evidence(self, params: ScorerParams, loss: LossModel, slot: int) -> Evidence:
        """Excess over the losses, and its standard deviation."""
        sigma_wh = isqrt(loss.sigma_wh(params, self.nominal_sigma_wh(params, loss)) ** 2 + self.doubt)
        return Evidence(slot, self.missing_wh - loss.estimate_wh(self.feeder_wh), sigma_wh, self.unsure)


@dataclass(frozen=True, slots=True)
class Sums:
    """Two cumulative sums of excess (sigmas / 16), and the slots in which they last left zero (-1: they are there)."""

    more_q4: int = 0
    less_q4: int = 0
    more_since: int = -1
    less_since: int = -1

    def plus(self, item: Evidence) -> Sums:
        """With a slot's excess."""
        step = clamp(_Q4 * item.excess_wh // item.sigma_wh, -_MAX_STEP_Q4, _MAX_STEP_Q4)
        more_q4 = clamp(self.more_q4 + step - _DRIFT_Q4, 0, _MAX_SUM_Q4)
        less_q4 = clamp(self.less_q4 - step - _DRIFT_Q4, 0, _MAX_SUM_Q4)
        return Sums(
            more_q4,
            less_q4,
            (self.more_since if self.more_since >= 0 else item.slot) if more_q4 else -1,
            (self.less_since if self.less_since >= 0 else item.slot) if less_q4 else -1,
        )

    @property
    def alarmed(self) -> bool:
        """Whether the excess has lasted."""
        return max(self.more_q4, self.less_q4) >= _ALARM_Q4

    @property
    def since(self) -> int | None:
        """When the earlier of the two left zero."""
        return min((slot for slot in (self.more_since, self.less_since) if slot >= 0), default=None)

    @property
    def alarmed_since(self) -> int:
        """When the excess that has lasted began; only where `alarmed`."""
        sums = ((self.more_q4, self.more_since), (self.less_q4, self.less_since))
        return min(slot for total, slot in sums if total >= _ALARM_Q4)
