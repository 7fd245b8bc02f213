// Plotly's script, loaded once a tab and late: evaluating it keeps a page busy for more than a second.

import { live } from "./live.js";

const IDLE_WITHIN_MS = 2000;
const SETTLE_MS = 300; // the answers of the page join meanwhile
const LOOK_AGAIN_MS = 400;
const LONGEST_WAIT_MS = 20000;

const KEY = Symbol.for("tiltyard.plotly");

// Resolves to Plotly. After a failure the next call tries again.
export function plotly(url) {
  if (!globalThis[KEY]) {
    globalThis[KEY] = quiet().then(() => load(url));
    globalThis[KEY].catch(() => (globalThis[KEY] = undefined));
  }
  return globalThis[KEY];
}

function load(url) {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = location.origin + url;
    script.onload = () => (globalThis.Plotly ? done(globalThis.Plotly) : failed(new Error("no Plotly")));
    script.onerror = () => failed(new Error("Plotly could not be loaded"));
    document.head.append(script);
  });
}

// After the page has been painted, and not while somebody reads a streaming answer.
async function quiet() {
  if (globalThis.requestIdleCallback)
    await new Promise((done) => requestIdleCallback(done, { timeout: IDLE_WITHIN_MS }));
  await pause(SETTLE_MS);
  for (let waited = 0; live.streaming && waited < LONGEST_WAIT_MS; waited += LOOK_AGAIN_MS)
    await pause(LOOK_AGAIN_MS);
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
