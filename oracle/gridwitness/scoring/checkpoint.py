"""Checkpoints: the scorer's state as canonical JSON, the same bytes for the same state on every machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from gridwitness.errors import InputError
from gridwitness.scoring.attribution import Evidence, Mode
from gridwitness.scoring.cold_chain import ChainState
from gridwitness.scoring.excess import Sums, Tally
from gridwitness.scoring.loss import LossModel
from gridwitness.scoring.neighbours import Awaited, Expectation, Neighbourhood, Predictor
from gridwitness.scoring.residual import Accusation, ZoneState
from gridwitness.scoring.series import MISSING, Series

State = tuple[dict[tuple[bytes, str], Series], dict[int, ZoneState], dict[tuple[bytes, str], ChainState]]
_FORMAT = "gridwitness-scorer/3"


class OtherModelError(InputError):
    """A checkpoint that another model made: nothing is wrong with it, but this one cannot go on from it."""


def encode_state(
    model_hash: bytes,
    series: Mapping[tuple[bytes, str], Series],
    zones: Mapping[int, ZoneState],
    chains: Mapping[tuple[bytes, str], ChainState],
) -> bytes:
    """Encode a scorer's state; holes in the history are null."""
    state = {
        "chains": [[key[0].hex(), key[1], _row(item)] for key, item in sorted(chains.items())],
        "format": _FORMAT,
        "model": model_hash.hex(),
        "series": [[key[0].hex(), key[1], _series_row(item)] for key, item in sorted(series.items())],
        "zones": [[number, _zone_row(zone)] for number, zone in sorted(zones.items())],
    }
    return json.dumps(state, sort_keys=True, separators=(",", ":")).encode("ascii")


def decode_state(data: bytes, model_hash: bytes) -> State:
    """Decode a checkpoint. Raises OtherModelError if not the model of `model_hash` made it, InputError if malformed."""
    try:
        state = json.loads(data)
        if state["format"] != _FORMAT:
            raise OtherModelError(f"checkpoint has format {state['format']!r}; this scorer reads {_FORMAT!r}")
        if state["model"] != model_hash.hex():
            raise OtherModelError(
                f"checkpoint was made by model {state['model'][:24]}; this scorer is {model_hash.hex()[:24]}",
                hint="use the parameters the checkpoint was made with, or learn anew from readings",
            )
        series = {(bytes.fromhex(device), metric): _series_of(row) for device, metric, row in state["series"]}
        zones = {number: _zone_of(row) for number, row in state["zones"]}
        chains = {(bytes.fromhex(device), metric): ChainState(*row) for device, metric, row in state["chains"]}
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"checkpoint of {len(data)} bytes is malformed: {error!r}") from error
    return series, zones, chains


def _series_row(series: Series) -> list[Any]:
    row = [getattr(series, item.name) for item in fields(Series)]
    row[0] = [None if value == MISSING else value for value in series.values]
    return row


def _series_of(row: list[Any]) -> Series:
    values = [MISSING if value is None else value for value in row[0]]
    return Series(values, *row[1:])


def _zone_row(zone: ZoneState) -> dict[str, Any]:
    # Days of evidence name meters by their place among the ids, which are long.
    place = {device_id: index for index, device_id in enumerate(sorted(zone.homes))}
    evidence = [[*_row(item)[:-1], [place[one] for one in item.unsure]] for item in zone.evidence]
    tallies = [
        [slot, *_row(tally)[:-1], [place[one] for one in tally.unsure]] for slot, tally in sorted(zone.tallies.items())
    ]
    accused = {device_id.hex(): _row(item) for device_id, item in zone.accused.items()}
    homes = {device_id.hex(): _home_row(home) for device_id, home in zone.homes.items()}
    plain = {item.name: getattr(zone, item.name) for item in fields(ZoneState)}
    return plain | {
        "loss": asdict(zone.loss),
        "sums": _row(zone.sums),
        "sums_before": _row(zone.sums_before),
        "evidence": evidence,
        "tallies": tallies,
        "accused": accused,
        "homes": homes,
    }


def _row(item: Any) -> list[Any]:
    return [getattr(item, part.name) for part in fields(item)]


def _home_row(home: Neighbourhood) -> list[Any]:
    sides = [[[one.device_id.hex(), one.ratio, one.error] for one in side] for side in (home.imports, home.exports)]
    awaited = [
        [slot, *_row(one.due)[:2], *map(int, _row(one.due)[2:]), one.guess.error_wh]
        for slot, one in sorted(home.awaited.items())
    ]
    return [*sides, *_row(home)[2:-1], awaited]


def _home_of(row: list[Any]) -> Neighbourhood:
    imports, exports, *plain, recent, awaited = row
    home = Neighbourhood(_predictors_of(imports), _predictors_of(exports), *plain)
    home.recent = [(slot, value, error) for slot, value, error in recent]
    home.awaited = {
        slot: Awaited(Expectation(value, error, *map(bool, binds)), Expectation(value, guess_error))
        for slot, value, error, *binds, guess_error in awaited
    }
    return home


def _predictors_of(rows: list[list[Any]]) -> list[Predictor]:
    return [Predictor(bytes.fromhex(device), ratio, error) for device, ratio, error in rows]


def _zone_of(row: dict[str, Any]) -> ZoneState:
    ids = sorted(map(bytes.fromhex, row["homes"]))
    restored = {
        "loss": LossModel(**row["loss"]),
        "sums": Sums(*row["sums"]),
        "sums_before": Sums(*row["sums_before"]),
        "evidence": [
            Evidence(slot, excess_wh, sigma_wh, _named(ids, unsure))
            for slot, excess_wh, sigma_wh, unsure in row["evidence"]
        ],
        "tallies": {
            slot: Tally(feeder_wh, total_wh, squares, doubt, _named(ids, unsure))
            for slot, feeder_wh, total_wh, squares, doubt, unsure in row["tallies"]
        },
        "accused": {
            bytes.fromhex(device): Accusation(slot, Mode(mode), slope, honest)
            for device, (slot, mode, slope, honest) in row["accused"].items()
        },
        "homes": {bytes.fromhex(device): _home_of(home) for device, home in row["homes"].items()},
    }
    return ZoneState(**(row | restored))


def _named(ids: Sequence[bytes], places: list[int]) -> tuple[bytes, ...]:
    return tuple(ids[place] for place in places)
