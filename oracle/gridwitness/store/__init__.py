"""The oracle's durable log: one SQLite file that holds everything acknowledged, voted for and attested."""

from gridwitness.store.batches import BatchLog, StoredBatch, Vote
from gridwitness.store.database import Database
from gridwitness.store.profiles import ProfileLog
from gridwitness.store.readings import Append, ReadingLog, Rejection, StoredReading

__all__ = [
    "Append",
    "BatchLog",
    "Database",
    "ProfileLog",
    "ReadingLog",
    "Rejection",
    "StoredBatch",
    "StoredReading",
    "Vote",
]
