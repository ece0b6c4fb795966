"""Remaining life: close once wear shows, intervals that hold, and nothing from the future."""

from __future__ import annotations

import numpy as np
import pytest

from gridwitness.errors import InputError
from gridwitness.scoring.remaining_life import DEFAULT_LIFE_PARAMS, LifeModel
from gridwitness.scoring.remaining_life.features import Normalisation, unit_features
from gridwitness.scoring.remaining_life.model import HeldOut, hold_out, interval, remaining_lives

from .fleet import WEAR_CYCLES, after, worn_units

PARAMS = DEFAULT_LIFE_PARAMS._replace(cap=WEAR_CYCLES, centres=200, neighbours=200)

# What reports show as this model, with its estimates (cycles, and the 90 % interval) of a unit 5 and 35 cycles before
# its end. Where one of these numbers changes, MODEL_VERSION has to.
GOLDEN_HASH = "d1bed411d9819dbbfae2530b2c3d28a69720338628cd12acca893da2e90ecec3"
GOLDEN_ESTIMATES = {5: (5.81814, 4.53663, 8.01021), 35: (35.72433, 32.42544, 40.75944)}


@pytest.fixture(scope="module")
def model() -> LifeModel:
    return LifeModel(worn_units(30), PARAMS)


def test_estimate__running_units__is_close_and_its_intervals_hold(model: LifeModel) -> None:
    estimates = [
        (model.estimate(after(unit, len(unit.sensors) - left)), left)
        for unit in worn_units(20, seed=2)
        for left in (5, 15, 25, 35, 45, 55)
    ]
    assert np.sqrt(np.mean([(one.remaining - left) ** 2 for one, left in estimates])) < 3
    assert 0.8 <= np.mean([one.low <= left <= one.high for one, left in estimates]) <= 0.99
    assert np.mean([one.high - one.low for one, _ in estimates]) < 10
    assert all(0 <= one.low <= one.high <= WEAR_CYCLES for one, _ in estimates)


def test_estimate__health__is_whole_when_new_and_gone_at_the_end(model: LifeModel) -> None:
    unit = worn_units(1, seed=3)[0]
    assert model.estimate(after(unit, len(unit.sensors) - WEAR_CYCLES - 10)).health_bps > 9_000
    assert model.estimate(unit).health_bps < 1_000


def test_unit_features__later_cycles__change_nothing_before_them() -> None:
    values = np.random.default_rng(1).standard_normal((80, 3))
    assert np.array_equal(unit_features(values)[:50], unit_features(values[:50]))


def test_normalisation__operating_points__are_taken_out() -> None:
    units = worn_units(20, points=3)
    normalisation = Normalisation.of(units)
    assert normalisation.used.tolist() == [0, 1]  # the third sensor never changes
    fresh = np.concatenate([normalisation.apply(unit)[:20] for unit in units])
    at = np.concatenate([unit.settings[:20, 0] for unit in units])
    means = [fresh[at == point].mean(axis=0) for point in np.unique(at)]
    assert len(means) == 3
    assert np.ptp(means, axis=0).max() < 0.2


def test_hold_out__every_unit__is_estimated_once_after_its_first_cycles() -> None:
    units = worn_units(12)
    held_out = hold_out(units, PARAMS)
    assert sorted(held_out.unit) == sorted(
        unit.number for unit in units for _ in range(len(unit.sensors) - PARAMS.first_cycle)
    )
    of_third = held_out.unit == 3
    true = held_out.estimates[of_third] + held_out.errors[of_third]
    assert true == pytest.approx(remaining_lives(units[2], WEAR_CYCLES)[PARAMS.first_cycle :])


def test_interval__errors_differ_by_estimate__takes_those_nearby() -> None:
    estimates = np.repeat([10.0, 50.0], 200)
    errors = np.concatenate([np.linspace(-1, 1, 200), np.linspace(-20, 20, 200)])
    held_out = HeldOut(np.arange(400), estimates, errors)
    assert interval(held_out, 10.0, PARAMS) == pytest.approx((9.1, 10.9), abs=0.01)
    assert interval(held_out, 50.0, PARAMS) == pytest.approx((32, WEAR_CYCLES), abs=0.2)


def test_life_model__too_little_to_learn_from__names_the_limit() -> None:
    with pytest.raises(InputError, match="9 units that ran to failure; at least 10"):
        LifeModel(worn_units(9), PARAMS)
    short = [after(unit, 15) if unit.number == 4 else unit for unit in worn_units(12)]
    with pytest.raises(InputError, match="unit 4 has 15 cycles; at least 16"):
        LifeModel(short, PARAMS)


def test_model_hash__any_parameter__changes_it() -> None:
    changed = [PARAMS._replace(**{name: 2 * value}).model_hash() for name, value in PARAMS._asdict().items()]
    assert len({PARAMS.model_hash(), *changed}) == 1 + len(changed)


def test_model_hash__this_version__is_the_one_published() -> None:
    assert DEFAULT_LIFE_PARAMS.model_hash().hex() == GOLDEN_HASH


def test_estimate__this_version__gives_the_published_values() -> None:
    model, unit = LifeModel(worn_units(30)), worn_units(1, seed=2)[0]
    estimates = {left: model.estimate(after(unit, len(unit.sensors) - left)) for left in GOLDEN_ESTIMATES}
    # Kinds of processors differ by less than 1e-7 cycles.
    assert {left: (one.remaining, one.low, one.high) for left, one in estimates.items()} == {
        left: pytest.approx(cycles, abs=2e-5) for left, cycles in GOLDEN_ESTIMATES.items()
    }
