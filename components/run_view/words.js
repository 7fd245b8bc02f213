// Every English sentence that the live views say.

export const FIGURES = [
  { id: "first_token", name: "first token", about: "Time from the prompt's arrival here to the model's first token, reasoning included." },
  { id: "rate", name: "", about: "Output tokens a second, counted from the first token to the last." },
  { id: "input", name: "in", about: "Tokens of the whole conversation as the model read it." },
  { id: "output", name: "out", about: "Tokens that the model wrote, reasoning included." },
  { id: "cost", name: "cost", about: "What this answer cost: tokens times their prices, rounded up to a nano-dollar." },
  { id: "balance", name: "left", about: "What your team could spend after this answer." },
];

// Those under the lanes of a battle, whose page says elsewhere what is left.
export const LANE_FIGURES = [
  ...FIGURES.slice(0, 2),
  { id: "total", name: "took", about: "Time from the prompt's arrival here to the end of the answer." },
  ...FIGURES.slice(2, 5),
];

export const REASONING = "Reasoning";
export const STOP = "Stop";
export const STOPPING = "Stopping";
export const COPY = "Copy";
export const COPIED = "Copied";
export const NOT_COPIED = "Could not copy";
export const ABOUT_FIGURES = "What these figures mean";
export const RECONNECTING = "Reconnecting. Nothing is lost: the answer goes on at the server.";
export const WAITING = "Waiting for the first token";
export const THINKING = "Thinking";
export const NOT_YET = "not known yet";
export const NOT_KNOWN = "not known";
export const STARTED = "The answer is being written.";
export const DONE = "The answer is complete.";
export const EMPTY = "The model ended without writing anything.";
export const TEXT_GONE = "The text of this answer is no longer kept. Its figures are.";
export const AFTER_THE_VOTE = "shown after the vote";
export const STOP_ALL = "Stop all";
export const RETRY = "Retry";
export const RETRY_ALL = "Retry all";
export const RETRY_FAILED = "Retry failed";
export const WHOLE = "Whole answers";
export const LANES = "Lanes";
export const NAME_HIDDEN = "Name hidden until the vote";
export const lane = (letter) => `Lane ${letter}`;
export const SHARED_CPU = "shared CPU";
export const SHARED_CPU_ABOUT = "It ran beside another lane on one processor, so its times are in no latency figure.";
export const ESTIMATED = "estimated";
export const OUT_OF_DATE = "Reload the page to go on.";

const CUT = {
  length: "Cut at the limit for output tokens.",
  content_filter: "Ended by the provider's content filter.",
};

const ADVICE = {
  ProviderUnreachable: "Send it again in a moment, or pick another model.",
  ProviderTimeout: "Send it again, or pick another model.",
  ProviderRefused: "Pick another model, or send it again later.",
  ProviderBroke: "Send it again, or pick another model.",
  Unsupported: "Change the settings and send it again.",
  BadRequest: "Change the prompt or the settings and send it again.",
  TooLarge: "Shorten the conversation and send it again.",
};

export const advice = (kind) => ADVICE[kind] ?? "Send it again.";
export const cut = (reason) => CUT[reason] ?? "";
export const calledTool = (name) => `Asks for the tool ${name}`;

export function charged(cost, hidden) {
  if (!cost && hidden) return "What it cost is shown after the vote.";
  if (!cost) return "What it cost is not known yet.";
  return cost.nano_usd ? `${cost.text} was charged for what came.` : "Nothing was charged.";
}

export function stopped(tokens, cost, estimated) {
  if (!cost) return "Stopped.";
  if (!cost.nano_usd) return "Stopped: nothing billed.";
  const count = tokens == null ? "" : `${tokens} tokens billed, `;
  return `Stopped: ${count}${cost.text}${estimated ? ", estimated" : ""}.`;
}
