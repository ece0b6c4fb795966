"""What every group of routes is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ParamSpec, TypeVar

from fastapi import APIRouter, Depends, Request

from gridwitness.api.describing import Documents
from gridwitness.api.portal.access import Access
from gridwitness.api.portal.protocols import Portal, Viewer


async def _asker(request: Request) -> Viewer:
    viewer: Viewer = request.state.viewer
    return viewer


# Who asks, as the router has found out before.
Asker = Annotated[Viewer, Depends(_asker)]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """The site, who may see what of it, and the schemas of its documents."""

    portal: Portal
    access: Access
    documents: Documents

    def router(self, tag: str) -> APIRouter:
        """A router under /v1, each of whose requests is counted; a key that is not good is refused by all of them."""

        async def admit(request: Request) -> None:
            request.state.viewer = await self.access.viewer_of(request)

        return APIRouter(
            prefix="/v1",
            tags=[tag],
            dependencies=[Depends(admit)],
            generate_unique_id_function=lambda route: route.name,
        )


async def blocking(method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """A method of the portal, which may wait for the disk, off the event loop."""
    return await asyncio.to_thread(method, *args, **kwargs)
