"""Batches on chain and the market's prices: public, as the chain is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gridwitness.api.bodies import bytes32
from gridwitness.api.portal.answers import answer_public, found
from gridwitness.api.portal.parameters import Cursor, DayFilter, Limit, SeqPath, SlotPath, StreamPath, ZonePath
from gridwitness.api.portal.routes.context import Context, blocking
from gridwitness.api.portal.views import BatchView, BookView, ClearingView, Page, StreamView, ZoneView


def market_routes(context: Context) -> APIRouter:
    """/v1/streams, /v1/batches and /v1/zones."""
    routes = context.router("batches and market")
    _add_batches(routes, context)
    _add_zones(routes, context)
    return routes


def _add_batches(routes: APIRouter, context: Context) -> None:
    portal, documents = context.portal, context.documents

    @routes.get("/streams", **documents.answers(list[StreamView], is_public=True))
    async def streams(request: Request) -> Response:
        """Streams with their committee and newest batch."""
        return answer_public(request, await blocking(portal.streams))

    @routes.get("/batches/{stream}", **documents.answers(Page[BatchView], is_public=True))
    async def batches(request: Request, stream: StreamPath, cursor: Cursor = "", limit: Limit = 100) -> Response:
        """Batches of a stream, newest first."""
        page = await blocking(portal.batches, bytes32("stream", stream), cursor=cursor, limit=limit)
        return answer_public(request, page)

    @routes.get("/batches/{stream}/{seq}", **documents.answers(BatchView, 404, is_public=True))
    async def batch(request: Request, stream: StreamPath, seq: SeqPath) -> Response:
        """A batch as it stands on chain."""
        view = await blocking(portal.batch, bytes32("stream", stream), seq)
        return answer_public(request, found(view, f"batch {seq} of stream {stream}"))


def _add_zones(routes: APIRouter, context: Context) -> None:
    portal, documents = context.portal, context.documents

    @routes.get("/zones", **documents.answers(list[ZoneView], is_public=True))
    async def zones(request: Request) -> Response:
        """Market zones with their rules, and the days that have clearings."""
        return answer_public(request, await blocking(portal.zones))

    @routes.get("/zones/{zone}", **documents.answers(ZoneView, 404, is_public=True))
    async def zone(request: Request, zone: ZonePath) -> Response:
        """One market zone."""
        return answer_public(request, found(await blocking(portal.zone, zone), f"zone {zone}"))

    @routes.get("/zones/{zone}/book/{slot}", **documents.answers(BookView, 404, is_public=True))
    async def book(request: Request, zone: ZonePath, slot: SlotPath) -> Response:
        """Order book of a delivery slot: sums per price tick, never whose."""
        view = await blocking(portal.book, zone, slot)
        return answer_public(request, found(view, f"an order book of zone {zone} for slot {slot}"))

    @routes.get("/zones/{zone}/clearings", **documents.answers(Page[ClearingView], is_public=True))
    async def clearings(
        request: Request, zone: ZonePath, day: DayFilter = None, cursor: Cursor = "", limit: Limit = 100
    ) -> Response:
        """Price and volume of a zone's delivery slots, by slot."""
        return answer_public(request, await blocking(portal.clearings, zone, day=day, cursor=cursor, limit=limit))
