from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.errors import InputError
from gridwitness.service.portal.cursors import Cursors

CURSORS = Cursors(bytes(range(32)))
PLACES = st.lists(st.integers(-(1 << 63), (1 << 63) - 1) | st.text("0123456789abcdef", max_size=64), max_size=3)


@given(PLACES)
def test_open__cursor_made_here__gives_its_place(place: list[int | str]) -> None:
    cursor = CURSORS.make(("devices", ""), tuple(place))
    assert CURSORS.open(("devices", ""), cursor) == tuple(place)


def test_open__empty__is_the_start() -> None:
    assert CURSORS.open(("devices",), "") is None


@given(st.text(min_size=1, max_size=300))
def test_open__anything_else__is_refused(cursor: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        CURSORS.open(("devices",), cursor)


def test_open__cursor_of_another_list_or_site__is_refused() -> None:
    cursor = CURSORS.make(("readings", b"a", False), (1, 2))
    with pytest.raises(InputError, match="cursor"):
        CURSORS.open(("readings", b"b", False), cursor)
    with pytest.raises(InputError, match="cursor"):
        Cursors(bytes(32)).open(("readings", b"a", False), cursor)


def test_open__altered__is_refused() -> None:
    cursor = CURSORS.make(("flagged",), (5, "ab", 7))
    altered = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    with pytest.raises(InputError, match="cursor"):
        CURSORS.open(("flagged",), altered)
