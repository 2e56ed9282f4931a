/** Requests that wait for their responses, by id: at most `LIMIT`, each with its time limit. */

/** A request that got an `error`, no response in time, or no connection; `code` is the reason. */
export class LiveSocketError extends Error {
  constructor(code, detail, answer = null) {
    super(detail);
    this.name = "LiveSocketError";
    this.code = code;
    /** The service's `error` message, where there is one. */
    this.answer = answer;
  }
}

/** Requests at once; the next one is rejected. */
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

  /** Store `message` (with its id) until it is settled; after `timeout` ms it is rejected with the text of `onTimeout()`. */
  add(message, { timeout, onTimeout }) {
    if (this.#all.size >= LIMIT) {
      return Promise.reject(new LiveSocketError("too_many_requests", "Too many requests are waiting for the service."));
    }
    return new Promise((resolve, reject) => {
      const timer = this.#timers.setTimeout(() => this.#settle(message.id, (request) => request.reject(new LiveSocketError("timeout", onTimeout()))), timeout);
      this.#all.set(message.id, { message, resolve, reject, timer, isSent: false });
    });
  }

  /** The messages that were not sent yet, in order; from now on they count as sent. */
  takeUnsent() {
    const unsent = [...this.#all.values()].filter(({ isSent }) => !isSent);
    for (const request of unsent) request.isSent = true;
    return unsent.map(({ message }) => message);
  }

  /** Settle the request that a message of the service responds to. */
  respond(message) {
    const isRejected = message.type === "error";
    this.#settle(message.id, ({ resolve, reject }) => (isRejected ? reject(new LiveSocketError(message.code, message.detail, message)) : resolve(message)));
  }

  /** Reject the requests that were sent, or all: it is not known whether the service carried them out. */
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
