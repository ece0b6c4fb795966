"""The scorers of one stream and of many: readings as they arrive in, scores with reasons out, checkpoints between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

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
from gridwitness.scoring.streaming.state import StateFields, States, empty_states, sizes

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


class FleetScorer:
    """Scores many streams at once: readings of any of them mixed as they arrive, in one call.

    A stream's scores, reasons and checkpoint are bit for bit those of a `StreamScorer` of its own: it learns nothing
    from the others. Streams go by number, from 0; some 300 kB of memory are set aside for each.
    """

    def __init__(
        self,
        streams: int,
        params: StreamParams = DEFAULT_STREAM_PARAMS,
        *,
        decimals: int = DEFAULT_DECIMALS,
        compiled: bool | None = None,
    ) -> None:
        """`streams` is how many; `decimals` is only for reasons in words, the same for all streams.

        `compiled` asks for numba or Python, else whichever is there.
        """
        params.check()
        if streams < 1:
            raise InputError(f"{streams} streams; a fleet has one or more")
        self._streams, self._params, self._decimals = streams, params, decimals
        self._compiled = is_numba_installed() if compiled is None else compiled
        self._states = _zeros(params, streams) if self._compiled else empty_states(params, streams)

    @property
    def model_hash(self) -> bytes:
        """Keccak-256 of model and parameters, 32 bytes; that of a single stream's scorer."""
        return self._params.model_hash()

    def checkpoint(self, stream: int) -> bytes:
        """All that scores to come of a stream depend on, as canonical JSON with a hash.

        It changes with the stream's own readings only, so that streams without new ones need not be written again.
        Raises InputError if there is no such stream.
        """
        if not 0 <= stream < self._streams:
            raise InputError(f"stream {stream} is outside 0 to {self._streams - 1}")
        return encode_state(kernel.state_of(self._states, stream), self.model_hash)

    @classmethod
    def restore(
        cls,
        checkpoints: Sequence[bytes],
        params: StreamParams = DEFAULT_STREAM_PARAMS,
        *,
        decimals: int = DEFAULT_DECIMALS,
        compiled: bool | None = None,
    ) -> FleetScorer:
        """A fleet with one stream for each checkpoint, in their order; those of a `StreamScorer` will do.

        Raises InputError if one is malformed, altered or of another model, or there is none.
        """
        fleet = cls(len(checkpoints), params, decimals=decimals, compiled=compiled)
        for stream, data in enumerate(checkpoints):
            state = decode_state(data, fleet.model_hash, params)
            for own, restored in zip(kernel.state_of(fleet._states, stream), state, strict=True):
                own[:] = restored
        return fleet

    def score(
        self,
        streams: Sequence[int] | NDArray[np.int64],
        times: Sequence[int] | NDArray[np.int64],
        values: Sequence[int] | NDArray[np.int64],
    ) -> StreamScores:
        """Score readings and learn from them: each one's stream, unix seconds and fixed-point value, one for one.

        Raises InputError if one is no integer or out of range, or their numbers differ; then nothing is learned.
        """
        own_streams = checked_integers("stream", streams, 0, self._streams - 1)
        own_times = checked_integers("time", times, 0, MAX_TIME)
        own_values = checked_integers("value", values, -MAX_FIXED, MAX_FIXED)
        for name, given in (("streams", own_streams), ("times", own_times)):
            if len(given) != len(own_values):
                raise InputError(f"{len(given)} {name} for {len(own_values)} values")
        scores = np.zeros(len(own_values), dtype=np.int64)
        rows, facts = (np.zeros((len(own_values), len(kernel.CHANNELS)), dtype=np.int64) for _ in range(2))
        # Streams learn nothing from each other, and each one's state is fetched from memory once: twice as fast.
        order = np.argsort(own_streams, kind="stable")
        if self._compiled:
            compiled_kernel()(
                self._states, self._params, order, own_streams, own_times, own_values, scores, rows, facts
            )
        else:
            lists = scores.tolist(), rows.tolist(), facts.tolist()
            columns = order.tolist(), own_streams.tolist(), own_times.tolist(), own_values.tolist()
            kernel.score_many(self._states, self._params, *columns, *lists)
            scores[:] = lists[0]
            # Without a reading there are no rows to take the number of columns from.
            rows, facts = (np.array(given, dtype=np.int64).reshape(rows.shape) for given in lists[1:])
        return StreamScores(scores, rows, facts, own_values, self._params, self._decimals)


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
        self._fleet = FleetScorer(1, params, decimals=decimals, compiled=compiled)

    @property
    def model_hash(self) -> bytes:
        """Keccak-256 of model and parameters, 32 bytes."""
        return self._fleet.model_hash

    @property
    def state_hash(self) -> bytes:
        """Keccak-256 of the checkpoint, 32 bytes."""
        return keccak(self.checkpoint())

    def checkpoint(self) -> bytes:
        """All that scores to come depend on, as canonical JSON with a hash."""
        return self._fleet.checkpoint(0)

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
        scorer._fleet = FleetScorer.restore([data], params, decimals=decimals, compiled=compiled)
        return scorer

    def score(
        self, times: Sequence[int] | NDArray[np.int64], values: Sequence[int] | NDArray[np.int64]
    ) -> StreamScores:
        """Score readings and learn from them: unix seconds and fixed-point values, one for one.

        Raises InputError if one is no integer or out of range, or their numbers differ; then nothing is learned.
        """
        return self._fleet.score(np.zeros(len(values), dtype=np.int64), times, values)


def _zeros(params: StreamParams, streams: int) -> States:
    fields = (np.zeros((streams, size), dtype=np.int64) for size in sizes(params))
    return StateFields(*cast(Any, fields))


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
