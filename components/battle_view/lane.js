// One lane: who answers (or that this is hidden), its figures, its answer in a pane of fixed height.

import { View } from "./answer.js";
import { live } from "./live.js";
import { button, element } from "./parts.js";
import * as words from "./words.js";

const AT_THE_END_PX = 60;
const FAR_DOWN_PX = 1e7;

export class Lane {
  #at = "";
  #leave = null;
  #hidden = false;
  #atEnd = true;
  #state = "";

  // `asks` are what whoever owns the strip is asked and told: moved, revealed, retry, say.
  constructor(asks) {
    this.asks = asks;
    const host = element("div", "rv");
    host.setAttribute("role", "group");
    this.view = new View(host, {
      figures: words.LANE_FIGURES,
      say: (text) => this.asks.say(`${words.lane(this.letter)}: ${text}`),
      scrolls: () => (this.#atEnd ? () => (this.pane.scrollTop = FAR_DOWN_PX) : null),
    });
    this.node = element("section", "lane", this.#head(), host);
    this.#arrange(host);
  }

  get running() {
    return this.view.running;
  }

  get ended() {
    return Boolean(this.#state) && this.#state !== "running";
  }

  // Ended without a whole answer.
  get failed() {
    return this.#state === "failed" || this.#state === "stopped";
  }

  update(info, ticket, hidden) {
    this.letter = info.letter;
    this.no = info.no;
    this.#hidden = this.view.hidden = hidden;
    this.retry.hidden = !info.retry;
    this.#name(info, hidden);
    if (this.#at === info.id) return live.give(info.id, ticket);
    this.#leave?.();
    this.#at = info.id;
    this.#state = "";
    this.#atEnd = true;
    this.view.begin(info.id);
    this.#leave = live.join(info.id, ticket, {
      show: (run, from) => this.#show(run, from),
      link: (up) => this.view.link(up),
      refuseStop: (refusal) => this.view.refuseStop(refusal),
    });
  }

  end() {
    this.#leave?.();
    this.#leave = null;
    this.#at = "";
    this.view.end();
  }

  focus() {
    this.pane.focus({ preventScroll: true });
    this.node.scrollIntoView({ block: "nearest", inline: "start" });
  }

  #show(run, from) {
    this.view.show(run, from);
    this.#state = run.refusal ? "refused" : (run.state ?? "");
    this.retry.disabled = this.running;
    this.asks.moved();
    if (this.#hidden && run.figures?.cost) this.asks.revealed();
  }

  #head() {
    this.letterNode = element("b", "letter");
    this.nameNode = element("span", "name");
    this.aboutNode = element("p", "about-lane");
    this.shared = element("span", "chip", words.SHARED_CPU);
    this.shared.title = words.SHARED_CPU_ABOUT;
    const line = element("h3", "who", element("i", "dot"), this.letterNode, this.nameNode, this.shared);
    return element("header", "head", line, this.aboutNode);
  }

  // Figures stand above the answer: their place is known before it comes, and they swipe with it.
  #arrange(host) {
    const { reasoning, body, problem, line, actions, stop, copy, outcome } = this.view.parts;
    this.pane = element("div", "pane", reasoning, body, problem);
    this.pane.tabIndex = 0;
    this.pane.setAttribute("role", "region");
    this.pane.addEventListener("scroll", () => (this.#atEnd = atEnd(this.pane)), { passive: true });
    this.retry = button("retry", words.RETRY);
    this.retry.onclick = () => this.asks.retry(this.no);
    copy.before(this.retry);
    outcome.before(stop); // at the far end, where nothing follows it when it goes
    host.replaceChildren(line, this.pane, actions);
  }

  #name({ letter, name, about, colour, shared_cpu: shared }, hidden) {
    this.letterNode.textContent = letter;
    this.nameNode.textContent = hidden ? "" : name;
    this.aboutNode.textContent = hidden ? words.NAME_HIDDEN : about;
    this.shared.hidden = !shared || hidden;
    this.node.style.setProperty("--model", colour ? `light-dark(${colour[0]}, ${colour[1]})` : "var(--dim)");
    const label = hidden ? words.lane(letter) : `${words.lane(letter)}: ${name}`;
    this.node.setAttribute("aria-label", label);
    this.pane.setAttribute("aria-label", label);
  }
}

const atEnd = ({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight <= AT_THE_END_PX;
