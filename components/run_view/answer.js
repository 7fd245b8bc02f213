// The answer of one run or lane: what stands, how it grows, how it ended. Draws into its host what `live.js`
// holds of it; who mounts it says which one, and when to end.

import { toClipboard } from "./clipboard.js";
import { live } from "./live.js";
import { morph } from "./morph.js";
import { build, describe, fillFigures, finish, paragraph } from "./parts.js";
import * as words from "./words.js";

const JUST_NOW_MS = 5000; // a run that ended while the page was being drawn
const RECONNECT_AFTER_MS = 700; // shorter breaks are nobody's business
const AT_THE_END_PX = 60;

export class View {
  tell = () => {};
  #run = "";
  #running = false;
  #sawRunning = false;
  #linkTimer = 0;
  #parts;
  #options;

  // `figures` are those of the line; `hidden`: what identifies who answered is shown later. `say` is told
  // what a screen reader should; `scrolls` keeps to the end what scrolls, unless its reader went elsewhere.
  constructor(host, options = {}) {
    this.#options = { figures: words.FIGURES, hidden: false, say: null, scrolls: null, ...options };
    this.#parts = build(host, this.#options.figures);
    this.host = host;
    const { stop, copy } = this.#parts;
    stop.onclick = () => this.stop();
    copy.onclick = () => this.#copy();
    this.onkey = (event) => this.#key(event);
  }

  get parts() {
    return this.#parts;
  }

  get running() {
    return this.#running;
  }

  set hidden(hidden) {
    this.#options.hidden = hidden;
  }

  begin(run) {
    this.#run = run;
    this.#running = this.#sawRunning = false;
    const { answer, thoughts, reasoning, status, line } = this.#parts;
    answer.replaceChildren();
    thoughts.textContent = status.textContent = "";
    reasoning.hidden = true;
    this.host.dataset.state = "waiting";
    fillFigures(line, this.#options.figures, {}, false, this.#options.hidden);
    if (!this.#options.scrolls) document.addEventListener("keydown", this.onkey);
  }

  end() {
    clearTimeout(this.#linkTimer);
    document.removeEventListener("keydown", this.onkey);
  }

  link(up) {
    clearTimeout(this.#linkTimer);
    if (up || this.host.dataset.state === "ended") {
      this.host.removeAttribute("data-offline");
      return;
    }
    this.#linkTimer = setTimeout(() => {
      this.host.dataset.offline = "";
      this.#say(words.RECONNECTING);
    }, RECONNECT_AFTER_MS);
  }

  show(run, from) {
    if (run.refusal && !run.state) return this.#refused(run.refusal);
    const arrives = !this.#sawRunning; // just sent, or its page just opened: brought into sight once
    const { scrolls, figures, hidden } = this.#options;
    const keepAtEnd = run.state === "running" ? (scrolls ?? follower)(this.host, arrives) : null;
    this.#reasoning(run.reasoning);
    this.#blocks(run, from);
    const ended = run.state !== "running";
    if (run.figures) fillFigures(this.#parts.line, figures, run.figures, ended, hidden);
    this.#state(run, ended);
    keepAtEnd?.();
  }

  refuseStop({ message }) {
    this.#parts.stop.disabled = false;
    this.#parts.stop.textContent = words.STOP;
    this.#say(message);
  }

  // --- parts ---------------------------------------------------------------------------------

  // What was the tail becomes the finished block in place, so that nothing moves.
  #blocks({ blocks, tail }, from) {
    const { answer } = this.#parts;
    const sets = blocks.length + (tail ? 1 : 0);
    for (let i = Math.min(from, answer.children.length); i < sets; i++) {
      const node = answer.children[i] ?? answer.appendChild(document.createElement("div"));
      const html = i < blocks.length ? blocks[i] : tail;
      if (node.html !== html) {
        morph(node, html);
        node.html = html;
      }
      if (i < blocks.length) finish(node);
    }
    while (answer.children.length > sets) answer.lastChild.remove();
  }

  #reasoning(text) {
    const { reasoning, thoughts } = this.#parts;
    if (!text) return;
    reasoning.hidden = false;
    const shown = thoughts.firstChild;
    if (shown && text.startsWith(shown.data)) shown.appendData(text.slice(shown.data.length));
    else thoughts.textContent = text;
  }

  #state(run, ended) {
    const { stop, problem, outcome, waiting } = this.#parts;
    const begun = Boolean(run.blocks.length || run.tail);
    this.host.dataset.state = ended ? "ended" : begun ? "writing" : "waiting";
    this.host.setAttribute("aria-busy", String(!ended));
    waiting.hidden = ended || begun;
    waiting.textContent = run.reasoning ? words.THINKING : words.WAITING;
    stop.hidden = ended;
    if (!ended) {
      if (!this.#running) this.#say(words.STARTED);
      this.#running = this.#sawRunning = true;
      problem.hidden = true;
      return;
    }
    this.#running = false;
    this.host.removeAttribute("data-offline");
    const said = describe(run, this.#parts, this.#options.hidden);
    problem.hidden = !problem.textContent;
    outcome.textContent = said;
    if (this.#sawRunning) this.#say(problem.textContent || said || words.DONE);
    const justNow = this.#sawRunning || (run.end.ago_ms != null && run.end.ago_ms < JUST_NOW_MS);
    this.#sawRunning = false;
    if (justNow && live.announce(run.id)) this.tell();
  }

  #refused({ kind, message }) {
    const { problem, stop, waiting, copy } = this.#parts;
    this.host.dataset.state = "ended";
    this.host.setAttribute("aria-busy", "false");
    stop.hidden = copy.hidden = waiting.hidden = true;
    problem.hidden = false;
    problem.replaceChildren(paragraph(kind === "ticket" ? `${message} ${words.OUT_OF_DATE}` : message));
  }

  #say(text) {
    if (this.#options.say) this.#options.say(text);
    else if (this.#parts.status.textContent !== text) this.#parts.status.textContent = text;
  }

  // --- what the reader does -------------------------------------------------------------------

  stop() {
    if (!this.#running || this.#parts.stop.disabled) return;
    live.stop(this.#run);
    this.#parts.stop.disabled = true;
    this.#parts.stop.textContent = words.STOPPING;
  }

  #key(event) {
    if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
    if (document.querySelector("dialog[open], [role=dialog], [role=listbox], [role=menu]")) return;
    this.stop();
  }

  async #copy() {
    const { copy } = this.#parts;
    const copied = await toClipboard(live.copy(this.#run));
    copy.textContent = copied ? words.COPIED : words.NOT_COPIED;
    this.#say(copy.textContent);
    setTimeout(() => (copy.textContent = words.COPY), 1500);
  }
}

// Where the reader is at the end of what scrolls around the view, or is to be brought there, a way to
// stay there; else null.
function follower(host, wherever) {
  let node = host.getRootNode().host ?? host.parentElement;
  while (node && !(node.scrollHeight > node.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(node).overflowY)))
    node = node.parentElement;
  if (!node) return null;
  if (!wherever && node.scrollHeight - node.scrollTop - node.clientHeight > AT_THE_END_PX) return null;
  return () => (node.scrollTop = node.scrollHeight);
}
