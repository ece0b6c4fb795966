"""Expected prices from past ones: a CSV with the columns `slot_start, price_eur_per_kwh`, as a demo's clearings.csv.

Other columns are ignored. Each quarter hour of the day is expected to cost what it last cost before that day.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gridwitness.domain.market import EUR
from gridwitness.domain.slots import SLOT_SECONDS, SLOTS_PER_DAY, slots_of_day
from gridwitness.errors import InputError
from gridwitness.sources.community_data import date_of

COLUMNS = ("slot_start", "price_eur_per_kwh")


def load_expected_prices(path: Path, day: int) -> tuple[int, ...]:
    """Expected prices (1e-6 EUR per kWh) of a day's 96 slots. Raises InputError if the file does not give them all."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[0]
        raise InputError(f"prices {path} cannot be read: {reason}") from error
    for column in COLUMNS:
        if column not in table.columns:
            raise InputError(f"prices {path}: column {column} is missing", hint=f"needed are {', '.join(COLUMNS)}")
    times = pd.to_datetime(table["slot_start"], utc=True, format="ISO8601", errors="coerce")
    prices = pd.to_numeric(table["price_eur_per_kwh"], errors="coerce")
    for column, values in zip(COLUMNS, (times, prices), strict=True):
        if values.isna().any():
            row = int(values.isna().to_numpy().argmax())
            raise InputError(f"prices {path}, row {row + 1}: {column} {table[column].iloc[row]} cannot be read")
    slots = times.dt.as_unit("s").astype("int64") // SLOT_SECONDS
    known = pd.DataFrame({"slot": slots, "price": (prices * EUR).round().astype("int64")})
    past = known[known["slot"] < slots_of_day(day).start].sort_values("slot", kind="stable")
    last = past.groupby(past["slot"] % SLOTS_PER_DAY)["price"].last()
    missing = sorted(set(range(SLOTS_PER_DAY)) - set(last.index))
    if missing:
        hour, minute = divmod(missing[0] * 15, 60)
        raise InputError(
            f"prices {path}: no price of {hour:02d}:{minute:02d} UTC before {date_of(day)}, nor of "
            f"{len(missing) - 1} other quarter hours",
            hint="every quarter hour needs one from an earlier day",
        )
    return tuple(int(price) for price in last.sort_index())
