// Figures as people read them, as components/figure.py writes them elsewhere.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
export const count = (n) => whole.format(n);

// [number, unit] of a time in milliseconds: "184" "ms", "2.41" "s".
export function duration(ms) {
  if (ms < 10) return [ms.toFixed(1), "ms"];
  if (ms < 1000) return [ms.toFixed(0), "ms"];
  if (ms < 60000) return [(ms / 1000).toFixed(2), "s"];
  const seconds = Math.round(ms / 1000);
  return [`${Math.floor(seconds / 60)} min ${seconds % 60}`, "s"];
}

export function rate(tokens) {
  return [tokens < 10 ? tokens.toFixed(1) : count(tokens), "tok/s"];
}

export function exact(nanoUsd) {
  const digits = String(Math.abs(nanoUsd)).padStart(10, "0");
  return `${nanoUsd < 0 ? "\u2212" : ""}$${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

// What stands where a figure is unknown keeps its unit.
export const UNITS = { first_token: "ms", rate: "tok/s", total: "s" };

// What stands in each place of the figures line: [text, unit, title], or null where it is unknown.
export function readings(figures) {
  const known = (value, make) => (value == null ? null : make(value));
  const money = (amount) => [amount.text, "", exact(amount.nano_usd)];
  return {
    first_token: known(figures.first_token_ms, (ms) => [...duration(ms), `${ms} ms`]),
    rate: known(figures.tokens_per_s, (n) => [...rate(n), `${n} tokens/s`]),
    total: known(figures.total_ms, (ms) => [...duration(ms), `${ms} ms`]),
    input: known(figures.input_tokens, (n) => [count(n), "", ""]),
    output: known(figures.output_tokens, (n) => [count(n), "", ""]),
    cost: known(figures.cost, money),
    balance: known(figures.available, money),
  };
}
