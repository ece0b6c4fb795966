"""`gridwitness bench nab`: score a corpus as streams, write the scores, and judge them by NAB's rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from gridwitness.errors import InputError
from gridwitness.scoring.streaming import StreamScorer
from gridwitness.service.bench.nab_corpus import NabStream, load_corpus, write_scores
from gridwitness.service.bench.nab_rules import Profile, Row, best_threshold, counted_rows, score_at
from gridwitness.service.bench.nab_splits import draw_halves, score_halves

Detector = Callable[[NabStream], Sequence[float]]
"""From a stream to one score per row, causal: no row's score depends on a later row."""


@dataclass(frozen=True, slots=True)
class NabResult:
    """Normalised scores and thresholds by profile, and rows scored per second of one core's time.

    `splits` has by profile the scores of files held back from the threshold, one for each split that was asked for.
    """

    detector: str
    scores: dict[Profile, float]
    thresholds: dict[Profile, float]
    splits: dict[Profile, list[float]]
    points_per_s: int


@dataclass(frozen=True, slots=True)
class Detected:
    """A corpus with one detector's scores."""

    corpus: list[tuple[NabStream, Sequence[float]]]
    points_per_s: int

    def rows(self) -> tuple[list[Row], int]:
        """What counts of it."""
        return counted_rows(self.corpus)


def score_stream(stream: NabStream) -> list[int]:
    """Scores of a stream in bps by our scorer, from its first row, with the parameters of every stream."""
    return [int(score) for score in StreamScorer().score(stream.times, stream.values).score_bps]


def detect(streams: Sequence[NabStream], detector: Detector) -> Detected:
    """Run a detector over a corpus on one core. A first row is scored before the clock starts, to compile."""
    first = streams[0]
    detector(NabStream(first.name, first.timestamps[:1], first.texts[:1], first.times[:1], first.values[:1], ()))
    started = time.process_time()
    corpus = [(stream, detector(stream)) for stream in streams]
    seconds = time.process_time() - started
    return Detected(corpus, int(sum(len(scores) for _, scores in corpus) / max(seconds, 1e-9)))


def judge(
    name: str, detected: Detected, thresholds_from: Detected | None = None, halves: Sequence[Set[int]] = ()
) -> NabResult:
    """Score by NAB's rules at the best threshold of `thresholds_from`, or of the corpus itself, for each profile.

    `halves` are numbers of files: for each, thresholds are also found on these and applied to all others.
    """
    rows, windows = detected.rows()
    tuned_rows, tuned_windows = thresholds_from.rows() if thresholds_from else (rows, windows)
    thresholds = {profile: best_threshold(tuned_rows, tuned_windows, profile) for profile in Profile}
    scores = {profile: score_at(rows, windows, profile, thresholds[profile]) for profile in Profile}
    windows_of = [len(stream.windows) for stream, _ in detected.corpus]
    splits = {
        profile: [score_halves(rows, windows_of, half, profile).held_back for half in halves] for profile in Profile
    }
    return NabResult(name, scores, thresholds, splits, detected.points_per_s)


def bench_nab(
    data: Path,
    windows: Path,
    out: Path,
    threshold_from: Path | None,
    rivals: dict[str, Detector],
    splits: int = 0,
    seed: int = 1,
) -> list[NabResult]:
    """Score a corpus with our scorer, write its scores below `out`, and judge it; then the rivals, in the same run.

    `threshold_from` is a folder with `data/` and `windows.json` on which thresholds are found instead. `splits` times
    half of the files, drawn by `seed`, is scored with thresholds of the other half; the same halves for every detector.
    """
    streams = load_corpus(data, windows)
    elsewhere = load_corpus(threshold_from / "data", threshold_from / "windows.json") if threshold_from else None
    halves = draw_halves(len(streams), splits, seed) if splits else []
    results = []
    for name, detector in ({"gridwitness": score_stream} | rivals).items():
        detected = detect(streams, detector)
        results.append(judge(name, detected, detect(elsewhere, detector) if elsewhere else None, halves))
        if detector is score_stream:
            for stream, scores in detected.corpus:
                try:
                    write_scores(out, stream, [int(score) for score in scores])
                except OSError as error:
                    raise InputError(f"cannot write the scores to {out}: {error.strerror}") from error
    return results
