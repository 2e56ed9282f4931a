/** The notice of a busy service: why, a countdown to the next try, and a button that tries at once. */

import { minutes } from "../models/recording-formats.js";

const SHOW_EVERY = 250;

export class RetryNotice {
  #notices;
  #timers;
  #now;

  /** `notices`: a Notices; `now()`: milliseconds. */
  constructor(notices, { timers = globalThis, now = () => performance.now() } = {}) {
    this.#notices = notices;
    this.#timers = timers;
    this.#now = now;
  }

  /** Wait as long as a ProblemError says (`retryAfter`), or until the button is pressed. Rejects where `signal` aborts. */
  wait({ message, retryAfter }, signal) {
    const due = this.#now() + 1_000 * retryAfter;
    return new Promise((resolve, reject) => {
      const end = (settle) => {
        this.#timers.clearInterval(timer);
        signal.removeEventListener("abort", abort);
        this.#notices.remove("busy");
        settle();
      };
      const abort = () => end(() => reject(signal.reason));
      const show = () => {
        const left = Math.ceil((due - this.#now()) / 1_000);
        if (left <= 0) end(resolve);
        else this.#notices.show("busy", { word: "busy", text: message, more: `The next try is in ${left < 100 ? `${left} s` : `${minutes(left)} minutes`}.`, isDismissable: false, isSilent: true, actions: [{ label: "Try now", run: () => end(resolve) }] });
      };
      const timer = this.#timers.setInterval(show, SHOW_EVERY);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      else show();
    });
  }
}
