"""Technical losses of a zone, learned from slots in which nothing is hidden.

Losses are fitted as a·F² + b·F + c of the feeder's net flow F (Wh per slot): cables heat with the square of the
current, the feeder's meter may be off by a constant share, a transformer idles at a constant loss. Weighted least
squares by the normal equations, in integers: every row is divided by the slot's standard deviation, and ridge terms
hold b and c near zero until the data say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isqrt

from gridwitness.scoring.integers import clamp
from gridwitness.scoring.params import ScorerParams

_UNIT = 256
_SQUARE_SHIFT = 12
_IDLE_WH = 64
# Ridge weights (_UNIT / prior)²: a·2^12 is about 0.01 or less, b about 0.003, c/64 about 0.3.
_RIDGE = ((25_600) ** 2, (85_333) ** 2, (853) ** 2)
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def _columns(flow_wh: int) -> tuple[int, int, int]:
    return flow_wh * flow_wh >> _SQUARE_SHIFT, flow_wh, _IDLE_WH


@dataclass(slots=True)
class LossModel:
    """Normal equations: `products` of the three columns, `targets` with the residual; `learned` slots in them.

    `highest_wh` and `lowest_wh` bound the flows learned; `noise_q8` is the mean |residual error| in 1/256 of the
    sigma that meter classes and doubt alone would give.
    """

    products: list[int] = field(default_factory=lambda: [0] * len(_PAIRS))
    targets: list[int] = field(default_factory=lambda: [0] * 3)
    learned: int = 0
    highest_wh: int = 0
    lowest_wh: int = 0
    noise_q8: int = 205

    def ready(self, params: ScorerParams) -> bool:
        """Whether enough slots were learned to judge a residual."""
        return self.learned >= params.loss_learning_slots

    def estimate_wh(self, flow_wh: int) -> int:
        """Expected losses (Wh) at a feeder flow, by Cramer's rule."""
        xx, xy, xz, yy, yz, zz = self.products
        xx, yy, zz = xx + _RIDGE[0], yy + _RIDGE[1], zz + _RIDGE[2]
        tx, ty, tz = self.targets
        minor_x, minor_y, minor_z = yy * zz - yz * yz, xy * zz - yz * xz, xy * yz - yy * xz
        determinant = xx * minor_x - xy * minor_y + xz * minor_z
        square = tx * minor_x - ty * minor_y + tz * minor_z
        linear = ty * (xx * zz - xz * xz) - tx * minor_y - tz * (xx * yz - xy * xz)
        constant = tz * (xx * yy - xy * xy) - ty * (xx * yz - xy * xz) + tx * minor_z
        columns = _columns(flow_wh)
        return (square * columns[0] + linear * columns[1] + constant * columns[2]) // determinant

    def nominal_sigma_wh(self, params: ScorerParams, flow_wh: int, squares: int, loss_wh: int) -> int:
        """Standard deviation (Wh) the residual should have: accuracy of all meters, rounding, doubt about the losses.

        `squares` is the sum of all meters' squared readings. Losses are doubted by 1/32, beyond the learned flows by
        1/4.
        """
        meters = isqrt(flow_wh * flow_wh + squares) * params.meter_class_ppm // 1_000_000
        inside = self.lowest_wh * 5 // 4 <= flow_wh <= self.highest_wh * 5 // 4
        return params.meter_floor_wh + meters + abs(loss_wh) // (32 if inside else 4)

    def sigma_wh(self, params: ScorerParams, nominal_wh: int) -> int:
        """Standard deviation (Wh) as this zone's own errors show it, a quarter to four times the nominal one."""
        # For normal errors sigma is 5/4 of the mean absolute error (√(π/2) = 1.2533).
        scale_q10 = clamp(5 * self.noise_q8, _UNIT, 16 * _UNIT)
        return max(params.meter_floor_wh, nominal_wh * scale_q10 >> 10)

    def learn(self, params: ScorerParams, flow_wh: int, residual_wh: int, nominal_wh: int, error_wh: int) -> None:
        """Add an honest slot; `error_wh` is how far its residual was from the estimate made before."""
        row = [column * _UNIT // nominal_wh for column in _columns(flow_wh)]
        target = residual_wh * _UNIT // nominal_wh
        for index, (left, right) in enumerate(_PAIRS):
            self.products[index] += row[left] * row[right]
        for index in range(3):
            self.targets[index] += row[index] * target
        if self.ready(params):
            self.noise_q8 += (min(abs(error_wh) * 256 // nominal_wh, 1_024) - self.noise_q8) // 64
        self.learned += 1
        self.highest_wh, self.lowest_wh = max(self.highest_wh, flow_wh), min(self.lowest_wh, flow_wh)
        if self.learned >= params.loss_memory_slots:
            self.products = [product // 2 for product in self.products]
            self.targets = [value // 2 for value in self.targets]
            self.learned //= 2
