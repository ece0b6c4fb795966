"""Delivery days: which devices have all 96 readings attested, and which profiles stand on chain."""

from __future__ import annotations

from collections.abc import Sequence

from gridwitness.domain.readings import NET_ENERGY_METRIC, Profile
from gridwitness.domain.slots import SLOTS_PER_DAY, day_of, slot_start, slots_of_day
from gridwitness.store.batches import StoredBatch, insert_batch
from gridwitness.store.database import Database

# Slot by slot, as the index has them.
_SLOTS_OF_DEVICE = (
    "SELECT value, score_bps FROM readings WHERE device = (SELECT id FROM devices WHERE device_id = ?)"  # noqa: S608
    " AND metric = (SELECT id FROM metrics WHERE name = ?) AND batch_seq <= ?"
    f" AND time IN ({', '.join('?' * SLOTS_PER_DAY)}) ORDER BY time"
)


class ProfileLog:
    """Day profiles, derived from attested readings. Methods block; call them off the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_days(self) -> list[tuple[int, int]]:
        """(day, number of devices whose 96 readings are attested while their profile is not), oldest first."""
        with self._database.read() as connection:
            return connection.execute(
                "SELECT day, SUM(attested >= ?1) FROM device_days WHERE profile_seq IS NULL"
                " GROUP BY day HAVING SUM(attested >= ?1) > 0 ORDER BY day",
                (SLOTS_PER_DAY,),
            ).fetchall()

    def profiled(self, day: int) -> int:
        """Number of devices whose profile of `day` is attested."""
        with self._database.read() as connection:
            (count,) = connection.execute(
                "SELECT COUNT(*) FROM device_days WHERE day = ? AND profile_seq IS NOT NULL", (day,)
            ).fetchone()
        return int(count)

    def complete(self, day: int, readings_seq: int, profile_seq: int) -> list[tuple[bytes, list[tuple[int, int]]]]:
        """Devices whose 96 readings of `day` stand in reading batches up to `readings_seq` and that no profile batch
        before `profile_seq` covers, ascending by id, each with its (Wh, score_bps) per slot.
        """
        with self._database.read() as connection:
            devices = connection.execute(
                "SELECT device_id FROM device_days WHERE day = ? AND attested >= ?"
                " AND (profile_seq IS NULL OR profile_seq >= ?) ORDER BY device_id",
                (day, SLOTS_PER_DAY, profile_seq),
            ).fetchall()
            found = []
            for (device_id,) in devices:
                slots = connection.execute(
                    _SLOTS_OF_DEVICE,
                    (device_id, NET_ENERGY_METRIC, readings_seq, *(slot_start(slot) for slot in slots_of_day(day))),
                ).fetchall()
                if len(slots) == SLOTS_PER_DAY:
                    found.append((device_id, slots))
        return found

    def commit(self, stored: StoredBatch, profiles: Sequence[Profile]) -> None:
        """Record an attested batch of profiles."""
        with self._database.write() as connection:
            insert_batch(connection, stored)
            connection.executemany(
                "UPDATE device_days SET profile_seq = ?, score_bps = ? WHERE day = ? AND device_id = ?",
                [(stored.batch.seq, p.score_bps, day_of(p.first_slot), p.device_id) for p in profiles],
            )

    def roll_back(self, stream: bytes, seq: int) -> None:
        """Take back every profile batch after `seq`."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE device_days SET profile_seq = NULL, score_bps = NULL WHERE profile_seq > ?", (seq,)
            )
            connection.execute("DELETE FROM batches WHERE stream = ? AND seq > ?", (stream, seq))

    def of_batch(self, seq: int) -> list[tuple[int, bytes]]:
        """(day, device) of every profile in a batch, ascending by device."""
        with self._database.read() as connection:
            return connection.execute(
                "SELECT day, device_id FROM device_days WHERE profile_seq = ? ORDER BY device_id", (seq,)
            ).fetchall()

    def batch_of(self, device_id: bytes, day: int) -> int | None:
        """Number of the profile batch that holds a device's day."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT profile_seq FROM device_days WHERE day = ? AND device_id = ?", (day, device_id)
            ).fetchone()
        return None if row is None else row[0]
