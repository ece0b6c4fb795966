"""A day ahead: quantiles in order, close, calibrated, and from nothing but the past."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gridwitness.errors import InputError
from gridwitness.scoring.forecasting import DEFAULT_FORECAST_PARAMS, QUANTILES, forecast_day_ahead, least_days
from gridwitness.scoring.forecasting.features import DAYS_BEFORE, past_features
from gridwitness.scoring.forecasting.regression import fit_median

from .series import household, roof

MONDAY = 0


def test_forecast_day_ahead__household__has_ordered_quantiles_that_are_not_negative() -> None:
    quantiles = forecast_day_ahead(household(150), first_weekday=MONDAY)
    assert quantiles.shape == (24, len(QUANTILES))
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (quantiles >= 0).all()


def test_forecast_day_ahead__household__errs_less_than_yesterday_and_is_calibrated() -> None:
    values = household(190)
    starts = range(150, 190)
    forecasts = np.stack([forecast_day_ahead(values[:day], first_weekday=MONDAY) for day in starts])
    actual = values[150:]
    error = np.abs(actual - forecasts[..., 1]).mean()
    # Of two draws of the same noise one differs from the other by √2 of what it does from the middle.
    assert error < 0.75 * np.abs(actual - values[149:-1]).mean()
    below = (actual[..., None] < forecasts).mean(axis=(0, 1))
    assert below == pytest.approx(QUANTILES, abs=0.05)


def test_forecast_day_ahead__weekend__follows_the_weekday_it_is_told() -> None:
    values = household(150, noise=0.05)  # its day 150 is a Wednesday if day 0 was a Monday
    midweek = forecast_day_ahead(values, first_weekday=MONDAY)[:, 1].sum()
    saturday = forecast_day_ahead(values[:145], first_weekday=MONDAY)[:, 1].sum()
    assert saturday == pytest.approx(1.6 * midweek, rel=0.1)


def test_forecast_day_ahead__roof__is_dark_at_night() -> None:
    quantiles = forecast_day_ahead(roof(150), first_weekday=None)
    assert (quantiles[:6] == 0).all()
    assert (quantiles[9:15] > 0).all()


def test_forecast_day_ahead__scaled_history__scales_the_forecast() -> None:
    values = household(150)
    scaled = forecast_day_ahead(1_000 * values, first_weekday=MONDAY)
    assert scaled == pytest.approx(1_000 * forecast_day_ahead(values, first_weekday=MONDAY), rel=1e-6)


def test_forecast_day_ahead__too_few_days__names_the_limit() -> None:
    least = least_days(DEFAULT_FORECAST_PARAMS)
    with pytest.raises(InputError, match=rf"shape \({least - 1}, 24\); it must be days \(at least {least}\)"):
        forecast_day_ahead(household(least - 1), first_weekday=MONDAY)
    assert np.isfinite(forecast_day_ahead(household(least), first_weekday=MONDAY)).all()


def test_past_features__later_days__change_nothing_before_them() -> None:
    values, kinds = household(60), np.arange(61) % 7 // 5
    whole = past_features(values, kinds, (0.1, 0.03))
    prefix = past_features(values[:40], kinds[:41], (0.1, 0.03))
    assert np.array_equal(whole[: 40 - DAYS_BEFORE + 1], prefix)


def test_fit_median__outliers__do_not_move_it() -> None:
    samples = np.column_stack([np.ones(101), np.arange(101.0)])
    targets = 2 + 3 * np.arange(101.0)
    targets[::10] += 100
    assert fit_median(samples, targets, np.ones(101), 1e-9, 40) == pytest.approx([2, 3], rel=0.05, abs=0.5)


def test_fit_median__no_iterations__is_refused() -> None:
    with pytest.raises(InputError, match="iterations are 0; at least 1"):
        fit_median(np.ones((3, 1)), np.ones(3), np.ones(3), 1.0, 0)


def test_model_hash__any_parameter__changes_it() -> None:
    default = DEFAULT_FORECAST_PARAMS
    changed = [default._replace(**{name: 2 * value}).model_hash() for name, value in default._asdict().items()]
    assert len({default.model_hash(), *changed}) == 1 + len(changed)


# What agents and the portal show as this model. Where one of these numbers changes, MODEL_VERSION has to.
GOLDEN_HASH = "2cba9f56bcffa72b581494ae4e9619e08ef78aeef22d6a55d0dd3299883546ca"
GOLDEN_HOUSEHOLD = {7: [0.127343, 0.267675, 0.451141], 19: [0.694496, 1.234180, 2.117679]}
GOLDEN_HOUSEHOLD_MEAN = [0.295951, 0.510778, 0.840155]
GOLDEN_ROOF = {7: [0.068569, 0.145984, 0.216942], 12: [0.299697, 0.571332, 0.853173]}
GOLDEN_ROOF_MEAN = [0.093916, 0.179981, 0.269750]
TOLERANCE = 2e-6  # that of the digits above; kinds of processors differ by less than 1e-9


def test_model_hash__this_version__is_the_one_published() -> None:
    assert DEFAULT_FORECAST_PARAMS.model_hash().hex() == GOLDEN_HASH
    assert DEFAULT_FORECAST_PARAMS.model_label() == f"gridwitness-day-ahead 2 0x{GOLDEN_HASH[:8]}"


@pytest.mark.parametrize(
    ("history", "first_weekday", "hours", "mean"),
    [
        (household(150), MONDAY, GOLDEN_HOUSEHOLD, GOLDEN_HOUSEHOLD_MEAN),
        (roof(150), None, GOLDEN_ROOF, GOLDEN_ROOF_MEAN),
    ],
    ids=["household", "roof"],
)
def test_forecast_day_ahead__this_version__gives_the_published_values(
    history: NDArray[np.float64], first_weekday: int | None, hours: dict[int, list[float]], mean: list[float]
) -> None:
    quantiles = forecast_day_ahead(history, first_weekday=first_weekday)
    assert {hour: quantiles[hour].tolist() for hour in hours} == {
        hour: pytest.approx(values, abs=TOLERANCE) for hour, values in hours.items()
    }
    assert quantiles.mean(axis=0) == pytest.approx(mean, abs=TOLERANCE)
