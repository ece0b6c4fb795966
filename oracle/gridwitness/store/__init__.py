"""The oracle's durable log: one SQLite file that holds everything acknowledged, voted for and attested."""

from gridwitness.store.batches import BatchLog, StoredBatch, Vote
from gridwitness.store.conflicts import Append
from gridwitness.store.database import Database
from gridwitness.store.deadletters import DEADLETTERS_KEPT, Rejection
from gridwitness.store.profiles import ProfileLog
from gridwitness.store.readings import ReadingLog
from gridwitness.store.rows import ReadingRow, StoredReading, row_of, signed_of

__all__ = [
    "DEADLETTERS_KEPT",
    "Append",
    "BatchLog",
    "Database",
    "ProfileLog",
    "ReadingLog",
    "ReadingRow",
    "Rejection",
    "StoredBatch",
    "StoredReading",
    "Vote",
    "row_of",
    "signed_of",
]
