"""What an index says: python report.py DATABASE"""

import sqlite3
import sys
from contextlib import closing

import pandas as pd

with closing(sqlite3.connect(sys.argv[1])) as index:
    cleared = pd.read_sql("SELECT zone, slot, price_per_kwh, volume_wh FROM cleared", index)
    batches = pd.read_sql(
        "SELECT name AS stream, readings, flagged, EXISTS (SELECT * FROM superseded AS later WHERE"
        " (later.stream_id, later.seq) = (batch.stream_id, batch.seq)) AS superseded"
        " FROM batch JOIN stream USING (stream_id)",
        index,
    )

cleared["day"] = pd.to_datetime(cleared["slot"] * 900, unit="s").dt.strftime("%Y-%m-%d")
cleared["traded_kwh"] = cleared["volume_wh"] / 1_000
cleared["turnover_eur"] = cleared["traded_kwh"] * cleared["price_per_kwh"] / 1_000_000
days = cleared.groupby(["zone", "day"])[["traded_kwh", "turnover_eur"]].sum()
days["mean_eur_per_kwh"] = days["turnover_eur"] / days["traded_kwh"]
print("Traded energy per zone and day (UTC)", days.round(3).to_string(), sep="\n")

streams = batches.groupby("stream")[["readings", "flagged", "superseded"]].sum()
streams.insert(0, "batches", batches.groupby("stream").size())
print("\nBatches per stream", streams.to_string(), sep="\n")
