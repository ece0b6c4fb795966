"""Checkpoints of a stream: its state as canonical JSON with a hash, the same bytes for the same readings everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from gridwitness.encoding.hashing import keccak
from gridwitness.errors import InputError
from gridwitness.scoring.streaming.fixed_point import MAX_FIXED
from gridwitness.scoring.streaming.params import StreamParams
from gridwitness.scoring.streaming.state import PATH_END, SEEN, State, StateFields, sizes

Opened = TypeVar("Opened")
_FORMAT = "gridwitness-stream/1"
# Both follow from `recent`, and how `path` lies in memory depends on when it was restored.
_DERIVED = ("ordered", "path")


def encode_state(state: State, model_hash: bytes) -> bytes:
    """Encode a stream's state."""
    fields = {name: [int(item) for item in values] for name, values in state._asdict().items() if name not in _DERIVED}
    fields["numbers"][PATH_END] = 0
    fields["recent"] = fields["recent"][: fields["numbers"][SEEN]]
    return seal(_FORMAT, model_hash, fields)


def decode_state(data: bytes, model_hash: bytes, params: StreamParams) -> State:
    """Decode a checkpoint. Raises InputError if it is malformed, was altered, or is of another model."""
    return open_sealed(_FORMAT, data, model_hash, lambda fields: _state_of(fields, params))


def seal(form: str, model_hash: bytes, fields: dict[str, list[int]]) -> bytes:
    """A state's fields as canonical JSON with format and model; `hash` is Keccak-256 of the same JSON without it."""
    body: dict[str, Any] = {"format": form, "model": model_hash.hex(), "state": fields}
    return _canonical(body | {"hash": keccak(_canonical(body)).hex()})


def open_sealed(form: str, data: bytes, model_hash: bytes, build: Callable[[dict[str, list[int]]], Opened]) -> Opened:
    """What `build` makes of the fields. Raises InputError if `data` is malformed, was altered, or is of another model.

    `build` raises ValueError for fields that make no state.
    """
    try:
        body = json.loads(data)
        found = body.pop("hash")
        if found != keccak(_canonical(body)).hex():
            raise InputError(f"checkpoint's hash {str(found)[:24]} is not that of its content: it was altered")
        if body["format"] != form:
            raise InputError(f"checkpoint has format {body['format']!r}; this scorer reads {form!r}")
        if body["model"] != model_hash.hex():
            raise InputError(
                f"checkpoint was made by model {body['model'][:24]}; this scorer is {model_hash.hex()[:24]}",
                hint="use the parameters the checkpoint was made with, or score again from the log",
            )
        return build(body["state"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"checkpoint of {len(data)} bytes is malformed: {error!r}") from error


def _state_of(fields: dict[str, list[int]], params: StreamParams) -> State:
    recent, numbers = fields["recent"], fields["numbers"]
    seen = numbers[SEEN]
    if len(recent) != min(seen, params.memory) or not all(-MAX_FIXED <= value <= MAX_FIXED for value in recent):
        raise ValueError(f"{len(recent)} values remembered of {seen}")
    last = [recent[index % params.memory] for index in range(max(seen - params.shape_memory, 0), seen)]
    padding = [0] * (params.memory - len(recent))
    full = fields | {
        "recent": recent + padding,
        "ordered": sorted(recent) + padding,
        "path": last + [0] * (2 * params.shape_memory - len(last)),
        "numbers": [*numbers[:PATH_END], len(last)],
    }
    state: State = StateFields(**full)
    if tuple(map(len, state)) != sizes(params):
        raise ValueError("a field has the wrong length")
    return state


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode("ascii")
