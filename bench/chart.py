"""A chart of 100,000 points as the web page draws it, in Chromium: from the data to pixels on the canvas."""

from __future__ import annotations

import mimetypes
import shutil
import statistics
from types import MappingProxyType

from playwright.sync_api import Route, sync_playwright

from bench.results import Figures, Goal
from gridwitness.api.portal.pages import STATIC_DIR

GOALS = MappingProxyType({"draw_100k_points_ms": Goal(at_most=100)})
_POINTS = 100_000
_REPEATS = 15
_ORIGIN = "http://site.test"
_PAGE = """<!doctype html><link rel="stylesheet" href="/app.css"><link rel="stylesheet" href="/vendor/uPlot.min.css">
<script src="/vendor/uPlot.iife.min.js"></script>
<div class="bar"></div><figure data-time-zone="Europe/Berlin"></figure><canvas id="raw"></canvas>"""
# Reading a pixel back makes the browser finish what it would otherwise draw later. Raw: the points as one line on a
# canvas of that size, and nothing else.
_DRAW = """async ([points, repeats]) => {
  const { draw } = await import("/charts.js");
  const figure = document.querySelector("figure"), raw = document.querySelector("#raw");
  const x = Array.from({ length: points }, (_, index) => 1471046400 + index * 900);
  const values = x.map((_, index) => Math.sin(index / 15) * 3000 + ((index * 7919) % 613));
  const series = [{ name: "metered", colour: "import", values, kind: "steps", unit: "Wh" }];
  const chart = { x, is_time: true, plots: [{ title: "Net energy", series, tall: true }], words: "" };
  const finish = (canvas) => canvas.getContext("2d").getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1);
  const taken = { chart: [], raw: [] };
  for (let round = 0; round < repeats; round++) {
    let began = performance.now();
    const undo = draw(figure, chart);
    await Promise.resolve();
    finish(figure.querySelector("canvas"));
    taken.chart.push(performance.now() - began);
    Object.assign(raw, { width: figure.clientWidth, height: 260 });
    undo();
    began = performance.now();
    const context = raw.getContext("2d");
    context.beginPath();
    for (let index = 0; index < points; index++) {
      context.lineTo((index * raw.width) / points, 130 - values[index] / 30);
    }
    context.stroke();
    finish(raw);
    taken.raw.push(performance.now() - began);
  }
  return taken;
}"""


def measure() -> Figures:
    """Draw it again and again; the first time, in which the browser compiles, is told apart."""
    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("bench: there is no Chromium; on Debian and Ubuntu: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.route(f"{_ORIGIN}/**", _serve)
        page.goto(_ORIGIN + "/")
        taken_ms: dict[str, list[float]] = page.evaluate(_DRAW, [_POINTS, _REPEATS])
        browser.close()
    return {
        "draw_100k_points_ms": round(statistics.median(taken_ms["chart"][1:]), 1),
        "draw_100k_points_first_ms": round(taken_ms["chart"][0], 1),
        "raw_line_100k_points_ms": round(statistics.median(taken_ms["raw"][1:]), 1),
    }


def _serve(route: Route) -> None:
    name = route.request.url.removeprefix(_ORIGIN + "/")
    if name:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        route.fulfill(body=(STATIC_DIR / name).read_bytes(), content_type=kind)
    else:
        route.fulfill(body=_PAGE, content_type="text/html")
