"""The scorer: readings in, scores out, with a state that can be checkpointed between any two batches."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from gridwitness.domain.devices import Device, DeviceKind, DeviceStatus
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_of
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import InputError
from gridwitness.scoring import channels, cold_chain
from gridwitness.scoring.checkpoint import decode_state, encode_state
from gridwitness.scoring.params import DEFAULT_PARAMS, ScorerParams
from gridwitness.scoring.physical import score_physical
from gridwitness.scoring.registers import growth, is_register, reset_score
from gridwitness.scoring.residual import ZoneState
from gridwitness.scoring.series import MISSING, Series
from gridwitness.scoring.zone import Verdict, judge_late, judge_zone

HELD_RANK = 4


def profile_score(scores: Sequence[int]) -> int:
    """Score (bps) of a day's profile: the 4th highest of its readings' scores, an hour of suspicion.

    `scores` are normally 96; with fewer than 4 the profile's score is 0.
    """
    return sorted(scores, reverse=True)[HELD_RANK - 1] if len(scores) >= HELD_RANK else 0


@dataclass(frozen=True, slots=True)
class Explained:
    """What every channel said of one reading, in the order in which the first of equals decides."""

    channels: tuple[Score, ...]

    @property
    def score(self) -> Score:
        """The score that decides: the highest."""
        return max(self.channels, key=lambda score: score.score_bps)


class Scorer:
    """Scores readings 0 to 10,000 bps, in integers only, so that every committee member gets the same bits.

    A score of 9,900 is exceeded by at most one normal reading in a hundred. Channels: `frozen`, `limit`, `seasonal`
    (see `channels`) judge every metric by the device's own past; `neighbours` judges net energy by what other meters
    of the zone make expected, `residual` (see `residual` and `attribution`) by what the zone's feeder sees. The highest
    channel decides; `explain` shows them all.

    Rules: only what came before or with a reading counts (no look-ahead). One reading per device, metric and slot is
    expected; a second one is judged by limits alone. A late one fills a hole in the history; of its device's own past
    the limit channel alone judges it if newer ones came before, but neighbours and feeder judge it as if it had been in
    time. Scores once given never change. Cutting batches elsewhere changes nothing as long as no slot is torn apart.
    """

    def __init__(self, params: ScorerParams = DEFAULT_PARAMS) -> None:
        self._params = params
        self._series: dict[tuple[bytes, str], Series] = {}
        self._zones: dict[int, ZoneState] = {}
        self._chains: dict[tuple[bytes, str], cold_chain.ChainState] = {}

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
        return encode_state(self.model_hash, self._series, self._zones, self._chains)

    @classmethod
    def restore(cls, data: bytes, params: ScorerParams = DEFAULT_PARAMS) -> Scorer:
        """A scorer in the state of a checkpoint. Raises OtherModelError, or InputError if it is malformed."""
        scorer = cls(params)
        scorer._series, scorer._zones, scorer._chains = decode_state(data, scorer.model_hash)
        return scorer

    def score(self, readings: Sequence[Reading], fleet: Mapping[bytes, Device]) -> list[Score]:
        """Score a batch and learn from it; one score per reading, in the same order.

        `readings` stand in canonical order (time, device_id, counter); `fleet` holds the registry's devices by id, of
        which zone, kind and status matter: readings of devices it lacks are judged by their own past only.
        Raises InputError if the readings are out of order.
        """
        return [explained.score for explained in self.explain(readings, fleet)]

    def explain(self, readings: Sequence[Reading], fleet: Mapping[bytes, Device]) -> list[Explained]:
        """As `score`, with what every channel said of each reading beside the score that decides."""
        _check_order(readings)
        zones = _zones_of(fleet)
        explained: list[Explained] = []
        for slot, group in groupby(readings, lambda reading: slot_of(reading.time)):
            in_slot = list(group)
            own = [self._score_alone(reading, slot) for reading in in_slot]
            verdicts = dict(self._judge_zones(in_slot, slot, zones))
            for reading, (is_late, scores) in zip(in_slot, own, strict=True):
                device = None if reading.metric != NET_ENERGY_METRIC else fleet.get(reading.device_id)
                if device is not None:
                    if not is_late:
                        scores = self._hear_feeder(reading, scores, verdicts.get(device.zone))
                    scores.append(self._score_physical(reading, device, slot, fleet))
                    scores += _zone_scores(reading, device, verdicts.get(device.zone))
                explained.append(Explained(tuple(scores)))
        return explained

    def _score_alone(self, reading: Reading, slot: int) -> tuple[bool, list[Score]]:
        """Whether a reading is late, and what the channels that need no other device say of it."""
        key = reading.device_id, reading.metric
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series.empty(self._params)
        if is_register(reading.metric):
            return self._score_register(series, reading, slot)
        more = []
        profile = cold_chain.profile_of(reading.metric)
        if profile is not None:
            late = slot <= series.last_slot
            chain = self._chains.setdefault(key, cold_chain.ChainState())
            judge = cold_chain.score_limits if late else partial(cold_chain.score_excursion, chain, slot)
            more.append(judge(profile, reading.value))
        is_late, scores = self._score_value(series, reading.metric, slot, reading.value)
        return is_late, scores + more

    def _score_register(self, series: Series, reading: Reading, slot: int) -> tuple[bool, list[Score]]:
        if slot <= series.register_slot:
            return True, [channels.NORMAL]
        before = series.register
        grown = growth(series, slot, reading.value)
        if grown is None:
            return False, [channels.NORMAL if before == MISSING else reset_score(reading.metric, before, reading.value)]
        return self._score_value(series, reading.metric, slot, grown)

    def _score_value(self, series: Series, metric: str, slot: int, value: int) -> tuple[bool, list[Score]]:
        if slot <= series.last_slot:
            series.put_late(slot, value)
            return True, [channels.score_limit(series, self._params, metric, value, late=True)]
        limit = channels.score_limit(series, self._params, metric, value)
        seasonal = channels.score_seasonal(series, self._params, metric, slot, value)
        frozen = channels.score_frozen(series, self._params, metric, slot, value)
        series.put(slot, value)
        channels.learn_level(series, value)
        return False, [frozen, limit, seasonal]

    def _hear_feeder(self, reading: Reading, scores: list[Score], verdict: Verdict | None) -> list[Score]:
        """Let off a meter that repeats itself if the feeder bears it out, and learn that it does so."""
        judgement = verdict.judgement if verdict is not None else None
        if judgement is None or reading.device_id not in judgement.real:
            return scores
        self._series[reading.device_id, NET_ENERGY_METRIC].run_flagged = False
        return [
            Score(channels.BORNE_OUT_BPS, score.channel, f"{score.reason}, as the feeder confirms")
            if score.channel == "frozen" and score.score_bps > channels.BORNE_OUT_BPS
            else score
            for score in scores
        ]

    def _score_physical(self, reading: Reading, device: Device, slot: int, fleet: Mapping[bytes, Device]) -> Score:
        plants = []
        if device.kind == DeviceKind.GENERATION and device.zone:
            others = (
                self._series.get((other.device_id, NET_ENERGY_METRIC))
                for other in fleet.values()
                if other.kind == device.kind and other.zone == device.zone and other is not device
            )
            plants = [series for series in others if series is not None]
        series = self._series[reading.device_id, NET_ENERGY_METRIC]
        return score_physical(series, self._params, device.kind, slot, reading.value, plants)

    def _judge_zones(
        self,
        in_slot: Sequence[Reading],
        slot: int,
        zones: Mapping[int, tuple[list[bytes], list[bytes]]],
    ) -> Iterator[tuple[int, Verdict]]:
        present = {reading.device_id: reading.value for reading in in_slot if reading.metric == NET_ENERGY_METRIC}
        for number, (feeders, members) in sorted(zones.items()):
            zone = self._zones.get(number, ZoneState())
            if slot <= zone.newest_slot:
                verdict = self._judge_late(zone, slot, members, present)
                if verdict is not None:
                    yield number, verdict
                continue
            awaited = feeders or members
            if not all(device_id in present for device_id in feeders) or present.keys().isdisjoint(awaited):
                continue
            self._zones[number] = zone
            meters = self._meters(zone, slot, members)
            stuck = {device_id for device_id, series in meters.items() if channels.is_suspect(series, self._params)}
            feeder_wh = sum(present[device_id] for device_id in feeders) if feeders else None
            yield number, judge_zone(zone, self._params, slot, feeder_wh, meters, stuck)

    def _judge_late(
        self, zone: ZoneState, slot: int, members: Sequence[bytes], present: Container[bytes]
    ) -> Verdict | None:
        late = [device_id for device_id in members if device_id in present]
        if not late:
            return None
        meters = self._meters(zone, slot, members)
        # A run of repeats says nothing of a reading that came out of its order.
        newest = (device_id for device_id in late if meters[device_id].last_slot == slot)
        stuck = {device_id for device_id in newest if channels.is_suspect(meters[device_id], self._params)}
        return judge_late(zone, self._params, slot, late, meters, stuck)

    def _meters(self, zone: ZoneState, slot: int, members: Sequence[bytes]) -> dict[bytes, Series]:
        """Series of a zone's meters that ever reported; in its first day, in which it learns its losses, of all."""
        is_first_day = zone.first_slot < 0 or slot < zone.first_slot + SLOTS_PER_DAY
        unheard = Series.empty(self._params) if is_first_day else None
        known = ((device_id, self._series.get((device_id, NET_ENERGY_METRIC), unheard)) for device_id in members)
        return {device_id: series for device_id, series in known if series is not None}


