/** The bots that ended before those of the topic `bots`: loaded by a button, a page at a time. */

import { byId, setAttribute, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { ProblemError } from "../../control-api.js";
import { isFinal } from "../../models/bots.js";

const PAGE = 100;

export class OlderBots {
  #scope = new Scope();
  #send;
  #onOlder;
  #older = [];
  /** Whether there are more: of the topic until a page was loaded, then of the last page. */
  #isMore = false;
  /** The bot before which the next page begins, or null. */
  #last = null;

  /** `send(method, path, body)`: the control API; `onOlder()`: a page was loaded. */
  constructor({ send, onOlder }) {
    this.#send = send;
    this.#onOlder = onOlder;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(byId("older"), "click", ({ currentTarget }) => this.#load(currentTarget));
  }

  stop() {
    this.#scope.close();
  }

  /** Apply the topic `bots`. */
  follow({ bots, more }) {
    if (this.#older.length === 0) {
      this.#isMore = more;
      this.#last = bots.filter(isFinal).at(-1)?.bot_id ?? null;
    }
    byId("older").hidden = !this.#isMore || this.#last === null;
  }

  /** The bots of the topic, and those that were loaded besides. */
  after(ended) {
    const known = new Set(ended.map(({ bot_id: id }) => id));
    return [...ended, ...this.#older.filter(({ bot_id: id }) => !known.has(id))];
  }

  async #load(button) {
    setAttribute(button, "aria-busy", "true");
    button.disabled = true;
    setText(byId("older-fault"), "");
    try {
      const query = new URLSearchParams({ state: "ended", before: this.#last, limit: PAGE });
      const { bots, more } = await this.#send("GET", `/api/bots?${query}`);
      this.#older.push(...bots);
      this.#isMore = more && bots.length > 0;
      this.#last = bots.at(-1)?.bot_id ?? this.#last;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      setText(byId("older-fault"), error.message);
    } finally {
      setAttribute(button, "aria-busy", null);
      button.disabled = false;
    }
    if (this.#scope.isOpen) this.#onOlder();
  }
}
