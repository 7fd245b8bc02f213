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

// `figures` are those of the line, of `words.FIGURES`.
export function build(host, figures) {
  const thoughts = element("div", "thoughts");
  thoughts.dir = "auto";
  const reasoning = element("details", "reasoning", element("summary", "", words.REASONING), thoughts);
  const answer = element("div", "answer");
  const waiting = element("p", "waiting", words.WAITING);
  const problem = element("div", "problem");
  const offline = element("span", "offline", words.RECONNECTING);
  const line = element("div", "figures", ...figures.map(figure));
  const about = element("details", "about", element("summary", "", "?"), definitions(figures));
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
  const body = element("div", "body", waiting, answer);
  host.replaceChildren(reasoning, body, problem, line, actions, status);
  return { reasoning, thoughts, body, answer, waiting, problem, line, actions, stop, copy, outcome, status };
}

export function button(name, text) {
  const node = element("button", name, text);
  node.type = "button";
  return node;
}

function figure({ id, name }) {
  const node = element("span", `figure ${id}`, element("b", ""), element("i", ""));
  if (name) node[id === "first_token" || id === "total" ? "prepend" : "append"](element("i", "name", name));
  return node;
}

function definitions(figures) {
  const list = element("dl", "");
  for (const { id, name, about } of figures)
    list.append(element("dt", "", name || (id === "rate" ? "tok/s" : id)), element("dd", "", about));
  return list;
}

// `hidden`: what is not there yet will be, once its reader may know it.
export function fillFigures(line, shown, figures, ended, hidden) {
  const known = readings(figures);
  const unknown = hidden ? words.AFTER_THE_VOTE : ended ? words.NOT_KNOWN : words.NOT_YET;
  for (const { id } of shown) {
    const node = line.querySelector(`.${id}`);
    const [text, unit, title] = known[id] ?? ["\u2014", UNITS[id] ?? "", unknown];
    const [number, units] = [node.querySelector("b"), node.querySelector("i:not(.name)")];
    if (number.textContent !== text) number.textContent = text;
    if (units.textContent !== unit) units.textContent = unit;
    node.title = title;
    node.toggleAttribute("data-unknown", !known[id]);
  }
}

// How a run ended, in words: the sentence beside the buttons; a failure goes into its own box.
export function describe({ state, end, figures }, { problem, answer }, hidden) {
  problem.replaceChildren();
  answer.querySelectorAll(":scope > .call").forEach((node) => node.remove());
  for (const { name, arguments: given } of end.tool_calls)
    answer.append(element("div", "call", paragraph(words.calledTool(name)), element("pre", "", element("code", "", given))));
  const cost = figures?.cost;
  if (state === "failed") {
    const { kind, message } = end.failure ?? { kind: "", message: "" };
    problem.append(element("p", "what", message), paragraph(`${words.charged(cost, hidden)} ${words.advice(kind)}`));
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
