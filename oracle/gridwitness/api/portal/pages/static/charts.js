// Draws the charts that pages describe (pages/charts.py) with uPlot: in the page's colours and the site's time zone.
const uPlot = window.uPlot;
const HEIGHTS = { tall: 260, low: 150 };
const FONT_PX = 12;
const LEFT_PX = 54;
const POINTS_PER_PIXEL = 2;
const HOURS = [0.25, 1, 2, 3, 6, 12, 24, 72, 168, 720].map((hours) => hours * 3600);
const { stepped, linear } = uPlot.paths;
// What is asked for at a price is asked for at any lower one: that step ends where the others begin.
const PATHS = { falling: stepped({ align: -1 }), line: linear() };
const STEPS = stepped({ align: 1 });

// A colour of app.css as the canvas takes it; light-dark() is only resolved on an element.
function colourOf(name) {
  const probe = document.createElement("i");
  probe.className = `c-${name}`;
  probe.hidden = true;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

function withAlpha(colour, alpha) {
  const [r, g, b] = colour.match(/[\d.]+/g);
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

function decimalsOf(unit) {
  return unit === "Wh" ? 0 : 2;
}

function formatted(value, unit) {
  if (value === null || value === undefined) return "–";
  const digits = decimalsOf(unit);
  const text = value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${text.replace("-", "−")} ${unit}`;
}

function seriesOf(described, isDense) {
  const stroke = colourOf(described.colour);
  const isMark = described.kind === "mark";
  const isDashed = described.kind === "dashed";
  return {
    label: described.name,
    stroke,
    width: isMark ? 3 : isDashed ? 1.5 : 2,
    dash: isDashed ? [5, 4] : undefined,
    fill: described.kind === "area" ? withAlpha(stroke, 0.35) : undefined,
    paths: isDense ? PATHS.line : (PATHS[described.kind] ?? STEPS),
    points: { show: false },
  };
}

// From the first time on, which is a local midnight: uPlot would count from midnight UTC.
function splits(u, _, low, high, step) {
  const [first] = u.data[0];
  const count = Math.max(0, Math.floor((high - first) / step) + 1);
  return Array.from({ length: count }, (_, index) => first + index * step).filter((at) => at >= low);
}

function axes(isTime, isUpright, zone) {
  const common = { stroke: colourOf("muted"), font: `${FONT_PX}px system-ui, sans-serif`, ticks: { show: false } };
  const grid = { stroke: getComputedStyle(document.querySelector(".bar")).borderBottomColor, width: 1 };
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });
  const plain = (_, splits) => splits.map((value) => String(value).replace("-", "−"));
  const bottom = {
    ...common,
    grid: { show: isUpright, ...grid },
    space: isTime ? 64 : 50,
    size: 26,
    gap: 6,
    values: isTime ? (_, splits) => splits.map((at) => clock.format(at * 1000)) : plain,
  };
  const left = { ...common, grid, size: LEFT_PX, gap: 8, space: 34, values: plain };
  if (isTime) Object.assign(bottom, { incrs: HOURS, splits });
  return isUpright ? [{ ...left, side: 3 }, { ...bottom, side: 2 }] : [bottom, left];
}

// Levels to compare with, such as the grid's prices, and the point where supply and demand cross.
function drawMarks(plot, crossing) {
  return (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.font = `${FONT_PX * devicePixelRatio}px system-ui, sans-serif`;
    for (const { at, name } of plot.lines ?? []) {
      const y = u.valToPos(at, "y", true);
      ctx.strokeStyle = ctx.fillStyle = colourOf("muted");
      ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.textAlign = "right";
      ctx.textBaseline = "alphabetic";
      ctx.fillText(`${name} ${at.toFixed(1)} ct`, bbox.left + bbox.width, y - 4 * devicePixelRatio);
    }
    if (crossing) drawCrossing(u, crossing);
    ctx.restore();
  };
}

function drawCrossing(u, [price, energy]) {
  const { ctx, bbox } = u;
  const [x, y] = [u.valToPos(energy, "y", true), u.valToPos(price, "x", true)];
  ctx.strokeStyle = ctx.fillStyle = colourOf("price");
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(x, y);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.beginPath();
  ctx.arc(x, y, 4.5 * devicePixelRatio, 0, 2 * Math.PI);
  ctx.fill();
  ctx.font = `600 ${(FONT_PX + 1) * devicePixelRatio}px system-ui, sans-serif`;
  const words = `${price.toFixed(2)} ct/kWh · ${energy.toFixed(2)} kWh`;
  const gap = 10 * devicePixelRatio;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  ctx.fillText(words, Math.min(x + gap, bbox.left + bbox.width - ctx.measureText(words).width), y - gap);
}

function legendOf(plot) {
  const list = document.createElement("ul");
  list.className = "legend";
  const outputs = plot.series.map((series) => {
    const [item, swatch, name, output] = ["li", "i", "span", "output"].map((tag) => document.createElement(tag));
    item.className = `c-${series.colour}`;
    name.textContent = series.name;
    item.append(swatch, name, output);
    list.append(item);
    return output;
  });
  return { list, outputs };
}

function sayCursor(document_, plot, outputs, heading, zone) {
  const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone, timeZoneName: "short" });
  return (u) => {
    const { idx } = u.cursor;
    heading.textContent = idx === null ? plot.title : `${plot.title} · ${document_.is_time ? time.format(document_.x[idx] * 1000) : formatted(document_.x[idx], "ct/kWh")}`;
    outputs.forEach((output, index) => {
      output.textContent = idx === null ? "" : formatted(plot.series[index].values[idx], plot.series[index].unit);
    });
  };
}

function optionsOf(document_, plot, zone, width, sync) {
  const isUpright = Boolean(document_.is_upright);
  // Steps narrower than a pixel cannot be seen; uPlot draws lines by their highest and lowest point of each pixel.
  const isDense = document_.x.length > POINTS_PER_PIXEL * width;
  return {
    width,
    height: HEIGHTS[plot.tall ? "tall" : "low"],
    padding: [14, 24, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: sync }, y: false, drag: { x: document_.is_time, y: false }, points: { show: !isUpright } },
    scales: {
      x: isUpright ? { time: false, ori: 1, dir: 1 } : { time: false },
      y: { ...(isUpright && { ori: 0, dir: 1 }), range: (_, low, high) => uPlot.rangeNum(Math.min(low ?? 0, 0), Math.max(high ?? 1, ...(plot.lines ?? []).map(({ at }) => at), 0) || 1, 0.08, true) },
    },
    axes: axes(document_.is_time, isUpright, zone),
    series: [{}, ...plot.series.map((series) => seriesOf(series, isDense))],
    hooks: { draw: [drawMarks(plot, document_.crossing)] },
  };
}

export function draw(figure, document_) {
  const zone = figure.dataset.timeZone;
  const sync = `chart-${Math.random()}`;
  const plots = document_.plots.map((plot) => {
    const heading = document.createElement("div");
    heading.className = "plot-title";
    heading.textContent = plot.title;
    const { list, outputs } = legendOf(plot);
    const place = document.createElement("div");
    figure.append(heading, list, place);
    const options = optionsOf(document_, plot, zone, figure.clientWidth, sync);
    options.hooks.setCursor = [sayCursor(document_, plot, outputs, heading, zone)];
    return new uPlot(options, [document_.x, ...plot.series.map((series) => series.values)], place);
  });
  return () => {
    for (const plot of plots) plot.destroy();
    figure.replaceChildren();
  };
}

function keepDrawn(figure) {
  const document_ = JSON.parse(figure.dataset.chart);
  let undo = draw(figure, document_);
  let width = figure.clientWidth;
  const again = () => {
    undo();
    undo = draw(figure, document_);
  };
  new ResizeObserver(() => {
    if (figure.clientWidth === width) return;
    width = figure.clientWidth;
    again();
  }).observe(figure);
  document.addEventListener("themechange", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}

for (const figure of document.querySelectorAll("figure[data-chart]")) keepDrawn(figure);
