"""A net meter's quarter hours a day ahead: by the model with a long history, by the last days with a short one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gridwitness.errors import InputError
from gridwitness.market.forecast import forecast_day
from gridwitness.service.net_forecast import LEAST_DAYS, forecast_net_day, forecast_net_hours, weekday_of
from tests.oracle.scoring.forecasting.series import household, roof

MONDAY = 20_458  # 2026-01-05
TESTED_DAYS = 12


def home_wh(days: int, kwp: float) -> NDArray[np.int64]:
    """A household from a Monday on, with a roof of that size, whose quarters stray from their hour."""
    hours = 250 * (household(days) - kwp * roof(days))
    stray = np.random.default_rng(5).normal(0, 30, (days, 24, 4))
    return np.rint(hours[:, :, None] + stray).astype(np.int64).reshape(days, 96)


@pytest.mark.parametrize("kwp", [0.0, 1.5])
def test_forecast_net_day__long_history__errs_less_than_by_the_last_days_and_holds_what_comes(kwp: float) -> None:
    history_wh = home_wh(LEAST_DAYS + 30, kwp)
    errors, errors_of_few, below = [], [], []
    for day in range(len(history_wh) - TESTED_DAYS, len(history_wh)):
        actual_wh = history_wh[day]
        forecast = forecast_net_day(history_wh[:day], MONDAY + day)
        errors.append(np.abs(actual_wh - forecast.quantile_wh(0.5)).mean())
        errors_of_few.append(np.abs(actual_wh - forecast_day(history_wh[day - 3 : day]).quantile_wh(0.5)).mean())
        below.append([(actual_wh < forecast.quantile_wh(level)).mean() for level in (0.1, 0.5, 0.9)])
        assert (np.diff(forecast.scenarios_wh, axis=1) >= 0).all()
    assert np.mean(errors) < 0.9 * np.mean(errors_of_few)
    low, middle, high = np.mean(below, axis=0)
    assert low < 0.2 < 0.3 < middle < 0.7 < 0.8 < high


def test_forecast_net_day__short_history__is_the_ensembles() -> None:
    history_wh = home_wh(LEAST_DAYS - 1, 1.5)
    taken = forecast_net_day(history_wh, MONDAY + len(history_wh))
    assert (taken.scenarios_wh == forecast_day(history_wh).scenarios_wh).all()


def test_forecast_net_day__weekend_comes__is_more_as_weekends_are() -> None:
    friday = LEAST_DAYS + 5 - LEAST_DAYS % 7
    history_wh = home_wh(friday + 3, 0.0)
    saturday, tuesday = (
        forecast_net_day(history_wh[:known], MONDAY + known).quantile_wh(0.5).sum() for known in (friday, friday + 3)
    )
    assert saturday > 1.2 * tuesday


def test_forecast_net_hours__plant_at_night__is_nothing() -> None:
    history_wh = -np.rint(250 * np.repeat(roof(LEAST_DAYS), 4, axis=1)).astype(np.int64)
    hours_wh = forecast_net_hours(history_wh, None)
    assert (hours_wh[:5] == 0).all() and (hours_wh[22:] == 0).all()
    assert (hours_wh[12] < 0).all() and (np.diff(hours_wh, axis=1) >= 0).all()
    with pytest.raises(InputError, match="at least"):
        forecast_net_hours(history_wh[1:], None)


def test_weekday_of__known_days__are_the_calendars() -> None:
    assert [weekday_of(day) for day in (0, MONDAY, MONDAY + 6)] == [3, 0, 6]
