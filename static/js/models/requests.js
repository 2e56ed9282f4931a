/** Requests that wait for their answers, by id: bounded, each with its time limit. */

/** A request that got an `error`, no answer in time, or no connection. `code` says which. */
export class LiveSocketError extends Error {
  constructor(code, detail, answer = null) {
    super(detail);
    this.name = "LiveSocketError";
    this.code = code;
    /** The service's `error` message, where there is one. */
    this.answer = answer;
  }
}

/** Requests at once; the next one is refused. */
const LIMIT = 64;

export class Requests {
  #timers;
  #all = new Map();

  constructor(timers) {
    this.#timers = timers;
  }

  get size() {
    return this.#all.size;
  }

  /** The message that went out with this id, or null. */
  message(id) {
    return this.#all.get(id)?.message ?? null;
  }

  /** Keep `message` (with its id) until it is settled; `late()` says why where that takes over `timeout` ms. */
  add(message, { timeout, late }) {
    if (this.#all.size >= LIMIT) {
      return Promise.reject(new LiveSocketError("too_many_requests", "Too many requests are waiting for the service."));
    }
    return new Promise((resolve, reject) => {
      const timer = this.#timers.setTimeout(() => this.#settle(message.id, (request) => request.reject(new LiveSocketError("timeout", late()))), timeout);
      this.#all.set(message.id, { message, resolve, reject, timer, isSent: false });
    });
  }

  /** Messages that no connection has carried yet, in order; from now on they count as sent. */
  takeUnsent() {
    const unsent = [...this.#all.values()].filter(({ isSent }) => !isSent);
    for (const request of unsent) request.isSent = true;
    return unsent.map(({ message }) => message);
  }

  /** The service's answer. */
  answer(message) {
    const refused = message.type === "error";
    this.#settle(message.id, ({ resolve, reject }) => (refused ? reject(new LiveSocketError(message.code, message.detail, message)) : resolve(message)));
  }

  /** Whether the service carried them out is not known: reject those that were sent, or all. */
  fail(code, detail, { all = false } = {}) {
    for (const [id, { isSent }] of this.#all) {
      if (isSent || all) this.#settle(id, ({ reject }) => reject(new LiveSocketError(code, detail)));
    }
  }

  #settle(id, outcome) {
    const request = this.#all.get(id);
    if (!request) return;
    this.#all.delete(id);
    this.#timers.clearTimeout(request.timer);
    outcome(request);
  }
}
