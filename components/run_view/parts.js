// What a view is built of, and how its parts are filled.

import { toClipboard } from "./clipboard.js";
import { UNITS, count, readings } from "./figures.js";
import * as words from "./words.js";

export function element(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

export const paragraph = (text) => element("p", "", text);

export function build(host) {
  const thoughts = element("div", "thoughts");
  thoughts.dir = "auto";
  const reasoning = element("details", "reasoning", element("summary", "", words.REASONING), thoughts);
  const answer = element("div", "answer");
  const waiting = element("p", "waiting", words.WAITING);
  const problem = element("div", "problem");
  const offline = element("span", "offline", words.RECONNECTING);
  const line = element("div", "figures", ...words.FIGURES.map(figure));
  const about = element("details", "about", element("summary", "", "?"), definitions());
  about.firstChild.setAttribute("aria-label", words.ABOUT_FIGURES);
  about.firstChild.title = words.ABOUT_FIGURES;
  const stop = button("stop", words.STOP);
  const copy = button("copy", words.COPY);
  const outcome = element("span", "outcome");
  about.addEventListener("focusout", ({ relatedTarget }) => about.contains(relatedTarget) || (about.open = false));
  const actions = element("div", "actions", stop, copy, about, outcome, offline);
  const status = element("p", "status");
  status.setAttribute("role", "status");
  reasoning.hidden = problem.hidden = waiting.hidden = true;
  host.replaceChildren(reasoning, element("div", "body", waiting, answer), problem, line, actions, status);
  return { reasoning, thoughts, answer, waiting, problem, line, stop, copy, outcome, status };
}

function button(name, text) {
  const node = element("button", name, text);
  node.type = "button";
  return node;
}

function figure({ id, name }) {
  const node = element("span", `figure ${id}`, element("b", ""), element("i", ""));
  if (name) node[id === "first_token" ? "prepend" : "append"](element("i", "name", name));
  return node;
}

function definitions() {
  const list = element("dl", "");
  for (const { id, name, about } of words.FIGURES)
    list.append(element("dt", "", name || (id === "rate" ? "tok/s" : id)), element("dd", "", about));
  return list;
}

export function fillFigures(line, figures, ended) {
  const known = readings(figures);
  for (const { id } of words.FIGURES) {
    const node = line.querySelector(`.${id}`);
    const [text, unit, title] = known[id] ?? ["\u2014", UNITS[id] ?? "", ended ? words.NOT_KNOWN : words.NOT_YET];
    const [number, units] = [node.querySelector("b"), node.querySelector("i:not(.name)")];
    if (number.textContent !== text) number.textContent = text;
    if (units.textContent !== unit) units.textContent = unit;
    node.title = title;
    node.toggleAttribute("data-unknown", !known[id]);
  }
}

// How a run ended, in words: the sentence beside the buttons; a failure goes into its own box.
export function describe({ state, end, figures }, { problem, answer }) {
  problem.replaceChildren();
  answer.querySelectorAll(":scope > .call").forEach((node) => node.remove());
  for (const { name, arguments: given } of end.tool_calls)
    answer.append(element("div", "call", paragraph(words.calledTool(name)), element("pre", "", element("code", "", given))));
  const cost = figures?.cost;
  if (state === "failed") {
    const { kind, message } = end.failure ?? { kind: "", message: "" };
    problem.append(element("p", "what", message), paragraph(`${words.charged(cost)} ${words.advice(kind)}`));
    return "";
  }
  if (!end.text_kept && end.empty && !end.tool_calls.length) return words.TEXT_GONE;
  const billed = figures?.output_tokens == null ? null : count(figures.output_tokens);
  if (state === "stopped") return words.stopped(billed, cost, figures?.estimated);
  if (end.empty && !end.tool_calls.length) return words.EMPTY;
  return words.cut(end.finish_reason);
}

// A finished block gets a button on each piece of code, laid over it so that nothing moves.
export function finish(node) {
  if (node.classList.contains("final") && node.finishedAs === node.html) return;
  node.classList.add("final");
  node.finishedAs = node.html;
  for (const pre of node.querySelectorAll("pre")) {
    const copy = button("copy-code", words.COPY);
    copy.onclick = async () => {
      const copied = await toClipboard(Promise.resolve(pre.querySelector("code").textContent));
      copy.textContent = copied ? words.COPIED : words.NOT_COPIED;
      setTimeout(() => (copy.textContent = words.COPY), 1500);
    };
    const frame = element("div", "code");
    pre.replaceWith(frame);
    frame.append(pre, copy);
  }
}
