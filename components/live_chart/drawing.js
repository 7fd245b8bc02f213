// What Plotly is asked to draw: pure, from a payload and how the page looks.

import * as words from "./chart_words.js";

export function traces(payload, look) {
  const bands = payload.kind === "bands" && isLone(payload.series) ? lone : band;
  const draw = { lines: line, bands, distribution: step }[payload.kind] ?? points;
  return payload.series.map((series) => draw(series, payload, look));
}

const points = (series, { unit }, look) => ({
  ...common(series),
  mode: "lines+markers",
  x: series.points.map(([at]) => localTime(at)),
  line: { color: colour(series, look), width: 1 },
  marker: { color: colour(series, look), symbol: symbol(series, look), size: 7 },
  hovertemplate: hover(series, unit, "%{x|%H:%M:%S}"),
});

// A percentile a slot; the window before is dotted and has no entry of its own in the legend's row.
const line = (series, { unit }, look) => ({
  ...common(series),
  mode: series.before ? "lines" : "lines+markers",
  x: series.points.map(([at]) => localTime(at)),
  customdata: series.points.map(([, , n]) => n),
  line: { color: colour(series, look), width: series.before ? 1.5 : 2, dash: series.before ? "dot" : "solid" },
  marker: { color: colour(series, look), symbol: symbol(series, look), size: 6 },
  opacity: series.before ? 0.75 : 1,
  hovertemplate: hover(series, unit, "%{x|%-d %b, %H:%M}  n = %{customdata:,}"),
});

const band = (series, { unit }, look) => ({
  ...common(series),
  mode: "lines",
  x: series.points.map(([at]) => localTime(at)),
  stackgroup: "one",
  line: { color: colour(series, look), width: 1 },
  hovertemplate: hover(series, unit, "%{x|%-d %b, %H:%M}"),
});

// An area needs two instants: one alone is a bar.
const isLone = (series) => series.every(({ points }) => points.length <= 1);

const lone = (series, { unit }, look) => ({
  ...common(series),
  type: "bar",
  x: series.points.map(([at]) => localTime(at)),
  width: SHORTEST_MS / 6,
  marker: { color: colour(series, look) },
  hovertemplate: hover(series, unit, "%{x|%-d %b, %H:%M}"),
});

const step = (series, { unit }, look) => ({
  ...common(series),
  mode: "lines",
  x: series.points.map(([value]) => value),
  customdata: series.points.map(([, , n]) => n),
  line: { color: colour(series, look), width: 2, shape: "hvh", dash: dash(series, look) },
  hovertemplate:
    `<b>%{y:.1f} %</b> ${words.AT} %{x:,.3~g} ${escapeHtml(unit)}  n = %{customdata:,}` +
    `<extra>${escapeHtml(series.name)}</extra>`,
});

const common = (series) => ({
  type: "scatter",
  name: series.name,
  uid: series.before ? `${series.key} before` : series.key,
  y: series.points.map(([, value]) => value),
});

const hover = ({ name }, unit, when) =>
  `<b>%{y:,.4~g}</b> ${escapeHtml(unit)}  ${when}<extra>${escapeHtml(name)}</extra>`;

function colour(series, look) {
  const place = series.look ?? fnv1a(series.key);
  return look.palette[place % look.palette.length][dark(look.style) ? 1 : 0];
}

const symbol = ({ key }, { palette, markers }) => markers[beside(key, palette, markers)];

// Where there is no marker: models that share a colour still differ.
const DASHES = ["solid", "dash", "dot", "longdash", "dashdot"];

const dash = ({ key }, { palette, markers }) => DASHES[beside(key, palette, markers)];

const beside = (key, palette, markers) => Math.floor(fnv1a(key) / palette.length) % markers.length;

const SHORTEST_MS = 60000; // one point alone would be drawn on an axis of microseconds

const TWO_COLUMNS = { entrywidthmode: "fraction", entrywidth: 0.48, font: { size: 11 } }; // room for the plot

