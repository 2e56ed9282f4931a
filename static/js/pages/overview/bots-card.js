/** The card of meeting bots: how many run and wait, why none can start, and the last failure. */

import { byId, h, setAttribute, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Polling } from "../../components/polling.js";
import { setTime, timeElement } from "../../components/time-element.js";
import { botsSummary } from "../../models/bots-overview.js";
import { botHref, botName } from "../../models/bots.js";
import { clockTime } from "../../models/time-format.js";

/** The list of bots has hundreds of rows: their number is asked for instead. */
const STATS = { path: "/api/bots/stats", every: 5_000 };

export class BotsCard {
  #stats;
  #text = h("p", {}, h("a", { href: "/bots" }));
  #unavailable = h("p", { class: "small" });
  #name = h("a", { dir: "auto" });
  #time = timeElement();
  #why = h("span", {});
  #failed = h("p", { class: "small" }, "Last failure ", this.#time, ": ", h("bdi", {}, this.#name), ". ", this.#why);
  #receivedAt = null;

  /** `get(path)` resolves to a response of the control API, or rejects. */
  constructor({ get }) {
    this.#stats = new Polling({ fetch: get, interval: STATS.every });
  }

  start() {
    this.#stats.poll(STATS.path, (outcome) => this.#show(outcome));
  }

  stop() {
    this.#stats.stop();
  }

  #show({ data, error }) {
    const placeholder = byId("bots-placeholder");
    if (error !== null) {
      if (this.#receivedAt === null) fillPlaceholder(placeholder, emptyState("Bots cannot be shown right now.", error.message));
      else setText(byId("bots-note"), `as of ${clockTime(this.#receivedAt)}`);
      return;
    }
    this.#receivedAt = data.now;
    setText(byId("bots-note"), "");
    const { text, unavailable, failed } = botsSummary(data);
    setText(this.#text.firstElementChild, text);
    this.#unavailable.hidden = unavailable.text === "";
    setText(this.#unavailable, unavailable.text);
    setAttribute(this.#unavailable, "class", unavailable.tone === "warn" ? "small is-warn" : "small muted");
    this.#failed.hidden = failed === null;
    if (failed !== null) {
      setTime(this.#time, failed.bot.ended_at ?? failed.bot.since);
      setText(this.#name, botName(failed.bot));
      setAttribute(this.#name, "href", botHref(failed.bot.bot_id));
      setText(this.#why, failed.text);
    }
    if (this.#text.parentElement === null) fillPlaceholder(placeholder, h("div", {}, this.#text, this.#unavailable, this.#failed));
  }
}
