// What Plotly is asked to draw: pure, from a payload and how the page looks.

export function traces({ series, unit }, look) {
  return series.map(({ name, key, points }) => {
    const place = fnv1a(key);
    const color = look.palette[place % look.palette.length][dark(look.style) ? 1 : 0];
    const symbol = look.markers[Math.floor(place / look.palette.length) % look.markers.length];
    return {
      type: "scatter",
      mode: "lines+markers",
      name,
      uid: key,
      x: points.map(([at]) => localTime(at)),
      y: points.map(([, value]) => value),
      line: { color, width: 1 },
      marker: { color, symbol, size: 7 },
      hovertemplate: `<b>%{y:,.4~g}</b> ${escapeHtml(unit)}  %{x|%H:%M:%S}<extra>${escapeHtml(name)}</extra>`,
    };
  });
}

const SHORTEST_MS = 60000; // one point alone would be drawn on an axis of microseconds

export function layout({ unit, series }, { style }, revision) {
  const css = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const grid = css("border-color");
  const font = { family: css("font"), size: 13, color: css("text-color") };
  const coarse = matchMedia("(pointer: coarse)").matches;
  const axis = {
    uirevision: revision, gridcolor: grid, linecolor: grid, zerolinecolor: grid, automargin: true,
    fixedrange: coarse, // a finger on the chart scrolls the page
  };
  return {
    uirevision: revision,
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font,
    margin: { l: 8, r: 12, t: 8, b: 8 },
    hovermode: "closest",
    hoverlabel: { bgcolor: css("background-color"), bordercolor: grid, font },
    dragmode: coarse ? false : "zoom",
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    xaxis: { ...axis, type: "date", nticks: 6, autorangeoptions: { include: widened(series) } },
    yaxis: {
      ...axis, rangemode: "tozero", title: { text: unit, font: { size: 12 } }, nticks: 6,
      autorangeoptions: { include: unit === "%" ? [0, 100] : [] },
    },
  };
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
