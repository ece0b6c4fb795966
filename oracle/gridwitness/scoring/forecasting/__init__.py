"""Day-ahead forecasts of hourly load and PV generation with quantiles. They guide and are never co-signed."""

from gridwitness.scoring.forecasting.day_ahead import QUANTILES, forecast_day_ahead, least_days
from gridwitness.scoring.forecasting.params import DEFAULT_FORECAST_PARAMS, ForecastParams

__all__ = ["DEFAULT_FORECAST_PARAMS", "QUANTILES", "ForecastParams", "forecast_day_ahead", "least_days"]