def _zone_scores(reading: Reading, device: Device, verdict: Verdict | None) -> list[Score]:
    """What neighbours and feeder say of a reading."""
    if verdict is None:
        return []
    judgement = verdict.judgement
    if device.kind == DeviceKind.FEEDER:
        if judgement is None or not judgement.clear:
            return []
        return [channels.feeder_score(judgement.excess_wh, judgement.alarm)]
    scores = [verdict.neighbours[reading.device_id]] if reading.device_id in verdict.neighbours else []
    for culprit in judgement.culprits if judgement else ():
        if judgement is not None and culprit.device_id == reading.device_id in verdict.due:
            hidden_wh = judgement.hidden_wh(culprit, reading.value, verdict.due[reading.device_id].value_wh)
            if hidden_wh:
                scores.append(channels.culprit_score(hidden_wh, judgement.sigma_wh, culprit.reported_pct))
    return scores


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


def _zones_of(
    fleet: Mapping[bytes, Device],
) -> dict[int, tuple[list[bytes], list[bytes]]]:
    """Per zone the active feeder meters and the other active meters, by id; zone 0 is none."""
    zones: dict[int, tuple[list[bytes], list[bytes]]] = {}
    for device_id in sorted(fleet):
        device = fleet[device_id]
        if device.zone and device.status == DeviceStatus.ACTIVE:
            feeders, members = zones.setdefault(device.zone, ([], []))
            (feeders if device.kind == DeviceKind.FEEDER else members).append(device_id)
    return zones
