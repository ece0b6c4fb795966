"""Views of devices: what the registry says, and how they do by their last day of readings."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from gridwitness.api.portal.protocols import Viewer
from gridwitness.api.portal.views import DeviceView, HealthView, KeyView, Page
from gridwitness.domain.devices import Device, KeyType
from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOT_SECONDS, SLOTS_PER_DAY
from gridwitness.encoding.hashing import keccak
from gridwitness.scoring import FLAG_SCORE_BPS
from gridwitness.scoring.health import health_of
from gridwitness.service.portal.sources import Site, hexed, interval_end
from gridwitness.store.log_reader import LoggedReading

_P256_SIGNATURE_BYTES = 128
_POINT_BYTES = 64
_DEVICES_KEPT = 20_000
_PAUSES = 20  # of counting devices: for so many times as long as it takes


class Devices:
    """Devices of the site's zone."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.present = 0  # unix seconds by which devices are silent; see SiteOptions
        self.silent = 0
        self.active = 0
        self._due_at = 0.0
        self._kept: dict[bytes, tuple[tuple[int, int, str], _Measured]] = {}

    def refresh(self) -> None:
        """Count active devices anew, and those without a reading for two slots; now and then, in a large fleet."""
        started = time.monotonic()
        if started < self._due_at:
            return
        active = [one for one in self._site.registry.devices(self._site.options.zone) if one.status.name == "ACTIVE"]
        newest = [self._site.log.newest_readings(device.device_id, 1) for device in active]
        ends = [_end(rows[0]) for rows in newest if rows]
        self.present = self._site.head.time
        if self._site.options.ends_with_readings and ends:
            self.present = max(ends)
        self.active = len(active)
        # As long as health counts a device as fresh.
        self.silent = len(active) - sum(end + 2 * SLOT_SECONDS >= self.present for end in ends)
        self._due_at = time.monotonic() + _PAUSES * (time.monotonic() - started)

    def page(
        self, viewer: Viewer, *, cursor: str, limit: int, kind: str, status: str, zone: int | None
    ) -> Page[DeviceView]:
        """Devices by id."""
        site = self._site
        listing = ("devices", kind, status, zone)
        place = site.cursors.open(listing, cursor)
        after = bytes.fromhex(str(place[0])) if place else b""
        devices = site.registry.devices(site.options.zone) if zone in (None, site.options.zone) else []
        found = [
            device
            for device in devices
            if device.device_id > after
            and kind in ("", device.kind.name.lower())
            and status in ("", device.status.name.lower())
        ][: limit + 1]
        more = site.cursors.make(listing, (found[limit - 1].device_id.hex(),)) if len(found) > limit else ""
        return Page([self._view(device, viewer) for device in found[:limit]], more)

    def device(self, viewer: Viewer, device_id: bytes) -> DeviceView | None:
        """One device of the zone."""
        device = self._site.registry.device(device_id)
        if device is None or device.zone != self._site.options.zone:
            return None
        return self._view(device, viewer)

    def _view(self, device: Device, viewer: Viewer) -> DeviceView:
        """What the registry says is public; what was measured, and the site's name, is the household's."""
        visible = self._site.visible_device(viewer, device.device_id)
        measured = _NOTHING if visible is None else self._measured(device, visible[1])
        day = measured.day
        return DeviceView(
            device_id=hexed(device.device_id),
            name="" if visible is None else self._site.name_of(device.device_id),
            kind=device.kind.name.lower(),
            zone=device.zone,
            status=device.status.name.lower(),
            owner=device.owner,
            did=f"did:gridwitness:{self._site.chain.chain_id}:{hexed(device.device_id)}",
            registered_at=device.registered_at,
            last_seen=None if day is None else day.end,
            gaps_last_day=None if day is None else max(day.due - day.received, 0),
            clock_skew_s=None if day is None else day.clock_skew_s,
            readings=None if visible is None else measured.readings,
            flagged_last_day=None if day is None else day.flagged,
            health=None if day is None else self._health(day),
            keys=_keys(device, measured.points),
        )

    def _measured(self, device: Device, since: int) -> _Measured:
        """What a device's newest readings say, kept until it has a newer one or more of them are attested."""
        newest = self._site.log.newest_readings(device.device_id, 1)
        if not newest:
            return _Measured()
        stamp = (newest[0].stored.signed.reading.counter, since, self._site.index.meta("folded"))
        kept = self._kept.get(device.device_id)
        if kept is None or kept[0] != stamp:
            if len(self._kept) >= _DEVICES_KEPT:
                self._kept.clear()
            kept = self._kept[device.device_id] = (stamp, self._measure(device.device_id, since))
        return kept[1]

    def _measure(self, device_id: bytes, since: int) -> _Measured:
        newest = self._site.log.newest_readings(device_id, SLOTS_PER_DAY + 1)
        rows = [row for row in newest if row.stored.signed.reading.time >= since]
        query = "SELECT COALESCE(SUM(readings), 0) FROM device_days WHERE device = ? AND day >= ?"
        ((attested,),) = self._site.index.rows(query, (device_id, since // SECONDS_PER_DAY))
        waiting = sum(row.stored.batch_seq is None for row in rows)
        return _Measured(_LastDay(rows) if rows else None, attested + waiting, _points(rows))

    def _health(self, day: _LastDay) -> HealthView:
        health = health_of(
            age_s=max(0, self.present - day.end),
            interval_s=day.interval_s,
            due=day.due,
            received=day.received,
            flagged=day.flagged,
            clock_skew_s=day.clock_skew_s,
        )
        return HealthView(
            score_bps=health.score_bps,
            freshness_bps=health.freshness_bps,
            completeness_bps=health.completeness_bps,
            behaviour_bps=health.behaviour_bps,
            clock_bps=health.clock_bps,
            weakest=health.weakest,
        )


@dataclass(frozen=True, slots=True)
class _Measured:
    """A device's last day, how many readings it has, and the P-256 keys that signed the newest, by their ids."""

    day: _LastDay | None = None
    readings: int = 0
    points: Mapping[bytes, bytes] = field(default_factory=dict)


class _LastDay:
    """A device's last day up to its newest reading: what was due, what came, what was flagged, how its clock goes.

    The clock is judged by the reading that came soonest after its interval ended: others were on their way for longer,
    none can come before it was made.
    """

    def __init__(self, newest_first: Sequence[LoggedReading]) -> None:
        readings = [row.stored.signed.reading for row in newest_first]
        last = max(reading.time for reading in readings)
        self.interval_s = _interval(newest_first)
        within = [row for row in newest_first if row.stored.signed.reading.time > last - SECONDS_PER_DAY]
        oldest = max(min(reading.time for reading in readings), last - SECONDS_PER_DAY + self.interval_s)
        self.end = max(_end(row) for row in within)
        self.due = (last - oldest) // self.interval_s + 1
        self.received = len({row.stored.signed.reading.time for row in within})
        scores = [row.stored.score.score_bps for row in within if row.stored.score is not None]
        self.flagged = min(sum(score > FLAG_SCORE_BPS for score in scores), self.received)
        self.clock_skew_s = min(row.received_at - _end(row) for row in within)


_NOTHING = _Measured()


def _end(row: LoggedReading) -> int:
    reading = row.stored.signed.reading
    return interval_end(reading.time, reading.metric)


def _interval(newest_first: Sequence[LoggedReading]) -> int:
    """A slot for energy; else the step between readings that is most frequent."""
    if newest_first[0].stored.signed.reading.metric == NET_ENERGY_METRIC:
        return SLOT_SECONDS
    times = sorted({row.stored.signed.reading.time for row in newest_first})
    steps = Counter(later - earlier for earlier, later in pairwise(times))
    return steps.most_common(1)[0][0] if steps else SLOT_SECONDS


def _points(rows: Sequence[LoggedReading]) -> dict[bytes, bytes]:
    """P-256 keys by their ids, out of the signatures they made."""
    points = {
        row.stored.signed.signature[:_POINT_BYTES]
        for row in rows
        if len(row.stored.signed.signature) == _P256_SIGNATURE_BYTES and not row.stored.signed.document
    }
    return {keccak(point): point for point in points}


def _keys(device: Device, points: Mapping[bytes, bytes]) -> list[KeyView]:
    """The device's keys in turn. The chain holds their ids; the key itself is known from what it signed."""
    ids = [(device.device_id, device.registered_at), *((key.key_id, key.valid_from) for key in device.later_keys)]
    ends = [valid_from for _, valid_from in ids[1:]]
    return [
        KeyView(
            curve="secp256k1" if _is_address(key_id) else KeyType.P256.name.lower(),
            public_key=hexed(points[key_id]) if key_id in points else "",
            key_id=hexed(key_id),
            valid_from=valid_from,
            valid_until=ends[index] if index < len(ends) else device.retired_at,
        )
        for index, (key_id, valid_from) in enumerate(ids)
    ]


def _is_address(key_id: bytes) -> bool:
    """Ids of secp256k1 keys are addresses, those of P-256 keys hashes."""
    return key_id[:12] == bytes(12)
