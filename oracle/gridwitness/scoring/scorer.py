"""The scorer: readings in, scores out, with a state that can be checkpointed between any two batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from gridwitness.domain.devices import Device, DeviceKind, DeviceStatus
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score
from gridwitness.domain.slots import slot_of
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import InputError
from gridwitness.scoring import channels
from gridwitness.scoring.checkpoint import decode_state, encode_state
from gridwitness.scoring.params import DEFAULT_PARAMS, ScorerParams
from gridwitness.scoring.residual import Judgement, ZoneState, judge_slot
from gridwitness.scoring.series import Series

HELD_RANK = 4


def profile_score(scores: Sequence[int]) -> int:
    """Score (bps) of a day's profile: the 4th highest of its readings' scores, an hour of suspicion.

    `scores` are normally 96; with fewer than 4 the profile's score is 0.
    """
    return sorted(scores, reverse=True)[HELD_RANK - 1] if len(scores) >= HELD_RANK else 0


class Scorer:
    """Scores readings 0 to 10,000 bps, in integers only, so that every committee member gets the same bits.

    A score of 9,900 is exceeded by at most one normal reading in a hundred. Channels: `frozen`, `limit`, `seasonal`
    (see `channels`) judge every metric by the device's own past; `residual` (see `residual` and `attribution`) judges
    net energy by what the zone's feeder sees. The highest channel decides.

    Rules: only what came before or with a slot counts (no look-ahead). One reading per device, metric and slot is
    expected; a late or second one fills a hole in the history and is judged by the limit channel alone. Scores
    once given never change. Cutting batches elsewhere changes nothing as long as no slot is torn apart.
    """

    def __init__(self, params: ScorerParams = DEFAULT_PARAMS) -> None:
        self._params = params
        self._series: dict[tuple[bytes, str], Series] = {}
        self._zones: dict[int, ZoneState] = {}

    @property
    def model_hash(self) -> bytes:
        """Hash of name, version and parameters, 32 bytes; a batch's meta carries the first 12."""
        return self._params.model_hash()

    @property
    def state_hash(self) -> bytes:
        """Keccak-256 of the checkpoint, 32 bytes: equal states have equal hashes."""
        return keccak(self.checkpoint())

    def checkpoint(self) -> bytes:
        """The state as canonical JSON (sorted keys, no spaces); carries the model hash."""
        return encode_state(self.model_hash, self._series, self._zones)

    @classmethod
    def restore(cls, data: bytes, params: ScorerParams = DEFAULT_PARAMS) -> Scorer:
        """A scorer in the state of a checkpoint. Raises InputError if it is malformed or of another model."""
        scorer = cls(params)
        scorer._series, scorer._zones = decode_state(data, scorer.model_hash)
        return scorer

    def score(self, readings: Sequence[Reading], fleet: Mapping[bytes, Device]) -> list[Score]:
        """Score a batch and learn from it; one score per reading, in the same order.

        `readings` stand in canonical order (time, device_id, counter); `fleet` holds the registry's devices by id, of
        which zone, kind and status matter: readings of devices it lacks are judged by their own past only.
        Raises InputError if the readings are out of order.
        """
        _check_order(readings)
        zones = _zones_of(fleet)
        scores: list[Score] = []
        for slot, group in groupby(readings, lambda reading: slot_of(reading.time)):
            in_slot = list(group)
            own = [self._score_alone(reading, slot) for reading in in_slot]
            judgements = dict(self._judge_zones(in_slot, slot, zones))
            for reading, score in zip(in_slot, own, strict=True):
                scores.append(self._with_residual(reading, score, fleet, judgements))
        return scores

    def _score_alone(self, reading: Reading, slot: int) -> Score:
        key = reading.device_id, reading.metric
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series.empty(self._params)
        limit = channels.score_limit(series, self._params, reading.metric, reading.value)
        if slot <= series.last_slot:
            series.put_late(slot, reading.value)
            return limit
        seasonal = channels.score_seasonal(series, self._params, reading.metric, slot, reading.value)
        frozen = channels.score_frozen(series, self._params, reading.metric, slot, reading.value)
        series.put(slot, reading.value)
        channels.learn_level(series, reading.value)
        return max(frozen, limit, seasonal, key=lambda score: score.score_bps)

    def _judge_zones(
        self, in_slot: Sequence[Reading], slot: int, zones: Mapping[int, tuple[list[bytes], list[bytes]]]
    ) -> Iterator[tuple[int, Judgement]]:
        present = {reading.device_id: reading.value for reading in in_slot if reading.metric == NET_ENERGY_METRIC}
        for number, (feeders, members) in sorted(zones.items()):
            if not feeders or not all(device_id in present for device_id in feeders):
                continue
            known = ((device_id, self._series.get((device_id, NET_ENERGY_METRIC))) for device_id in members)
            meters = {device_id: series for device_id, series in known if series is not None}
            stuck = {device_id for device_id, series in meters.items() if channels.is_suspect(series, self._params)}
            zone = self._zones.setdefault(number, ZoneState())
            feeder_wh = sum(present[device_id] for device_id in feeders)
            judgement = judge_slot(zone, self._params, slot, feeder_wh, meters, stuck)
            if judgement is not None:
                yield number, judgement

    def _with_residual(
        self, reading: Reading, score: Score, fleet: Mapping[bytes, Device], judgements: Mapping[int, Judgement]
    ) -> Score:
        device = fleet.get(reading.device_id)
        judgement = judgements.get(device.zone) if device is not None else None
        if device is None or judgement is None or reading.metric != NET_ENERGY_METRIC or not judgement.clear:
            return score
        residual = channels.NORMAL
        if device.kind == DeviceKind.FEEDER:
            residual = channels.feeder_score(judgement.excess_wh, judgement.alarm)
        elif judgement.culprit is not None and judgement.culprit.device_id == reading.device_id and reading.value > 0:
            residual = channels.culprit_score(judgement.excess_wh, judgement.sigma_wh, judgement.culprit.reported_pct)
        return max(score, residual, key=lambda candidate: candidate.score_bps)


def _check_order(readings: Sequence[Reading]) -> None:
    previous: tuple[int, bytes, int] | None = None
    for reading in readings:
        key = reading.time, reading.device_id, reading.counter
        if previous is not None and key < previous:
            raise InputError(
                f"reading {reading.counter} of device 0x{reading.device_id.hex()} at {reading.time} "
                f"stands after one at {previous[0]}; a batch is ordered by time, device and counter"
            )
        previous = key


def _zones_of(fleet: Mapping[bytes, Device]) -> dict[int, tuple[list[bytes], list[bytes]]]:
    """Per zone the active feeder meters and the other active meters, by id; zone 0 is none."""
    zones: dict[int, tuple[list[bytes], list[bytes]]] = {}
    for device_id in sorted(fleet):
        device = fleet[device_id]
        if device.zone and device.status == DeviceStatus.ACTIVE:
            feeders, members = zones.setdefault(device.zone, ([], []))
            (feeders if device.kind == DeviceKind.FEEDER else members).append(device_id)
    return zones
