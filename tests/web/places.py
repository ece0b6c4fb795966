"""The pages there are, and what is asked of all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = (Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
GRAVE = ("serious", "critical")


def places(api: Any) -> dict[str, str]:
    """Paths of all pages by name, with a home whose bill is held."""
    home = api("/v1/scores")["held"][0]
    batch = api("/v1/streams")[0]
    flagged = api("/v1/readings/flagged?limit=1")["items"][0]
    return {
        "now": "/",
        "community": "/community",
        "home": f"/homes/{home['device_id']}",
        "market": "/market",
        "fleet": "/fleet",
        "device": f"/devices/{home['device_id']}",
        "scores": "/scores",
        "trails": "/trail",
        "trail": f"/trail/{flagged['device_id']}/{flagged['counter']}",
        "chain": "/chain",
        "batch": f"/batches/{batch['stream_id']}/{batch['seq']}",
        "verify": "/verify",
        "sign-in": "/sign-in",
    }


def barriers(page: Page) -> list[str]:
    """What axe finds to be a serious or critical barrier."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in GRAVE
    ]


def overflow_px(page: Page) -> int:
    """How much wider than the screen the page is."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
