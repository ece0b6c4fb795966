"""What each channel of the scorer said of flagged readings, found by scoring their batch again from the state before.

The log keeps the scorer's states of the last batches only; of older ones it is known what the index noted in time.
"""

from __future__ import annotations

from dataclasses import replace

from gridwitness.domain.devices import Device, DeviceStatus
from gridwitness.errors import StoreError
from gridwitness.scoring import FLAG_SCORE_BPS, OtherModelError, Scorer
from gridwitness.service.batching import ReadingKeys, decode_keys, hex32
from gridwitness.service.portal.sources import Site
from gridwitness.store import BatchLog, ReadingLog

ReadingId = tuple[int, bytes, int]


def channels_of_flagged(site: Site, seq: int) -> dict[ReadingId, dict[str, int]]:
    """Scores by channel of the flagged readings of a batch, by (time, device, counter); empty if they are not known.

    A reading that now scores otherwise than was attested is left out: what is shown must be what decided.
    """
    stored = BatchLog(site.log).get(site.readings_stream, seq)
    scorer = _scorer_before(site, seq)
    if stored is None or scorer is None:
        return {}
    rows = ReadingLog(site.log).of_batch(seq)
    devices = {row.signed.reading.device_id for row in rows}
    devices |= {hex32(device_id) for device_id in decode_keys(stored.keys, ReadingKeys).absent}
    explained = scorer.explain([row.signed.reading for row in rows], _fleet(site, devices))
    found = {}
    for row, said in zip(rows, explained, strict=True):
        reading, score = row.signed.reading, row.score
        if score is not None and score.score_bps > FLAG_SCORE_BPS and said.score == score:
            channels = {one.channel: one.score_bps for one in said.channels if one.channel != "none"}
            found[reading.time, reading.device_id, reading.counter] = channels
    return found


def _scorer_before(site: Site, seq: int) -> Scorer | None:
    try:
        checkpoint = BatchLog(site.log).checkpoint(seq - 1)
    except StoreError:  # it is not kept any more
        return None
    try:
        return Scorer() if checkpoint is None else Scorer.restore(checkpoint)
    except OtherModelError:
        return None


def _fleet(site: Site, device_ids: set[bytes]) -> dict[bytes, Device]:
    """The fleet as the batch was scored with; a device retired since then still counts as it did."""
    found = ((device_id, site.registry.device(device_id)) for device_id in device_ids)
    return {device_id: replace(device, status=DeviceStatus.ACTIVE) for device_id, device in found if device is not None}
