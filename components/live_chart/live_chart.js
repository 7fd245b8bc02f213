// A chart fed by the tab's live channel. Called again for each new data or theme, as run_view.js is.

import { live } from "./live.js";
import { plotly } from "./plotly.js";
import { layout, traces } from "./drawing.js";
import { fillTable } from "./table.js";
import * as words from "./chart_words.js";

const RECONNECT_AFTER_MS = 700;
const TOUCH_HOLD_MS = 3000;

const places = new WeakMap();

export default function ({ parentElement: root, data }) {
  const host = root.querySelector(".lc");
  let place = places.get(root);
  if (!place || place.host !== host) {
    place?.leave?.();
    place = { host, turn: 0, asked: "", leave: null, view: new View(host) };
    places.set(root, place);
  }
  const turn = ++place.turn;
  const asked = JSON.stringify([data.chart, data.params]);
  place.view.look(data, asked);
  if (place.asked !== asked || !place.leave || place.view.outdated) {
    place.leave?.();
    place.asked = asked;
    place.leave = live.chart(data.chart, data.params, data.ticket, place.view);
  }
  return () => {
    if (place.turn !== turn) return;
    place.leave?.();
    place.leave = null;
    place.view.end();
  };
}

class View {
  outdated = false; // refused for want of a good ticket: the page's next one is tried
  #parts;
  #data = null;
  #revision = "";
  #payload = null;
  #Plotly = null;
  #held = false;
  #late = false;
  #timer = 0;
  #resized = 0;

  constructor(host) {
    this.host = host;
    this.#parts = build(host);
    this.#parts.all.onclick = () => this.#showAll();
    this.watcher = new ResizeObserver(() => this.#fit());
    this.onvisible = () => document.visibilityState === "visible" && this.#paint();
  }

  // Data or theme may have changed: the picture follows, its zoom stays.
  look(data, revision) {
    const { plot } = this.#parts;
    plot.style.height = `${data.height}px`;
    this.#data = data;
    if (this.#revision !== revision) {
      this.#revision = revision;
      this.#payload = null;
      this.host.dataset.state = "waiting";
    }
    this.watcher.observe(plot);
    document.addEventListener("visibilitychange", this.onvisible);
    if (this.#payload) this.#paint();
  }

  draw(payload) {
    this.outdated = false;
    const { said, plot, note } = this.#parts;
    this.#payload = payload;
    this.host.dataset.state = payload.n ? "drawn" : "empty";
    said.textContent = payload.sentence;
    plot.setAttribute("aria-label", payload.sentence);
    note.textContent = payload.n ? "" : words.EMPTY;
    fillTable(this.#parts.table, payload);
    this.#parts.summary.textContent = payload.kind === "distribution" ? words.AS_STEPS : words.AS_TABLE;
    listMarks(this.#parts.marks, payload.marks ?? []);
    if (!payload.n && !this.#Plotly) return;
    plotly(this.#data.plotly).then(
      (Plotly) => {
        this.#Plotly = Plotly;
        this.#paint();
      },
      () => this.#withoutPicture(),
    );
  }

  refuse({ kind, message }) {
    this.outdated = kind === "ticket";
    this.host.dataset.state = "refused";
    this.#parts.note.textContent = message;
  }

  link(up) {
    clearTimeout(this.#timer);
    if (up) this.host.removeAttribute("data-offline");
    else this.#timer = setTimeout(() => (this.host.dataset.offline = ""), RECONNECT_AFTER_MS);
  }

  end() {
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#resized);
    this.watcher.disconnect();
    document.removeEventListener("visibilitychange", this.onvisible);
    if (this.#Plotly && this.#parts.plot.data) this.#Plotly.purge(this.#parts.plot);
    this.#Plotly = this.#payload = null;
  }

  // While the pointer reads a point, the picture holds still: a redraw would take the label away.
  #paint() {
    const { plot } = this.#parts;
    if (!this.#Plotly || !this.#payload || document.visibilityState !== "visible") return;
    if (this.#held) {
      this.#late = true;
      return;
    }
    this.#late = false;
    const look = { palette: this.#data.palette, markers: this.#data.markers, style: getComputedStyle(this.host) };
    const first = !plot.data;
    const config = { displayModeBar: false, displaylogo: false, doubleClick: "reset" };
    this.#Plotly.react(plot, traces(this.#payload, look), layout(this.#payload, look, this.#revision), config);
    if (first) this.#listen(plot);
  }

  #listen(plot) {
    plot.on("plotly_hover", () => {
      this.#held = true;
      if (matchMedia("(hover: none)").matches) setTimeout(() => this.#release(), TOUCH_HOLD_MS);
    });
    plot.on("plotly_unhover", () => this.#release());
    plot.on("plotly_relayout", () => {
      const { xaxis, yaxis } = plot.layout;
      this.#parts.all.hidden = xaxis.autorange !== false && yaxis.autorange !== false;
    });
  }

  #release() {
    this.#held = false;
    if (this.#late) this.#paint();
  }

  #showAll() {
    this.#Plotly?.relayout(this.#parts.plot, { "xaxis.autorange": true, "yaxis.autorange": true });
    this.#parts.plot.focus?.();
  }

  #fit() {
    cancelAnimationFrame(this.#resized);
    this.#resized = requestAnimationFrame(() => {
      const { plot } = this.#parts;
      if (this.#Plotly && plot.data && plot.offsetWidth) this.#Plotly.Plots.resize(plot);
    });
  }

  #withoutPicture() {
    this.host.dataset.state = "plain";
    this.#parts.note.textContent = words.NO_PICTURE;
    this.#parts.details.open = true;
  }
}

function build(host) {
  const make = (name, className, ...children) => {
    const node = document.createElement(name);
    node.className = className;
    node.append(...children);
    return node;
  };
  const said = make("figcaption", "lc-said");
  const plot = make("div", "lc-plot");
  plot.setAttribute("role", "img");
  const note = make("p", "lc-note");
  const all = make("button", "lc-all", words.SHOW_ALL);
  all.type = "button";
  all.hidden = true;
  const table = make("table", "lc-points");
  const summary = make("summary", "", words.AS_TABLE);
  const details = make("details", "lc-table", summary, make("div", "lc-scroll", table));
  const marks = make("details", "lc-table lc-marks");
  marks.hidden = true;
  const offline = make("p", "lc-offline", words.RECONNECTING);
  host.dataset.state = "waiting";
  host.replaceChildren(make("div", "lc-frame", plot, note, all), said, offline, details, marks);
  return { said, plot, note, all, table, details, summary, marks };
}

const time = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

// What changed within the window, in words: the picture shows only where.
function listMarks(details, marks) {
  details.hidden = !marks.length;
  const list = document.createElement("ul");
  for (const [at, text] of marks.slice().reverse()) {
    const item = document.createElement("li");
    item.textContent = `${time.format(at)}: ${text}`;
    list.append(item);
  }
  const summary = document.createElement("summary");
  summary.textContent = `${words.MARKS} (${marks.length})`;
  details.replaceChildren(summary, list);
}
