"""Asks an oracle for proofs over its HTTP interface."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.errors import GridwitnessError, NothingAttested, ProofError
from gridwitness.service.proofs import ProofFile, parse_proof

_TIMEOUT_S = 30


def request_reading_proof(
    url: str, device_id: bytes, time: int, metric: str, *, client: httpx.Client | None = None, key: str = ""
) -> ProofFile:
    """Proof of a device's reading at `time` (unix seconds, start of the interval) from the oracle at `url`.

    Who asks for many gives a `client`, so that connections are kept. `key` is an API key, where one is needed.

    Raises NothingAttested if the oracle has no such reading attested, ProofError if it refuses or its proof is none,
    GridwitnessError if it does not answer.
    """
    query = {"device": _hex(device_id), "time": str(time), "metric": metric}
    return _request(url, "/v1/proofs/readings", query, client, key)


def request_profile_proof(
    url: str, device_id: bytes, time: int, *, client: httpx.Client | None = None, key: str = ""
) -> ProofFile:
    """Proof of a device's profile of the UTC day that contains `time` (unix seconds); errors as above."""
    return _request(url, f"/v1/proofs/profiles/{_hex(device_id)}/{time // SECONDS_PER_DAY}", {}, client, key)


def _request(url: str, path: str, query: Mapping[str, str], client: httpx.Client | None, key: str) -> ProofFile:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    get = client.get if client is not None else httpx.get
    try:
        answer = get(url.rstrip("/") + path, params=dict(query), headers=headers, timeout=_TIMEOUT_S)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise GridwitnessError(
            f"no oracle answers at {url} ({error})", hint="`gridwitness run` starts one; check --url"
        ) from error
    try:
        document = answer.json()
    except ValueError:
        raise GridwitnessError(f"what answers at {url} is no oracle (HTTP {answer.status_code})") from None
    if answer.status_code != httpx.codes.OK:
        detail = document.get("detail") if isinstance(document, dict) else None
        # That nothing is there is one thing, that it must not be seen, or not now, another.
        kind = NothingAttested if answer.status_code == httpx.codes.NOT_FOUND else ProofError
        raise kind(str(detail or f"the oracle answered HTTP {answer.status_code}"))
    return parse_proof(document)


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
