// The lanes of one turn of a battle, side by side, or one beside the other to swipe on a narrow screen.
//
// Each lane is an answer of its own on the tab's one socket. Nothing that streams moves anything else:
// panes and figures have their size before anything comes. Streamlit calls this again for each new data;
// see run_view.js.

import { Lane } from "./lane.js";
import { button, element } from "./parts.js";
import * as words from "./words.js";

const TYPED_INTO = "input, textarea, select, [contenteditable=true], [role=listbox], [role=combobox], [role=slider]";
const IN_FRONT = "dialog[open], [role=dialog], [role=listbox], [role=menu]";
const MOVES_ITSELF = "[role=radiogroup], [role=tablist], [role=radio], [role=tab]";

const ALL = -1; // lanes that are to be asked again
const FAILED = -2;
const MOST_TOLD = 8;
const TELL_AGAIN_MS = 1000;

const places = new WeakMap();

export default function ({ parentElement: root, data, setTriggerValue }) {
  const host = root.querySelector(".bv");
  let place = places.get(root);
  if (!place || place.host !== host) {
    place?.strip.end();
    place = { host, turn: 0, strip: new Strip(host) };
    places.set(root, place);
  }
  const turn = ++place.turn;
  place.strip.tell = setTriggerValue;
  place.strip.update(data);
  return () => place.turn === turn && place.strip.end();
}

class Strip {
  tell = () => {};
  #lanes = [];
  #data = null;
  #told = "";
  #asked = 0;
  #ends = 0; // how often the page was told of an end that it did not know yet
  #timer = 0;
  #listening = false;

  constructor(host) {
    this.host = host;
    this.letters = element("div", "letters");
    this.letters.setAttribute("role", "group");
    this.letters.setAttribute("aria-label", words.LANES);
    this.stopAll = button("stop stop-all", words.STOP_ALL);
    this.stopAll.onclick = () => this.#stop(this.#lanes);
    this.retryAll = button("retry-all", words.RETRY_ALL);
    this.retryAll.onclick = () => this.#ask("retry", this.#lanes.some((lane) => lane.failed) ? FAILED : ALL);
    this.whole = button("whole", words.WHOLE);
    this.whole.setAttribute("aria-pressed", "false");
    this.whole.onclick = () => this.#showWhole();
    this.status = element("p", "status");
    this.status.setAttribute("role", "status");
    this.track = element("div", "lanes");
    this.track.addEventListener("scroll", () => requestAnimationFrame(() => this.#mark()), { passive: true });
    const bar = element("div", "bar", this.letters, this.stopAll, this.retryAll, this.whole, this.status);
    host.replaceChildren(bar, this.track);
    this.onkey = (event) => this.#key(event);
  }

  update(data) {
    this.#data = data;
    while (this.#lanes.length < data.lanes.length) this.#add();
    while (this.#lanes.length > data.lanes.length) this.#remove();
    this.host.style.setProperty("--lanes", data.lanes.length);
    this.retryAll.hidden = !data.lanes.some((lane) => lane.retry);
    data.lanes.forEach((lane, at) => {
      this.#lanes[at].update(lane, data.ticket, data.hidden);
      this.letters.children[at].textContent = lane.letter;
      this.letters.children[at].setAttribute("aria-label", words.lane(lane.letter));
    });
    if (!data.open) this.#ends = 0;
    if (!this.#listening) document.addEventListener("keydown", this.onkey);
    this.#listening = true;
    this.#mark();
    this.#settle();
  }

  end() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    document.removeEventListener("keydown", this.onkey);
    this.#listening = false;
    for (const lane of this.#lanes) lane.end();
  }

  #add() {
    const lane = new Lane({
      say: (text) => this.#say(text),
      revealed: () => this.#reveal(),
      retry: (no) => this.#ask("retry", no),
      moved: () => this.#settle(),
    });
    const letter = button("letter-of", "");
    letter.onclick = () => lane.focus();
    this.#lanes.push(lane);
    this.track.append(lane.node);
    this.letters.append(letter);
  }

  #remove() {
    const lane = this.#lanes.pop();
    lane.end();
    lane.node.remove();
    this.letters.lastChild.remove();
  }

  // --- what happened ---------------------------------------------------------------------------

  #settle() {
    const busy = this.#lanes.some((lane) => lane.running);
    this.host.dataset.state = busy ? "running" : "still";
    this.stopAll.hidden = !busy;
    this.retryAll.disabled = busy;
    const failed = this.#lanes.some((lane) => lane.failed);
    this.retryAll.textContent = failed ? words.RETRY_FAILED : words.RETRY_ALL;
    this.#tellEnd();
  }

  // A page that does not know yet that all lanes have ended and what they cost is told, so that it reads
  // its balance again and offers the vote; and told again while it is late.
  #tellEnd() {
    const ended = () => this.#data.open && this.#lanes.every((lane) => lane.ended);
    if (this.#timer || this.#ends >= MOST_TOLD || !ended()) return;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      if (ended()) this.#ask("ended", this.#data.turn);
    }, this.#ends++ ? TELL_AGAIN_MS : 0);
  }

  #reveal() {
    if (this.#told === this.#data.turn) return;
    this.#told = this.#data.turn;
    this.#ask("revealed", this.#data.turn);
  }

  #ask(what, value) {
    this.tell(what, { value, no: ++this.#asked });
  }

  #say(text) {
    this.status.textContent = text;
  }

  // Which lane is before the reader, where not all of them fit.
  #mark() {
    const left = this.track.scrollLeft;
    const nearest = this.#lanes
      .map((lane) => Math.abs(lane.node.offsetLeft - this.track.offsetLeft - left))
      .reduce((best, gap, at, gaps) => (gap < gaps[best] ? at : best), 0);
    [...this.letters.children].forEach((letter, at) => letter.setAttribute("aria-current", String(at === nearest)));
  }

  // --- what the reader does ---------------------------------------------------------------------

  #stop(lanes) {
    for (const lane of lanes) lane.view.stop();
  }

  #showWhole() {
    const whole = this.host.toggleAttribute("data-whole");
    this.whole.setAttribute("aria-pressed", String(whole));
  }

  #key(event) {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector(IN_FRONT)) return;
    const path = event.composedPath();
    const inside = path.includes(this.host);
    if (!inside && !this.#data.current) return;
    const at = this.#lanes.findIndex((lane) => path.includes(lane.node));
    if (event.key === "Escape") this.#stop(at < 0 ? this.#lanes : [this.#lanes[at]]);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || path[0].closest?.(TYPED_INTO) || path[0].closest?.(MOVES_ITSELF)) return;
    event.preventDefault();
    const next = at < 0 ? (step > 0 ? 0 : this.#lanes.length - 1) : at + step;
    this.#lanes[next]?.focus();
  }
}
