"""Score NAB's files with parameters and thresholds both found on other files: the row of ADR 0011.

    python toolchain/vary_nab_parameters.py --nab ../shared/data/nab --splits 40 --seed 1

Each parameter is halved and doubled, one at a time; those that only map evidence to scores are left alone. On one half
of the files the best of these variations is chosen, with its best threshold, and the other half is scored with both.
The halves are those of `gridwitness bench nab` with the same seed. Takes some twenty minutes of one core.
"""

from __future__ import annotations

import argparse
from collections import Counter
from functools import partial
from pathlib import Path
from statistics import fmean

from gridwitness.scoring.streaming import StreamScorer
from gridwitness.scoring.streaming.params import DEFAULT_STREAM_PARAMS, StreamParams
from gridwitness.service.bench.nab import detect
from gridwitness.service.bench.nab_corpus import NabStream, load_corpus
from gridwitness.service.bench.nab_rules import Profile
from gridwitness.service.bench.nab_splits import HalfScores, draw_halves, score_halves

MAPPINGS = ("rank_limit_bps", "alert_from_q8", "alert_step_q8")


def variations() -> dict[str, StreamParams]:
    """The default, and what differs from it in one parameter, by name."""
    default = DEFAULT_STREAM_PARAMS
    varied = {"default": default}
    for name, value in default._asdict().items():
        if name not in MAPPINGS:
            varied[f"{name} {value // 2}"] = default._replace(**{name: value // 2})
            varied[f"{name} {value * 2}"] = default._replace(**{name: value * 2})
    return varied


def score_with(params: StreamParams, stream: NabStream) -> list[int]:
    """Scores of a stream in bps."""
    return [int(bps) for bps in StreamScorer(params).score(stream.times, stream.values).score_bps]


def main() -> None:
    """Print mean, worst and best of the halves held back, and how often each variation was chosen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nab", type=Path, required=True, help="folder with data/ and windows.json")
    parser.add_argument("--splits", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    streams = load_corpus(arguments.nab / "data", arguments.nab / "windows.json")
    windows = [len(stream.windows) for stream in streams]
    halves = draw_halves(len(streams), arguments.splits, arguments.seed)
    best: dict[tuple[Profile, int], tuple[HalfScores, str]] = {}
    for name, params in variations().items():
        rows, _ = detect(streams, partial(score_with, params)).rows()
        for profile in Profile:
            for split, half in enumerate(halves):
                scores = score_halves(rows, windows, half, profile)
                if (profile, split) not in best or scores.designed > best[profile, split][0].designed:
                    best[profile, split] = (scores, name)
    for profile in Profile:
        chosen = [best[profile, split] for split in range(len(halves))]
        held_back = [scores.held_back for scores, _ in chosen]
        print(f"{profile.key}: {fmean(held_back):.2f} ({min(held_back):.2f} to {max(held_back):.2f})")
        times = Counter(name for _, name in chosen).most_common()
        print("  " + ", ".join(f"{name}: {count}" for name, count in times))


if __name__ == "__main__":
    main()
