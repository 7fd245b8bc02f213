// A chart's newest points as a table, for whoever cannot see the picture or wants the figures.

import * as words from "./chart_words.js";

const ROWS = 20;
const time = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const number = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 5 });

export function fillTable(table, { series, unit }) {
  const points = series.flatMap(({ name, points }) => points.slice(-ROWS).map(([at, value]) => [at, name, value]));
  points.sort((one, other) => other[0] - one[0]);
  const head = row("th", [words.TIME, words.MODEL, words.value(unit)]);
  for (const cell of head.children) cell.scope = "col";
  const rows = points.slice(0, ROWS).map(([at, name, value]) => row("td", [time.format(at), name, number.format(value)]));
  const [thead, tbody] = [document.createElement("thead"), document.createElement("tbody")];
  thead.append(head);
  tbody.append(...rows);
  table.replaceChildren(thead, tbody);
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
