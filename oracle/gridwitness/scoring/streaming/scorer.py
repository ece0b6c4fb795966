"""The scorer of one stream: values in order of arrival in, scores with reasons out, a state to checkpoint between."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from gridwitness.domain.readings import Score
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import InputError
from gridwitness.scoring.streaming import kernel
from gridwitness.scoring.streaming.backend import compiled_kernel, is_numba_installed
from gridwitness.scoring.streaming.checkpoint import decode_state, encode_state
from gridwitness.scoring.streaming.fixed_point import DEFAULT_DECIMALS, MAX_FIXED
from gridwitness.scoring.streaming.params import DEFAULT_STREAM_PARAMS, StreamParams
from gridwitness.scoring.streaming.reasons import NOTHING_BPS, explain
from gridwitness.scoring.streaming.state import State

MAX_TIME = 1 << 40


@dataclass(frozen=True, slots=True)
class StreamScores:
    """Scores of consecutive readings, with what each channel saw.

    `score_bps` and `values` (n); `surprises_q8` and `facts` (n, channels), in the order of `kernel.CHANNELS`; int64.
    """

    score_bps: NDArray[np.int64]
    surprises_q8: NDArray[np.int64]
    facts: NDArray[np.int64]
    values: NDArray[np.int64]
    params: StreamParams
    decimals: int

    def score(self, index: int) -> Score:
        """Score of one reading with the channel that decided and a reason."""
        score_bps = int(self.score_bps[index])
        if score_bps <= NOTHING_BPS:
            return Score(score_bps, "none", "nothing unusual")
        row, facts = self.surprises_q8[index].tolist(), self.facts[index].tolist()
        return Score(score_bps, *explain(row, facts, int(self.values[index]), self.params, self.decimals))

    def channels(self, index: int) -> dict[str, int]:
        """Surprise of one reading by channel, in 1/256 bit."""
        return {name: int(bits) for name, bits in zip(kernel.CHANNELS, self.surprises_q8[index], strict=True)}


class StreamScorer:
    """Scores one stream; no score depends on a later reading, nor on how the readings were split into calls.

    Readings are taken in order of arrival, whatever their times: a gap, a repeated or an earlier time (a clock set
    back) changes nothing but the hour of the season channel. So a reading that is missing is left out, and one that
    is late is scored when it comes. Give differences of a counting register, not its state: a reset is then a value.
    """

    def __init__(
        self,
        params: StreamParams = DEFAULT_STREAM_PARAMS,
        *,
        decimals: int = DEFAULT_DECIMALS,
        compiled: bool | None = None,
    ) -> None:
        """`decimals` is only for reasons in words; `compiled` asks for numba or Python, else whichever is there."""
        params.check()
        self._params, self._decimals = params, decimals
        self._compiled = is_numba_installed() if compiled is None else compiled
        self._state = self._laid_out(State.empty(params))

    @property
    def model_hash(self) -> bytes:
        """Keccak-256 of model and parameters, 32 bytes."""
        return self._params.model_hash()

    @property
    def state_hash(self) -> bytes:
        """Keccak-256 of the checkpoint, 32 bytes."""
        return keccak(self.checkpoint())

    def checkpoint(self) -> bytes:
        """All that scores to come depend on, as canonical JSON with a hash."""
        return encode_state(self._state, self.model_hash)

    @classmethod
    def restore(
        cls,
        data: bytes,
        params: StreamParams = DEFAULT_STREAM_PARAMS,
        *,
        decimals: int = DEFAULT_DECIMALS,
        compiled: bool | None = None,
    ) -> StreamScorer:
        """A scorer in the state of a checkpoint. Raises InputError if it is malformed, altered or of another model."""
        scorer = cls(params, decimals=decimals, compiled=compiled)
        scorer._state = scorer._laid_out(decode_state(data, scorer.model_hash, params))
        return scorer

    def score(
        self, times: Sequence[int] | NDArray[np.int64], values: Sequence[int] | NDArray[np.int64]
    ) -> StreamScores:
        """Score readings and learn from them: unix seconds and fixed-point values, one for one.

        Raises InputError if one is no integer or out of range, or their numbers differ; then nothing is learned.
        """
        own_times, own_values = (
            checked_integers("time", times, 0, MAX_TIME),
            checked_integers("value", values, -MAX_FIXED, MAX_FIXED),
        )
        if len(own_times) != len(own_values):
            raise InputError(f"{len(own_times)} times for {len(own_values)} values")
        scores = np.zeros(len(own_values), dtype=np.int64)
        rows, facts = (np.zeros((len(own_values), len(kernel.CHANNELS)), dtype=np.int64) for _ in range(2))
        if self._compiled:
            compiled_kernel()(self._state, self._params, own_times, own_values, scores, rows, facts)
        else:
            lists = scores.tolist(), rows.tolist(), facts.tolist()
            kernel.score_many(self._state, self._params, own_times.tolist(), own_values.tolist(), *lists)
            scores[:] = lists[0]
            # Without a reading there are no rows to take the number of columns from.
            rows, facts = (np.array(given, dtype=np.int64).reshape(rows.shape) for given in lists[1:])
        return StreamScores(scores, rows, facts, own_values, self._params, self._decimals)

    def _laid_out(self, state: State) -> State:
        if not self._compiled:
            return state
        return State(*(cast(MutableSequence[int], np.array(field, dtype=np.int64)) for field in state))


def checked_integers(name: str, given: Sequence[int] | NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    """Integers from low to high as int64 (n). Raises InputError if one is neither."""
    try:
        array = np.asarray(given)
    except OverflowError as error:
        raise InputError(f"a {name} is outside {low} to {high}") from error
    if len(array) == 0:
        return np.zeros(0, dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise InputError(f"{name}s are of type {array.dtype}; the scorer computes in integers")
    if array.min() < low or array.max() > high:
        raise InputError(f"{name} {array.min() if array.min() < low else array.max()} is outside {low} to {high}")
    return array.astype(np.int64)
