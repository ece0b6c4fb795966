"""The scorer of a device's metrics together: voltage, power and temperature may each be usual, and yet not fit."""

from __future__ import annotations

import json
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gridwitness.domain.readings import Score
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import InputError
from gridwitness.scoring.streaming import joint
from gridwitness.scoring.streaming.backend import compiled_joint_kernel, is_numba_installed
from gridwitness.scoring.streaming.checkpoint import open_sealed, seal
from gridwitness.scoring.streaming.fixed_point import DEFAULT_DECIMALS, MAX_FIXED, to_text
from gridwitness.scoring.streaming.joint import FACTS, ODD, USUAL, JointState, joint_sizes
from gridwitness.scoring.streaming.params import DEFAULT_STREAM_PARAMS, StreamParams
from gridwitness.scoring.streaming.reasons import NOTHING_BPS
from gridwitness.scoring.streaming.scorer import checked_integers
from gridwitness.scoring.streaming.state import SEEN

MODEL_NAME = "gridwitness-joint"
MODEL_VERSION = 1
_FORMAT = "gridwitness-joint/1"


@dataclass(frozen=True, slots=True)
class JointScores:
    """Scores of consecutive readings of several metrics, with which metric was the odd one.

    `score_bps` and `surprises_q8` (n), in 1/256 bit; `facts` (n, 2): the odd metric's number and what it was when the
    others were most alike; `values` (n, metrics) fixed point; int64.
    """

    score_bps: NDArray[np.int64]
    surprises_q8: NDArray[np.int64]
    facts: NDArray[np.int64]
    values: NDArray[np.int64]
    metrics: tuple[str, ...]
    decimals: int

    def score(self, index: int) -> Score:
        """Score of one reading, with a reason."""
        score_bps = int(self.score_bps[index])
        if score_bps <= NOTHING_BPS:
            return Score(score_bps, "none", "nothing unusual")
        odd = int(self.facts[index, ODD])
        others = [name for number, name in enumerate(self.metrics) if number != odd]
        now, usual = (
            to_text(int(fixed), self.decimals) for fixed in (self.values[index, odd], self.facts[index, USUAL])
        )
        return Score(
            score_bps,
            "joint",
            f"{_and([*others, self.metrics[odd]])} do not fit together: {self.metrics[odd]} is {now}, "
            f"and was {usual} when {_and(others)} {'was' if len(others) == 1 else 'were'} most like now",
        )


class JointScorer:
    """Scores readings of a device's metrics together; no score depends on a later one, nor on how calls are split.

    Each reading has a value of every metric at one time; where one is missing the reading is left out. A metric's
    distance is counted in its own spread, so that units do not matter. What a single metric alone would show is
    `StreamScorer`'s to say, with the same parameters.
    """

    def __init__(
        self,
        metrics: Sequence[str],
        params: StreamParams = DEFAULT_STREAM_PARAMS,
        *,
        decimals: int = DEFAULT_DECIMALS,
        compiled: bool | None = None,
    ) -> None:
        """`metrics` are names as people say them, 2 to 16; `decimals` and `compiled` as for `StreamScorer`."""
        params.check()
        if not 2 <= len(metrics) <= joint.MAX_METRICS or len(set(metrics)) != len(metrics):
            raise InputError(f"metrics are {', '.join(metrics)}; 2 to {joint.MAX_METRICS} different ones")
        self._metrics, self._params, self._decimals = tuple(metrics), params, decimals
        self._compiled = is_numba_installed() if compiled is None else compiled
        self._state = self._laid_out(JointState.empty(params, len(metrics)))

    @property
    def model_hash(self) -> bytes:
        """Keccak-256 of name, version, metrics and parameters as JSON, sorted and without spaces, 32 bytes."""
        model = {
            "metrics": self._metrics,
            "name": MODEL_NAME,
            "parameters": self._params._asdict(),
            "version": MODEL_VERSION,
        }
        return keccak(json.dumps(model, sort_keys=True, separators=(",", ":")).encode())

    @property
    def state_hash(self) -> bytes:
        """Keccak-256 of the checkpoint, 32 bytes."""
        return keccak(self.checkpoint())

    def checkpoint(self) -> bytes:
        """All that scores to come depend on, as canonical JSON with a hash."""
        fields = {name: [int(item) for item in values] for name, values in self._state._asdict().items()}
        return seal(_FORMAT, self.model_hash, fields)

    @classmethod
    def restore(
        cls,
        data: bytes,
        metrics: Sequence[str],
        params: StreamParams = DEFAULT_STREAM_PARAMS,
        *,
        decimals: int = DEFAULT_DECIMALS,
        compiled: bool | None = None,
    ) -> JointScorer:
        """A scorer in the state of a checkpoint. Raises InputError if it is malformed, altered or of another model."""
        scorer = cls(metrics, params, decimals=decimals, compiled=compiled)
        sizes = joint_sizes(params, len(metrics))
        state = open_sealed(_FORMAT, data, scorer.model_hash, lambda fields: _state_of(fields, sizes))
        scorer._state = scorer._laid_out(state)
        return scorer

    def score(self, readings: Sequence[Sequence[int]] | NDArray[np.int64]) -> JointScores:
        """Score readings and learn from them: fixed-point values (n, metrics), in order of arrival.

        Raises InputError if one is no integer or out of range, or lacks a metric; then nothing is learned.
        """
        count, metrics = len(readings), len(self._metrics)
        if any(len(row) != metrics for row in readings):
            raise InputError(f"a reading has another number of values than the {metrics} metrics")
        flat: Any = readings.ravel() if isinstance(readings, np.ndarray) else [one for row in readings for one in row]
        values = checked_integers("value", flat, -MAX_FIXED, MAX_FIXED).reshape(count, metrics)
        scores, surprises = (np.zeros(count, dtype=np.int64) for _ in range(2))
        facts = np.zeros((count, FACTS), dtype=np.int64)
        if self._compiled:
            compiled_joint_kernel()(self._state, self._params, values, scores, surprises, facts)
        else:
            lists = scores.tolist(), surprises.tolist(), facts.tolist()
            joint.score_all_together(self._state, self._params, values.tolist(), *lists)
            scores[:], surprises[:] = lists[:2]
            facts = np.array(lists[2], dtype=np.int64).reshape(count, FACTS)
        return JointScores(scores, surprises, facts, values, self._metrics, self._decimals)

    def _laid_out(self, state: JointState) -> JointState:
        if not self._compiled:
            return state
        return JointState(*(cast(MutableSequence[int], np.array(field, dtype=np.int64)) for field in state))


def _state_of(fields: dict[str, list[int]], sizes: tuple[int, ...]) -> JointState:
    state = JointState(**fields)
    if tuple(map(len, state)) != sizes or state.numbers[SEEN] < 0:
        raise ValueError("a field has the wrong length")
    return state


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
