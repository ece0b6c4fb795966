"""Adds the log's batches of readings to the site's index, and makes days anew that a reorganisation touched."""

from __future__ import annotations

import json
import sqlite3

from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.scoring import FLAG_SCORE_BPS
from gridwitness.service.portal.explaining import channels_of_flagged
from gridwitness.service.portal.sources import Site
from gridwitness.store.log_reader import LoggedBatch
from gridwitness.store.site_index import SiteIndex, put_meta, record_happenings
from gridwitness.store.site_readings import add_batch, add_days_again

# So that a first look at a log of years lets others have the file, and the process, in between.
BATCHES_AT_ONCE = 100
_NONE = "0 "


class Folding:
    """Brings the figures of readings up to the newest batch, some hundred batches a step."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def refresh(self) -> bool:
        """Add what is new; whether there is more to add. Raises StoreError."""
        stream = self._site.readings_stream
        folded, digest = _folded(self._site.index)
        if folded and not self._stands(folded, digest):
            self._take_back(folded)
            return True
        batches = self._site.log.batches_after(stream, folded, BATCHES_AT_ONCE)
        if not batches:
            return False
        homes = self._site.homes()
        with self._site.index.write() as connection:
            for batch in batches:
                self._add(connection, batch, homes)
            record_happenings(connection, [("readings", one.meta.time_to, _told(one)) for one in batches])
        return len(batches) == BATCHES_AT_ONCE

    def _add(self, connection: sqlite3.Connection, batch: LoggedBatch, homes: set[bytes]) -> None:
        add_batch(self._site.log, connection, batch.seq, FLAG_SCORE_BPS, homes)
        if batch.meta.flagged_count:
            self._explain(connection, batch.seq)
        put_meta(connection, "folded", f"{batch.seq} {batch.digest.hex()}")
        connection.execute("INSERT OR REPLACE INTO folded VALUES (?, ?, ?, ?)", _row(batch))

    def _explain(self, connection: sqlite3.Connection, seq: int) -> None:
        connection.executemany(
            "UPDATE flags SET channels = ? WHERE time = ? AND device = ? AND counter = ?",
            [(json.dumps(channels), *reading) for reading, channels in channels_of_flagged(self._site, seq).items()],
        )

    def _stands(self, seq: int, digest: str) -> bool:
        found = self._site.log.batches_before(self._site.readings_stream, seq + 1, 1)
        return bool(found) and found[0].seq == seq and found[0].digest.hex() == digest

    def _take_back(self, folded: int) -> None:
        """Go back to the newest batch that still stands, and make the days anew that later ones had readings of."""
        rows = self._site.index.rows("SELECT seq, digest, time_from, time_to FROM folded ORDER BY seq DESC")
        gone = []
        standing = (0, b"")
        for seq, digest, time_from, time_to in rows:
            if self._stands(seq, digest.hex()):
                standing = (seq, digest)
                break
            # A batch ends with its newest interval, or at its newest reading if that is of an instant: midnight's too.
            gone.append(range(time_from // SECONDS_PER_DAY, time_to // SECONDS_PER_DAY + 1))
        days = sorted({day for span in gone for day in span})
        homes = self._site.homes()
        with self._site.index.write() as connection:
            for day in days:
                span = range(day, day + 1)
                add_days_again(self._site.log, connection, span, standing[0], FLAG_SCORE_BPS, homes)
            connection.execute("DELETE FROM folded WHERE seq > ?", (standing[0],))
            put_meta(connection, "folded", f"{standing[0]} {standing[1].hex()}")


def folded_seq(index: SiteIndex) -> int:
    """Number of the newest batch of readings that an index has the figures of; 0 without any."""
    return _folded(index)[0]


def _folded(index: SiteIndex) -> tuple[int, str]:
    seq, _, digest = (index.meta("folded") or _NONE).partition(" ")
    return int(seq), digest


def _told(batch: LoggedBatch) -> dict[str, int]:
    return {"seq": batch.seq, "count": batch.meta.count, "flagged": batch.meta.flagged_count}


def _row(batch: LoggedBatch) -> tuple[int, bytes, int, int]:
    return batch.seq, batch.digest, batch.meta.time_from, batch.meta.time_to
