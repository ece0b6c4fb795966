"""A meter's next day: the day-ahead forecast on what the site's log has of it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from gridwitness.api.portal.protocols import Viewer
from gridwitness.api.portal.views import ForecastView
from gridwitness.domain.devices import Device, DeviceKind
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOTS_PER_DAY, slot_start, slots_of_day
from gridwitness.service.portal.sources import Site, hexed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HOUR_S = 3_600
_FORECASTS_KEPT = 1_000


class Outlook:
    """Forecasts, each made when it is first asked for and kept: it changes once a day, when a day is complete."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._kept: OrderedDict[tuple[bytes, range], ForecastView] = OrderedDict()

    def forecast(self, viewer: Viewer, device_id: bytes) -> ForecastView | None:
        """The day after the newest complete one; None if its history is too short, or not for this viewer."""
        # Imported here: numpy would slow the start of every command.
        from gridwitness.service.net_forecast import LEAST_DAYS, MOST_DAYS

        visible = self._site.visible_device(viewer, device_id)
        if visible is None:
            return None
        device, since = visible
        days = _complete_days(self._site, device_id, since, MOST_DAYS)
        if len(days) < LEAST_DAYS:
            return None
        kept = self._kept.get((device_id, days))
        if kept is None:
            kept = self._kept[device_id, days] = _forecast(self._site, device, days)
            while len(self._kept) > _FORECASTS_KEPT:
                self._kept.popitem(last=False)
        return kept


def _forecast(site: Site, device: Device, days: range) -> ForecastView:
    from gridwitness.scoring.forecasting import DEFAULT_FORECAST_PARAMS
    from gridwitness.service.net_forecast import forecast_net_hours, weekday_of

    weekday = None if device.kind is DeviceKind.GENERATION else weekday_of(days[0])
    low_wh, median_wh, high_wh = forecast_net_hours(_slots(site, device.device_id, days), weekday).T
    return ForecastView(
        device_id=hexed(device.device_id),
        time_from=(days[-1] + 1) * SECONDS_PER_DAY,
        interval_s=_HOUR_S,
        model=DEFAULT_FORECAST_PARAMS.model_label(),
        low_wh=_whole(low_wh),
        median_wh=_whole(median_wh),
        high_wh=_whole(high_wh),
    )


def _complete_days(site: Site, device_id: bytes, since: int, most: int) -> range:
    """The newest days in a row of which every slot is attested."""
    query = "SELECT day FROM device_days WHERE device = ? AND slots = ? AND day >= ? ORDER BY day DESC LIMIT ?"
    first = -(-since // SECONDS_PER_DAY)
    days = [day for (day,) in site.index.rows(query, (device_id, SLOTS_PER_DAY, first, most))]
    count = next((place for place, day in enumerate(days) if day != days[0] - place), len(days))
    return range(days[count - 1], days[0] + 1) if days else range(0)


def _slots(site: Site, device_id: bytes, days: range) -> NDArray[np.int64]:
    """Net energy (Wh) per day and slot."""
    import numpy as np

    values = []
    for day in days:
        starts = [slot_start(slot) for slot in slots_of_day(day)]
        found = site.log.values_of_day(device_id, starts)
        values.append([found.get(start, 0) for start in starts])
    return np.array(values, dtype=np.int64)


def _whole(values: Any) -> list[int]:
    return [round(value) for value in values.tolist()]
