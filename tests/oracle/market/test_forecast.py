"""Forecasts: their shape, and their worth on the bundled weeks."""

from pathlib import Path

import numpy as np
import pytest

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.errors import InputError
from gridwitness.market.forecast import LEVELS, Forecast, forecast_day, whole_days
from gridwitness.sources.community import Community, load_community

DATA = Path(__file__).parents[3] / "data" / "simbench-rural1"
HISTORY_DAYS = 3


@pytest.fixture(scope="module")
def bundled_village() -> Community:
    return load_community(DATA)


def test_forecast__same_value_every_day__is_certain() -> None:
    forecast = forecast_day(np.full((3, SLOTS_PER_DAY), 250))
    assert forecast.scenarios_wh.shape == (SLOTS_PER_DAY, len(LEVELS))
    assert (forecast.scenarios_wh == 250).all()


def test_forecast__recent_day_differs__median_leans_to_it() -> None:
    old, recent = np.zeros((1, SLOTS_PER_DAY)), np.full((1, SLOTS_PER_DAY), 1000)
    forecast = forecast_day(np.concatenate([old, recent]).astype(np.int64))
    assert (forecast.quantile_wh(0.5) > 500).all()


def test_forecast__noise__quantiles_ascend_and_repeat_exactly() -> None:
    history_wh = np.random.default_rng(5).integers(-2000, 2000, (3, SLOTS_PER_DAY))
    first, second = forecast_day(history_wh), forecast_day(history_wh.copy())
    assert (np.diff(first.scenarios_wh, axis=1) >= 0).all()
    assert first.scenarios_wh.tobytes() == second.scenarios_wh.tobytes()
    low, mid, high = (first.quantile_wh(level) for level in (0.1, 0.5, 0.9))
    assert (low < mid).all()
    assert (mid < high).all()
    np.testing.assert_allclose(low, first.scenarios_wh[:, :2].mean(axis=1))


@pytest.mark.parametrize("shape", [(0, 96), (2, 95), (96,)])
def test_forecast__no_whole_day__error_names_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"history has shape \(.*\); it must be days \(at least 1\) × 96"):
        forecast_day(np.zeros(shape, dtype=np.int64))


def test_quantile__level_beyond_scenarios__error_names_limits() -> None:
    with pytest.raises(InputError, match=r"quantile level 0\.99 is outside 0\.05 to 0\.95"):
        forecast_day(np.zeros((1, 96), dtype=np.int64)).quantile_wh(0.99)


def test_forecast__bundled_weeks__beats_yesterday_and_covers_its_band(bundled_village: Community) -> None:
    levels = (0.1, 0.5, 0.9)
    errors, naive_errors, pinball, naive_pinball, covered = [], [], [], [], []
    for block in bundled_village.blocks:
        for day in block.days[1:]:
            known = range(max(block.days.start, day - HISTORY_DAYS), day)
            for meter in bundled_village.meters:
                history_wh = bundled_village.days_wh(meter, known)
                actual_wh = bundled_village.days_wh(meter, range(day, day + 1))[0]
                forecast = forecast_day(history_wh)
                low, median, high = (forecast.quantile_wh(level) for level in levels)
                errors.append(np.abs(actual_wh - median).mean())
                naive_errors.append(np.abs(actual_wh - history_wh[-1]).mean())
                for level, quantile_wh in zip(levels, (low, median, high), strict=True):
                    pinball.append(pinball_loss(actual_wh - quantile_wh, level))
                    naive_pinball.append(pinball_loss(actual_wh - history_wh[-1], level))
                covered.append(((actual_wh >= low) & (actual_wh <= high)).mean())
    print(f"MAE {np.mean(errors) / np.mean(naive_errors):.3f}, pinball {np.mean(pinball) / np.mean(naive_pinball):.3f}")
    print(f"coverage {np.mean(covered):.3f} of {len(covered)} days")
    assert np.mean(errors) < np.mean(naive_errors)
    assert np.mean(pinball) < 0.7 * np.mean(naive_pinball)
    assert 0.75 < np.mean(covered) < 0.9


def pinball_loss(excess_wh: np.ndarray, level: float) -> float:
    """Mean quantile loss of actual − quantile."""
    return float(np.maximum(level * excess_wh, (level - 1) * excess_wh).mean())


def test_whole_days__today_begun__rest_is_as_yesterday() -> None:
    known_wh = np.concatenate([np.arange(SLOTS_PER_DAY), np.full(10, -5)])
    days_wh = whole_days(known_wh)
    assert days_wh.shape == (2, SLOTS_PER_DAY)
    assert (days_wh[1, :10] == -5).all()
    assert (days_wh[1, 10:] == np.arange(10, SLOTS_PER_DAY)).all()


def test_whole_days__less_than_a_day__rest_is_the_mean() -> None:
    assert whole_days(np.array([100, 300]))[0].tolist() == [100, 300] + [200] * (SLOTS_PER_DAY - 2)


def test_whole_days__nothing_known__is_refused() -> None:
    with pytest.raises(InputError, match="history is empty"):
        whole_days(np.array([], dtype=np.int64))


def test_extreme_totals__import_and_export__are_summed_at_the_ends_of_the_scenarios() -> None:
    scenarios_wh = np.zeros((SLOTS_PER_DAY, len(LEVELS)))
    scenarios_wh[0] = np.arange(10) * 100 - 400
    scenarios_wh[1] = np.arange(10) + 1
    assert Forecast(scenarios_wh).extreme_totals_wh() == (510, 400)


def test_shift__certain_energy__moves_every_quantile_by_it() -> None:
    forecast = forecast_day(np.random.default_rng(5).integers(-2000, 2000, (3, SLOTS_PER_DAY)))
    shifted = forecast.shifted([500] * SLOTS_PER_DAY)
    for level in (0.1, 0.5, 0.9):
        assert shifted.quantile_wh(level) == pytest.approx(forecast.quantile_wh(level) + 500)
