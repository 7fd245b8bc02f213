// The one socket of a tab: what every view on the page watches comes over it.
//
// Views join with a ticket and are shown what this module holds of their run at once. A cut socket is
// opened again, and each run goes on from the blocks that are held. Messages: api/live/wire.py.

const FIRST_WAIT_MS = 150;
const LONGEST_WAIT_MS = 5000;
const BEAT_MS = 10000;
const ANSWER_WITHIN_MS = 8000;
const LINGER_MS = 2000; // a view that moves on the page leaves and joins again
const COPY_WITHIN_MS = 5000;
const TRY_AGAIN_MS = 3000;
const SUBS_A_MESSAGE = 16;
const RENEW_MS = 600000; // tickets are good for half an hour at least

class Live {
  #socket = null;
  #open = false;
  #failures = 0;
  #timer = 0;
  #runs = new Map();
  #charts = new Map();
  #copies = new Map();
  #announced = new Set();
  #heardAt = 0;
  #askedAt = 0;
  #renewedAt = performance.now();
  #names = 0;

  constructor() {
    setInterval(() => {
      this.#beat(ANSWER_WITHIN_MS);
      if (performance.now() - this.#renewedAt >= RENEW_MS) this.#renew();
    }, BEAT_MS);
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#hurry();
    });
  }

  // --- what views ask ------------------------------------------------------------------------

  // `view.show(run, from)` paints blocks from that index on; `view.link(up)` says whether the socket is.
  join(id, ticket, view) {
    let run = this.#runs.get(id);
    if (!run) {
      run = { id, ticket, views: new Set(), blocks: [], epoch: "", tail: "", reasoning: "", state: null,
        figures: null, end: null, refusal: null, joined: false, stopping: false };
      this.#runs.set(id, run);
    }
    run.ticket = ticket;
    run.views.add(view);
    if (run.state || run.refusal) view.show(run, 0);
    view.link(this.#open || !this.#failures);
    if (!run.joined && !settled(run)) this.#subscribe([run]);
    return () => {
      run.views.delete(view);
      setTimeout(() => this.#forget(run), LINGER_MS);
    };
  }

  // The page was drawn again, with this ticket: what was refused for want of a good one is asked for again.
  give(id, ticket) {
    const run = this.#runs.get(id);
    if (!run || run.ticket === ticket) return;
    run.ticket = ticket;
    if (run.refusal?.kind !== "ticket") return;
    run.refusal = null;
    this.#subscribe([run]);
  }

  // Said again after a broken connection.
  stop(id) {
    const run = this.#runs.get(id);
    if (run) run.stopping = true;
    this.#say({ stop: [id] });
  }

  // The answer as the model wrote it.
  copy(id) {
    return new Promise((done, failed) => {
      const timer = setTimeout(() => this.#answer(id, null), COPY_WITHIN_MS);
      const answer = (text) => (clearTimeout(timer), text === null ? failed(new Error("no text")) : done(text));
      this.#copies.set(id, answer);
      this.#say({ copy: { [id]: this.#runs.get(id)?.ticket ?? "" } });
      this.#connect();
    });
  }

  // `view.draw(payload)`, `view.refuse(refusal)` and `view.link(up)`.
  chart(id, params, ticket, view) {
    const name = `c${++this.#names}`;
    this.#charts.set(name, { id, params, ticket, view });
    view.link(this.#open || !this.#failures);
    this.#say({ chart: { [name]: { id, params, ticket } } });
    this.#connect();
    return () => {
      this.#charts.delete(name);
      this.#say({ unchart: [name] });
    };
  }

  // Whether an answer is, or for all that is known may be, written before the reader's eyes.
  get streaming() {
    return [...this.#runs.values()].some((run) => run.views.size && !run.end && !run.refusal);
  }

  // Whether nobody in this tab has been told yet that the run has ended.
  announce(id) {
    if (this.#announced.has(id)) return false;
    this.#announced.add(id);
    return true;
  }

  // --- the socket ----------------------------------------------------------------------------

  #wanted() {
    return this.#charts.size || this.#copies.size || [...this.#runs.values()].some((run) => !settled(run));
  }

  #connect() {
    if (this.#socket || !this.#wanted()) return;
    clearTimeout(this.#timer);
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/live`);
    this.#socket = socket;
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#hear(event.data);
    socket.onclose = () => this.#lost(socket);
  }

  #opened() {
    this.#open = true;
    this.#heardAt = performance.now();
    this.#askedAt = 0;
    this.#tellViews(true);
    for (const [name, { id, params, ticket }] of this.#charts) this.#say({ chart: { [name]: { id, params, ticket } } });
    const open = [...this.#runs.values()].filter((run) => !settled(run));
    this.#subscribe(open);
    for (const run of open) if (run.stopping) this.#say({ stop: [run.id] });
    for (const id of this.#copies.keys()) this.#say({ copy: { [id]: this.#runs.get(id)?.ticket ?? "" } });
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    this.#socket = null;
    this.#open = false;
    for (const run of this.#runs.values()) run.joined = false;
    this.#tellViews(false);
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), wait * (0.7 + 0.6 * Math.random()));
  }

  // A connection can die without a word: ask, and give up on it where no answer comes.
  #beat(within) {
    if (!this.#open) return;
    const now = performance.now();
    if (this.#askedAt > this.#heardAt && now - this.#askedAt >= within) {
      const socket = this.#socket;
      this.#lost(socket);
      socket.close();
    } else if (this.#askedAt <= this.#heardAt) {
      this.#askedAt = now;
      this.#say({ ping: Math.round(now) });
    }
  }

  #hurry() {
    if (this.#open) {
      this.#beat(ANSWER_WITHIN_MS);
      setTimeout(() => this.#beat(2500), 2600);
    } else {
      this.#connect();
    }
  }

  // What stays on the page keeps a good ticket, also what has ended and may still be copied.
  #renew() {
    const held = [...this.#runs, ...this.#charts].map(([name, { ticket }]) => [name, ticket]);
    if (!this.#open || !held.length) return;
    this.#renewedAt = performance.now();
    for (let i = 0; i < held.length; i += SUBS_A_MESSAGE) {
      this.#say({ renew: Object.fromEntries(held.slice(i, i + SUBS_A_MESSAGE)) });
    }
  }

  #say(message) {
    if (this.#open) this.#socket.send(JSON.stringify(message));
  }

  #subscribe(runs) {
    if (!this.#open) return this.#connect();
    for (let i = 0; i < runs.length; i += SUBS_A_MESSAGE) {
      const sub = {};
      for (const run of runs.slice(i, i + SUBS_A_MESSAGE)) {
        sub[run.id] = { ticket: run.ticket, blocks: run.blocks.length, epoch: run.epoch };
        run.joined = true;
      }
      this.#say({ sub });
    }
  }

  #forget(run) {
    if (run.views.size || this.#runs.get(run.id) !== run) return;
    this.#runs.delete(run.id);
    if (!settled(run)) this.#say({ unsub: [run.id] });
  }

  #tellViews(up) {
    for (const run of this.#runs.values()) for (const view of run.views) view.link(up);
    for (const { view } of this.#charts.values()) view.link(up);
  }

  // --- what the server says ------------------------------------------------------------------

  #hear(data) {
    this.#heardAt = performance.now();
    this.#failures = 0;
    const { runs = {}, charts = {}, refused = {}, text = {}, tickets = {} } = JSON.parse(data);
    for (const [name, ticket] of Object.entries(tickets)) {
      const held = this.#runs.get(name) ?? this.#charts.get(name);
      if (held) held.ticket = ticket;
    }
    for (const [id, frame] of Object.entries(runs)) {
      const run = this.#runs.get(id);
      if (run) this.#take(run, frame);
    }
    for (const [name, payload] of Object.entries(charts)) this.#charts.get(name)?.view.draw(payload);
    for (const [id, answer] of Object.entries(text)) this.#answer(id, answer);
    for (const [name, refusal] of Object.entries(refused)) this.#refuse(name, refusal);
  }

  #take(run, frame) {
    let from = run.blocks.length;
    run.refusal = null;
    if ("base" in frame) {
      run.epoch = frame.epoch;
      run.tail = "";
      run.blocks.length = from = frame.base;
    }
    for (const [index, html] of Object.entries(frame.mend ?? {})) {
      run.blocks[index] = html;
      from = Math.min(from, Number(index));
    }
    run.blocks.push(...(frame.blocks ?? []));
    if ("tail" in frame) run.tail = run.tail.slice(0, frame.keep) + frame.tail;
    if (frame.reasoning) {
      const [at, text] = frame.reasoning;
      run.reasoning = at ? run.reasoning + text : text;
    }
    for (const name of ["state", "figures", "end"]) if (name in frame) run[name] = frame[name];
    for (const view of run.views) view.show(run, from);
  }

  #answer(id, text) {
    const answer = this.#copies.get(id);
    this.#copies.delete(id);
    answer?.(text);
  }

  #refuse(name, refusal) {
    const chart = this.#charts.get(name);
    if (chart) return chart.view.refuse(refusal);
    this.#answer(name, null);
    const run = this.#runs.get(name);
    if (!run) return;
    if (refusal.kind === "stop") {
      run.stopping = false;
      for (const view of run.views) view.refuseStop(refusal);
    } else if (refusal.kind === "unavailable") {
      run.joined = false;
      setTimeout(() => !run.joined && run.views.size && this.#subscribe([run]), TRY_AGAIN_MS);
    } else if (!run.end) {
      run.refusal = refusal;
      run.joined = false;
      for (const view of run.views) view.show(run, 0);
    }
  }
}

// Whether nothing about the run will change any more. Its cost may follow its end.
function settled(run) {
  return Boolean(run.end && run.figures?.cost) || (run.refusal && run.refusal.kind !== "unavailable");
}

export const live = (globalThis[Symbol.for("tiltyard.live")] ??= new Live());
