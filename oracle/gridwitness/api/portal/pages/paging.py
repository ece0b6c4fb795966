"""Reads pages of the portal one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gridwitness.api.portal.views import Page

PAGE = 500
T = TypeVar("T")


def everything(read: Callable[[str, int], Page[T]], most: int) -> list[T]:
    """All items of `read(cursor, limit)`, but no more than `most`."""
    items: list[T] = []
    cursor = ""
    while len(items) < most:
        page = read(cursor, min(PAGE, most - len(items)))
        items += page.items
        cursor = page.next_cursor
        if not cursor:
            break
    return items
