"""The streaming scorer on one core, one stream and a thousand at once; beside it River's half-space trees, on the same
values. And how well it finds anomalies, by NAB's rules, where its files are.

All streams are synthetic houses whose memory is full: half a year of slots and more, when a reading costs the most. The
thousand get a day's slots in one call, and slot by slot. The joint scorer and the one oracles sign are not measured.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bench.measuring import cpu_seconds, medians, say
from bench.results import Figures, Goal
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.scoring.streaming import FleetScorer, StreamScorer, to_text
from gridwitness.service.bench.nab import detect, judge, score_stream
from gridwitness.service.bench.nab_corpus import NabStream, load_corpus
from gridwitness.service.bench.nab_rivals import half_space_trees
from gridwitness.service.bench.nab_rules import Profile
from gridwitness.service.bench.nab_splits import draw_halves

NAB = Path("../shared/data/nab")
GOALS = MappingProxyType(
    {
        "points_per_s": Goal(at_least=100_000),
        "points_per_s_1000_streams": Goal(at_least=100_000),
        "nab_standard": Goal(at_least=78, if_measured=True),
        "nab_low_fp": Goal(at_least=70, if_measured=True),
        "nab_low_fn": Goal(at_least=83, if_measured=True),
        "nab_standard_held_back": Goal(at_least=67.5, if_measured=True),
    }
)
_READINGS = 20_000
_RIVAL_READINGS = 5_000
_STREAMS = 1_000
_DAY_SLOTS = 96
_REPEATS = 5
_SPLITS, _SEED = 40, 1


def measure() -> Figures:
    """Readings per CPU second, medians; NAB's scores at the best threshold, and of halves held back from theirs."""
    return _speed() | _nab()


def _speed() -> Figures:
    times, values = _house(_READINGS)
    one = StreamScorer()
    one.score(times, values)
    say(f"  restoring {_STREAMS} streams")
    fleet = FleetScorer.restore([one.checkpoint()] * _STREAMS)
    day_values = _house(_STREAMS * _DAY_SLOTS)[1].reshape(_STREAMS, _DAY_SLOTS).T
    day_times = np.repeat(times[:_DAY_SLOTS], _STREAMS).reshape(_DAY_SLOTS, _STREAMS)
    streams = np.broadcast_to(np.arange(_STREAMS), (_DAY_SLOTS, _STREAMS))

    def slot_by_slot() -> None:
        for slot in zip(streams, day_times, day_values, strict=True):
            fleet.score(*slot)

    texts = tuple(to_text(int(value)) for value in values[:_RIVAL_READINGS])
    house = NabStream("house", (), texts, (), (), ())
    taken = medians(
        {
            "one": lambda: cpu_seconds(lambda: one.score(times, values)),
            "many": lambda: cpu_seconds(lambda: fleet.score(streams.ravel(), day_times.ravel(), day_values.ravel())),
            "slot_by_slot": lambda: cpu_seconds(slot_by_slot),
            "raw": lambda: cpu_seconds(lambda: half_space_trees(house)),
        },
        _REPEATS,
    )
    return {
        "points_per_s": round(_READINGS / taken["one"]),
        "points_per_s_1000_streams": round(_STREAMS * _DAY_SLOTS / taken["many"]),
        "points_per_s_1000_streams_slot_by_slot": round(_STREAMS * _DAY_SLOTS / taken["slot_by_slot"]),
        "raw_half_space_trees_points_per_s": round(_RIVAL_READINGS / taken["raw"]),
    }


def _house(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Unix seconds, and energies in µWh: 200 Wh a slot, in the evening 600, with noise and now and then a spike."""
    random = np.random.default_rng(1)
    times = np.arange(count) * SLOT_SECONDS
    evening = times // 3_600 % 24 // 4 == 4
    spike = random.integers(0, 500, count) == 0
    return times, 1_000_000 * (200 + 400 * evening + 2_000 * spike) + random.integers(0, 50_000_000, count)


def _nab() -> Figures:
    if not NAB.is_dir():
        say(f"  no files in {NAB}: NAB's scores are left out")
        return {}
    say("  scoring NAB")
    streams = load_corpus(NAB / "data", NAB / "windows.json")
    result = judge("gridwitness", detect(streams, score_stream), halves=draw_halves(len(streams), _SPLITS, _SEED))
    scores = {f"nab_{profile.key}": round(score, 2) for profile, score in result.scores.items()}
    return {
        **scores,
        "nab_standard_held_back": round(fmean(result.splits[Profile.STANDARD]), 2),
        "nab_files": len(streams),
    }