export function layout(payload, { style }, revision) {
  const { unit, series, kind } = payload;
  const css = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const grid = css("border-color");
  const font = { family: css("font"), size: 13, color: css("text-color") };
  const coarse = matchMedia("(pointer: coarse)").matches;
  const narrow = matchMedia("(max-width: 40rem)").matches;
  const axis = {
    uirevision: revision, gridcolor: grid, linecolor: grid, zerolinecolor: grid, automargin: true,
    fixedrange: coarse, // a finger on the chart scrolls the page
  };
  const apart = kind === "distribution";
  const title = (text) => ({ text, font: { size: 12 } });
  return {
    uirevision: revision,
    autosize: true,
    barmode: "stack",
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font,
    margin: { l: 8, r: 12, t: 8, b: 8 },
    hovermode: kind === "bands" ? "x unified" : "closest",
    hoverlabel: { bgcolor: css("background-color"), bordercolor: grid, font },
    dragmode: coarse ? false : "zoom",
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", ...(narrow ? TWO_COLUMNS : {}) },
    xaxis: apart
      ? { ...axis, type: "log", title: title(unit), ...stepped(series) }
      : { ...axis, type: "date", nticks: 6, autorangeoptions: { include: widened(series) } },
    yaxis: {
      ...axis, rangemode: "tozero", title: title(apart ? "%" : unit), nticks: 6,
      autorangeoptions: { include: unit === "%" && !apart ? [0, 100] : [] },
    },
    ...marked(payload.marks ?? [], font, grid),
  };
}

// Lines at what changed, each with its words where the pointer rests on its foot.
function marked(marks, font, grid) {
  return {
    shapes: marks.map(([at]) => ({
      type: "line", xref: "x", yref: "paper", x0: localTime(at), x1: localTime(at), y0: 0, y1: 1,
      line: { color: font.color, width: 1, dash: "dash" }, layer: "below", opacity: 0.55,
    })),
    annotations: marks.map(([at, text]) => ({
      x: localTime(at), xref: "x", y: 0, yref: "paper", yanchor: "bottom", showarrow: false, text: "\u25B4",
      hovertext: escapeHtml(text), hoverlabel: { bordercolor: grid, font }, font: { size: 12, color: font.color },
    })),
  };
}

// Whole figures on a logarithmic axis: 1, 2, 5, 10 and so on where there is room, else powers of ten.
function stepped(series) {
  const values = series.flatMap(({ points }) => points.map(([value]) => value)).filter((value) => value > 0);
  if (!values.length) return {};
  const [low, high] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  const digits = high - low > 2.4 ? [1] : [1, 2, 5];
  const tickvals = [];
  for (let power = Math.floor(low); power <= high; power += 1) {
    for (const digit of digits) tickvals.push(digit * 10 ** power);
  }
  const shown = tickvals.filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
  return shown.length > 1 ? { tickvals: shown, ticktext: shown.map((value) => value.toLocaleString("en")) } : {};
}

// Instants that the time axis shows besides the points, so that it spans a minute at least.
function widened(series) {
  const ends = series.flatMap(({ points }) => (points.length ? [points[0][0], points.at(-1)[0]] : []));
  const [first, last] = [Math.min(...ends), Math.max(...ends)];
  const missing = SHORTEST_MS - (last - first);
  return missing > 0 && ends.length ? [localTime(first - missing / 2), localTime(last + missing / 2)] : [];
}

// Plotly knows no time zones: it shows the figures that it is given.
export function localTime(at) {
  const date = new Date(at - new Date(at).getTimezoneOffset() * 60000);
  return date.toISOString().slice(0, -1).replace("T", " ");
}

// As components/colours.py.
export function fnv1a(text) {
  let value = 2166136261;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 16777619) >>> 0;
  return value;
}

const dark = (style) => style.colorScheme.includes("dark");

// Plotly takes a few tags in its texts, links among them.
const escapeHtml = (text) => text.replace(/[&<>%]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", "%": "&#37;" })[c]);
