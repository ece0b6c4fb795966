"""Checkpoints: the scorer's state as canonical JSON, the same bytes for the same state on every machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from gridwitness.errors import InputError
from gridwitness.scoring.attribution import Evidence
from gridwitness.scoring.loss import LossModel
from gridwitness.scoring.residual import ZoneState
from gridwitness.scoring.series import MISSING, Series

_FORMAT = "gridwitness-scorer/1"


def encode_state(
    model_hash: bytes, series: Mapping[tuple[bytes, str], Series], zones: Mapping[int, ZoneState]
) -> bytes:
    """Encode a scorer's state; holes in the history are null."""
    state = {
        "format": _FORMAT,
        "model": model_hash.hex(),
        "series": [[key[0].hex(), key[1], _series_row(item)] for key, item in sorted(series.items())],
        "zones": [[number, _zone_row(zone)] for number, zone in sorted(zones.items())],
    }
    return json.dumps(state, sort_keys=True, separators=(",", ":")).encode("ascii")


def decode_state(data: bytes, model_hash: bytes) -> tuple[dict[tuple[bytes, str], Series], dict[int, ZoneState]]:
    """Decode a checkpoint. Raises InputError if it is malformed, or was made by another model than `model_hash`."""
    try:
        state = json.loads(data)
        if state["format"] != _FORMAT:
            raise InputError(f"checkpoint has format {state['format']!r}; this scorer reads {_FORMAT!r}")
        if state["model"] != model_hash.hex():
            raise InputError(
                f"checkpoint was made by model {state['model'][:24]}; this scorer is {model_hash.hex()[:24]}",
                hint="use the parameters the checkpoint was made with, or score again from the log",
            )
        series = {(bytes.fromhex(device), metric): _series_of(row) for device, metric, row in state["series"]}
        zones = {number: _zone_of(row) for number, row in state["zones"]}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"checkpoint of {len(data)} bytes is malformed: {error!r}") from error
    return series, zones


def _series_row(series: Series) -> list[Any]:
    row = [getattr(series, item.name) for item in fields(Series)]
    row[0] = [None if value == MISSING else value for value in series.values]
    return row


def _series_of(row: list[Any]) -> Series:
    values = [MISSING if value is None else value for value in row[0]]
    return Series(values, *row[1:])


def _zone_row(zone: ZoneState) -> dict[str, Any]:
    evidence = [
        [item.slot, item.excess_wh, item.sigma_wh, [device_id.hex() for device_id in item.unsure]]
        for item in zone.evidence
    ]
    return asdict(zone) | {"evidence": evidence, "accused": zone.accused.hex()}


def _zone_of(row: dict[str, Any]) -> ZoneState:
    restored = {
        "loss": LossModel(**row["loss"]),
        "evidence": [
            Evidence(slot, excess_wh, sigma_wh, tuple(map(bytes.fromhex, unsure)))
            for slot, excess_wh, sigma_wh, unsure in row["evidence"]
        ],
        "accused": bytes.fromhex(row["accused"]),
    }
    return ZoneState(**(row | restored))
