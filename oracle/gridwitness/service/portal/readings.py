"""Views of readings: pages by time, flagged ones, how scores are distributed, what was refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice

from gridwitness.api.portal.protocols import MIN_HOMES_IN_AGGREGATE, Viewer
from gridwitness.api.portal.views import Page, ReadingView, RejectionView
from gridwitness.domain.readings import Reading, Score
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.scoring import FLAG_SCORE_BPS
from gridwitness.service.portal.folding import BATCHES_AT_ONCE, folded_seq
from gridwitness.service.portal.sources import Site, hexed
from gridwitness.store.log_reader import LoggedReading
from gridwitness.store.site_readings import SCORE_BUCKETS

_MAX_TIME = (1 << 63) - 1


class Readings:
    """Readings of the site's devices."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._overall: tuple[str, tuple[list[int], dict[str, int]]] = ("none yet", ([], {}))

    def page(
        self, viewer: Viewer, device_id: bytes, *, time_from: int, time_to: int, flagged: bool, cursor: str, limit: int
    ) -> Page[ReadingView]:
        """Readings of a device by time."""
        site = self._site
        listing = ("readings", device_id, time_from, time_to, flagged)
        place = site.cursors.open(listing, cursor)
        visible = site.visible_device(viewer, device_id)
        if visible is None:
            return Page([])
        after = (int(place[0]), int(place[1])) if place else (-1, -1)
        start, stop = max(time_from, visible[1], after[0]), min(time_to, _MAX_TIME)
        found: list[LoggedReading] = []
        source = self._by_day(device_id, start, stop)
        if flagged:
            source = self._flagged_of(device_id, start, stop, after, limit + 1)
        for row in source:
            if _place(row) > after:
                found.append(row)
            if len(found) > limit:
                break
        more = site.cursors.make(listing, _place(found[limit - 1])) if len(found) > limit else ""
        return Page([self.view(row) for row in found[:limit]], more)

    def _by_day(self, device_id: bytes, start: int, stop: int) -> Iterator[LoggedReading]:
        """Readings in order of time, read day by day: the index knows each day's counters, the log finds them by it.

        What the index does not know yet, the log has: first what waits, then what was attested since. In this order a
        reading that moves on meanwhile is found twice, and never missed: who asks for what is newer would pass it over.
        """
        folded = folded_seq(self._site.index)
        backlog = self._site.log.batches_after(self._site.readings_stream, folded, BATCHES_AT_ONCE)
        if len(backlog) == BATCHES_AT_ONCE:  # the index is being made, and the list goes as far as it does
            stop = min(stop, *(batch.meta.time_from for batch in backlog))
        days = self._site.index.rows(
            "SELECT day, low_counter, high_counter FROM device_days WHERE device = ? AND day >= ? AND day <= ?"
            " ORDER BY day",
            (device_id, start // SECONDS_PER_DAY, stop // SECONDS_PER_DAY),
        )
        counters = {day: range(low, high + 1) for day, low, high in days}
        unknown: dict[int, list[LoggedReading]] = {}
        waiting = self._site.log.waiting_readings(device_id, start, stop)
        for row in (*waiting, *self._site.log.readings_attested_after(device_id, folded, start, stop)):
            unknown.setdefault(row.stored.signed.reading.time // SECONDS_PER_DAY, []).append(row)
        for day in sorted({*counters, *unknown}):
            first, last = max(start, day * SECONDS_PER_DAY), min(stop, (day + 1) * SECONDS_PER_DAY)
            rows = self._site.log.readings_of(device_id, counters.get(day, range(0)), first, last)
            yield from sorted({_place(row): row for row in (*unknown.get(day, ()), *rows)}.values(), key=_place)

    def _flagged_of(
        self, device_id: bytes, start: int, stop: int, after: tuple[int, int], limit: int
    ) -> Iterator[LoggedReading]:
        query = "SELECT counter FROM flags WHERE device = ? AND time >= ? AND time < ? AND (time, counter) > (?, ?)"
        query += " ORDER BY time, counter LIMIT ?"
        for (counter,) in self._site.index.rows(query, (device_id, start, stop, *after, limit)):
            row = self._site.log.reading(device_id, counter)
            if row is not None:
                yield row

    def reading(self, viewer: Viewer, device_id: bytes, counter: int) -> LoggedReading | None:
        """One reading, as the log has it."""
        visible = self._site.visible_device(viewer, device_id)
        row = self._site.log.reading(device_id, counter) if visible is not None else None
        if row is None or visible is None or row.stored.signed.reading.time < visible[1]:
            return None
        return row

    def flagged(self, viewer: Viewer, *, cursor: str, limit: int) -> Page[ReadingView]:
        """Flagged readings of all devices a viewer may see, newest first."""
        site = self._site
        place = site.cursors.open(("flagged",), cursor)
        before = (int(place[0]), bytes.fromhex(str(place[1])), int(place[2])) if place else (_MAX_TIME, b"", 0)
        rows = self._newest_flags(viewer, before, limit + 1)
        time, device_id, counter = rows[limit - 1] if len(rows) > limit else (0, b"", 0)
        more = site.cursors.make(("flagged",), (time, device_id.hex(), counter)) if len(rows) > limit else ""
        found = [site.log.reading(device_id, counter) for _, device_id, counter in rows[:limit]]
        return Page([self.view(row) for row in found if row is not None], more)

    def _newest_flags(
        self, viewer: Viewer, before: tuple[int, bytes, int], limit: int
    ) -> Sequence[tuple[int, bytes, int]]:
        """(time, device, counter) of flagged readings below a place, from each device of the viewer's by its index."""
        if self._site.sees_all(viewer):
            query = "SELECT time, device, counter FROM flags WHERE (time, device, counter) < (?, ?, ?)"
            query += " ORDER BY time DESC, device DESC, counter DESC LIMIT ?"
            return [row[:3] for row in self._site.index.rows(query, (*before, limit))]
        found: list[tuple[int, bytes, int]] = []
        query = "SELECT time, device, counter FROM flags WHERE device = ? AND time >= ? AND time <= ?"
        query += " AND (time, device, counter) < (?, ?, ?) ORDER BY time DESC, counter DESC LIMIT ?"
        for device in self._site.registry.devices(self._site.options.zone):
            visible = self._site.visible_device(viewer, device.device_id)
            if visible is not None:
                values = (device.device_id, visible[1], before[0], *before, limit)
                found += [row[:3] for row in self._site.index.rows(query, values)]
        return sorted(found, reverse=True)[:limit]

    def distribution(self, viewer: Viewer, day: int | None) -> tuple[list[int], dict[str, int]]:
        """(scores counted by bucket, flagged readings by channel) of a day or of all; empty if too few homes stand
        behind them for this viewer."""
        index = self._site.index
        if not self._site.sees_all(viewer) and not self._has_enough_homes(day):
            return [], {}
        stamp = index.meta("folded")
        if day is None and self._overall[0] == stamp:
            return self._overall[1]
        clause, values = ("", ()) if day is None else (" WHERE day = ?", (day,))
        counts = [0] * SCORE_BUCKETS
        for bucket, count in index.rows(f"SELECT bucket, SUM(count) FROM scores{clause} GROUP BY 1", values):  # noqa: S608
            counts[bucket] = count
        query = f"SELECT channel, SUM(count) FROM flag_channels{clause} GROUP BY 1 ORDER BY 2 DESC"  # noqa: S608
        found = counts, dict(index.rows(query, values))
        if day is None:
            self._overall = stamp, found
        return found

    def _has_enough_homes(self, day: int | None) -> bool:
        """Whether so many homes measured, on a day or ever, that a sum over them tells of none."""
        clause = "" if day is None else " AND day = ?"
        query = f"SELECT 1 FROM device_days WHERE device = ?{clause} LIMIT 1"  # noqa: S608 (constants)
        homes = (self._site.index.rows(query, (one,) if day is None else (one, day)) for one in self._site.homes())
        return sum(1 for _ in islice(filter(None, homes), MIN_HOMES_IN_AGGREGATE)) == MIN_HOMES_IN_AGGREGATE

    def rejections(self) -> list[RejectionView]:
        """What was refused, by reason. Messages name devices and values, so they are only for open data."""
        report = self._site.log.rejections()
        is_open = self._site.options.is_open_data
        return [
            RejectionView(
                reason=reason,
                count=int(str(entry["count"])),
                latest=[str(message) for message in _items(entry["last"])] if is_open else [],
            )
            for reason, entry in report.items()
        ]

    def view(self, row: LoggedReading) -> ReadingView:
        """A reading as a document."""
        reading, score = row.stored.signed.reading, row.stored.score
        return ReadingView(
            device_id=hexed(reading.device_id),
            device_name=self._site.name_of(reading.device_id),
            counter=reading.counter,
            time=reading.time,
            metric=reading.metric,
            value=reading.value,
            received_at=row.received_at,
            batch_seq=row.stored.batch_seq,
            score_bps=None if score is None else score.score_bps,
            channel=None if score is None else score.channel,
            reason=None if score is None else score.reason,
            is_flagged=score is not None and score.score_bps > FLAG_SCORE_BPS,
            signature=hexed(row.stored.signed.signature),
            channels=self._channels(reading, score),
        )

    def _channels(self, reading: Reading, score: Score | None) -> dict[str, int]:
        """What each channel said of a flagged reading, where that is known; else only the one that decided."""
        if score is None or score.channel in ("", "none"):
            return {}
        rows: list[tuple[str]] = []
        if score.score_bps > FLAG_SCORE_BPS:
            query = "SELECT channels FROM flags WHERE time = ? AND device = ? AND counter = ?"
            rows = self._site.index.rows(query, (reading.time, reading.device_id, reading.counter))
        known: dict[str, int] = json.loads(rows[0][0]) if rows else {}
        return known or {score.channel: score.score_bps}


def _place(row: LoggedReading) -> tuple[int, int]:
    reading = row.stored.signed.reading
    return reading.time, reading.counter


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []
