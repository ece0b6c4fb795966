"""Proof documents of readings and profiles, for who may see what they prove."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query, Request, Response

from gridwitness.api.bodies import bytes32
from gridwitness.api.portal.answers import entity_tag, found, respond
from gridwitness.api.portal.parameters import MAX_PAGE, CounterPath, DayPath, DevicePath, DeviceQuery, TimeQuery
from gridwitness.api.portal.proof_cache import PROFILE, READING, Key, ProofCache
from gridwitness.api.portal.protocols import Viewer
from gridwitness.api.portal.routes.context import Asker, Context, blocking
from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.errors import ProofError


def proof_routes(context: Context, cache: ProofCache) -> APIRouter:
    """/v1/proofs."""
    routes, portal = context.router("proofs"), context.portal
    answers = context.documents.answers(dict[str, Any], 404)

    async def reading_proof(request: Request, viewer: Viewer, device_id: bytes, counter: int) -> Response:
        key = (viewer, READING, device_id, counter)
        known = await cache.get(key)
        if known is None:
            body = await blocking(portal.reading_proof, viewer, device_id, counter)
            known = _kept(cache, key, found(body, f"reading {counter} of device 0x{device_id.hex()}"))
        return respond(request, *known, is_private=True)

    @routes.get("/proofs/readings", **answers)
    async def proof_of_reading_at(
        request: Request,
        viewer: Asker,
        device: DeviceQuery,
        time: TimeQuery,
        metric: str = Query(NET_ENERGY_METRIC, max_length=80),
    ) -> Response:
        """Proof of a device's reading at a time."""
        device_id = bytes32("device", device)
        of = {"time_from": time, "time_to": time + 1, "limit": MAX_PAGE}
        page = await blocking(portal.readings, viewer, device_id, **of, flagged=False, cursor="")
        counter = next((one.counter for one in page.items if one.metric == metric), None)
        if counter is None:
            raise ProofError(f"device {device} has no reading of {metric} at {time} here, or none for you to see")
        return await reading_proof(request, viewer, device_id, counter)

    @routes.get("/proofs/readings/{device}/{counter}", **answers)
    async def proof_of_reading(request: Request, viewer: Asker, device: DevicePath, counter: CounterPath) -> Response:
        """Proof of a device's reading by its counter."""
        return await reading_proof(request, viewer, bytes32("device", device), counter)

    @routes.get("/proofs/profiles/{device}/{day}", **answers)
    async def proof_of_profile(request: Request, viewer: Asker, device: DevicePath, day: DayPath) -> Response:
        """Proof of a device's profile of a UTC day."""
        key = (viewer, PROFILE, bytes32("device", device), day)
        known = await cache.get(key)
        if known is None:
            body = await blocking(portal.profile_proof, viewer, key[2], day)
            known = _kept(cache, key, found(body, f"the profile of device {device} of day {day}"))
        return respond(request, *known, is_private=True)

    return routes


def _kept(cache: ProofCache, key: Key, body: object) -> tuple[bytes, str]:
    assert isinstance(body, bytes)
    tag = entity_tag(body, key[0])
    cache.put(key, body, tag)
    return body, tag
