"""Whose data a viewer may see, and what a site may say of itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gridwitness.api.portal.protocols import ANYBODY, EVERYTHING, Viewer
from gridwitness.errors import ConfigError
from gridwitness.service.portal import SiteOptions
from gridwitness.store.site_index import SiteIndex
from tests.oracle.portal.sites import account_of, home, site_over

OWNER = Viewer(accounts=frozenset({account_of(1)}))
HANDED_OVER = 1_469_000_000


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SiteIndex]:
    opened = SiteIndex(tmp_path / "site.sqlite")
    yield opened
    opened.close()


@pytest.mark.parametrize("owned_since", [0, HANDED_OVER])
def test_look__device_handed_over_that_the_index_knows_nothing_of__owner_sees_what_came_since(
    index: SiteIndex, owned_since: int
) -> None:
    device = home(1, owned_since=owned_since)
    site = site_over(index, [device])
    assert site.visible_device(OWNER, device.device_id) == (device, owned_since)
    assert site.visible_device(EVERYTHING, device.device_id) == (device, 0)
    assert site.visible_device(ANYBODY, device.device_id) is None


def test_say__currency_that_pages_have_no_words_for__is_refused() -> None:
    with pytest.raises(ConfigError, match="currency is CHF"):
        SiteOptions("Green Street", 1, "oracle-1", account_of(0), currency="CHF")
