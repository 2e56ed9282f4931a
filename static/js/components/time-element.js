/** A `<time>` with a relative time such as "12 s ago" that is kept up to date; the tooltip has the absolute time. */

import { absolute, machine, relative } from "../models/time-format.js";
import { serverNow } from "../page-socket.js";
import { h, setAttribute, setText } from "./dom.js";

export function timeElement(at = null) {
  const element = h("time", {});
  if (at !== null) setTime(element, at);
  return element;
}

/** `at` in seconds since the epoch. */
export function setTime(element, at, now = serverNow()) {
  setAttribute(element, "datetime", machine(at));
  setAttribute(element, "title", absolute(at));
  element.dataset.at = at;
  setText(element, relative(at, now));
}

/** Brings every `<time>` on the page up to date once a second, while the page is seen. */
export class Clock {
  #timer = null;
  #tick = () => {
    const now = serverNow();
    for (const element of document.querySelectorAll("time[data-at]")) {
      setText(element, relative(Number(element.dataset.at), now));
    }
  };

  start() {
    this.#timer ??= setInterval(this.#tick, 1000);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
