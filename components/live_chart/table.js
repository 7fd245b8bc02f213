// What a chart shows as a table, for whoever cannot see the picture or wants the figures.

import * as words from "./chart_words.js";

const ROWS = 20;
const time = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const number = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 5 });

export function fillTable(table, payload) {
  const [heads, rows] = payload.kind === "distribution" ? byValue(payload) : byTime(payload);
  const head = row("th", heads);
  for (const cell of head.children) cell.scope = "col";
  const [thead, tbody] = [document.createElement("thead"), document.createElement("tbody")];
  thead.append(head);
  tbody.append(...rows.slice(0, ROWS).map((texts) => row("td", texts)));
  table.replaceChildren(thead, tbody);
}

// The newest first.
function byTime({ series, unit }) {
  const points = series.flatMap(({ name, points }) => points.slice(-ROWS).map(([at, value]) => [at, name, value]));
  points.sort((one, other) => other[0] - one[0]);
  const rows = points.map(([at, name, value]) => [time.format(at), name, number.format(value)]);
  return [[words.TIME, words.MODEL, words.value(unit)], rows];
}

// The most frequent first.
function byValue({ series, unit }) {
  const steps = series.flatMap(({ name, points }) => points.map(([value, share, n]) => [share, value, name, n]));
  steps.sort((one, other) => other[0] - one[0]);
  const rows = steps
    .filter(([share]) => share > 0)
    .map(([share, value, name]) => [number.format(value), name, number.format(share)]);
  return [[words.value(unit), words.MODEL, words.value("%")], rows];
}

function row(kind, texts) {
  const line = document.createElement("tr");
  for (const text of texts) {
    const cell = document.createElement(kind);
    cell.textContent = text;
    line.append(cell);
  }
  return line;
}
