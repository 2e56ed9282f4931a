/** Keeps the public status page up to date: it loads the page again and takes over its parts. */

import { setText } from "../../components/dom.js";
import { Polling } from "../../components/polling.js";

const EVERY = 30_000;

export class StatusPage {
  #content;
  #sentence;
  #stale;
  #polling;
  #format;

  /** `content`, `sentence`, `stale`: the elements that change; `load(path)` resolves to the page's HTML, or rejects. */
  constructor({ content, sentence, stale, load = loadPage, language = document.documentElement.lang }) {
    this.#content = content;
    this.#sentence = sentence;
    this.#stale = stale;
    this.#polling = new Polling({ fetch: load, interval: EVERY });
    this.#format = new Intl.DateTimeFormat(`${language}-u-nu-latn`, { dateStyle: "medium", timeStyle: "short" });
  }

  start() {
    this.#localize();
    this.#polling.poll(location.pathname, (outcome) => this.#apply(outcome), { within: EVERY });
  }

  stop() {
    this.#polling.stop();
  }

  #apply({ data, error }) {
    const fresh = error === null ? new DOMParser().parseFromString(data, "text/html") : null;
    const content = fresh?.getElementById(this.#content.id) ?? null;
    this.#stale.hidden = content !== null;
    if (content === null) return;
    this.#content.replaceChildren(...[...content.childNodes].map((node) => document.importNode(node, true)));
    setText(this.#sentence, fresh.getElementById(this.#sentence.id).textContent);
    this.#localize();
  }

  /** Write times in the reader's time zone; without JavaScript they are in UTC. */
  #localize() {
    for (const element of this.#content.querySelectorAll("time[data-moment]")) {
      setText(element, this.#format.format(Number(element.dataset.moment) * 1000));
    }
  }
}

async function loadPage(path) {
  const response = await fetch(path, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Error(`The service responded with ${response.status}.`);
  return response.text();
}
