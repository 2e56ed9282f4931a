/** The card of incidents: whether one is open, and the uptime of each service. It has no topic, so it asks. */

import { byId, h, keyed, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Polling } from "../../components/polling.js";
import { sentence, upText } from "../../models/incidents.js";
import { clockTime } from "../../models/time-format.js";

const INCIDENTS = { path: "/api/incidents?limit=20", every: 5_000 };
const UPTIME = { path: "/api/uptime", every: 30_000 };

export class IncidentsCard {
  #incidents;
  #uptime;
  #text = h("p", {}, h("a", { href: "/incidents" }));
  #list = h("ul", { class: "uptime-rows" });
  #receivedAt = null;

  /** `get(path)` resolves to a response of the control API, or rejects. */
  constructor({ get }) {
    this.#incidents = new Polling({ fetch: get, interval: INCIDENTS.every });
    this.#uptime = new Polling({ fetch: get, interval: UPTIME.every });
  }

  start() {
    this.#incidents.poll(INCIDENTS.path, (outcome) => this.#showIncidents(outcome));
    this.#uptime.poll(UPTIME.path, (outcome) => this.#showUptime(outcome));
  }

  stop() {
    this.#incidents.stop();
    this.#uptime.stop();
  }

  #showIncidents({ data, error }) {
    const placeholder = byId("incidents-placeholder");
    if (error !== null) {
      if (this.#receivedAt === null) fillPlaceholder(placeholder, emptyState("Incidents cannot be shown right now.", error.message));
      else setText(byId("incidents-note"), `as of ${clockTime(this.#receivedAt)}`);
      return;
    }
    this.#receivedAt = data.now;
    setText(byId("incidents-note"), "");
    setText(this.#text.firstElementChild, sentence(data));
    if (this.#text.parentElement === null) fillPlaceholder(placeholder, h("div", {}, this.#text, this.#list));
  }

  #showUptime({ data, error }) {
    if (error !== null) return; // the row of incidents says that nothing arrives
    keyed(this.#list, data.services, {
      key: ({ service }) => service,
      create: ({ service }) => h("li", {}, h("span", { dir: "auto" }, service), h("span", { class: "muted" })),
      update: (row, { windows }) => setText(row.lastElementChild, `${upText(windows["24h"], "24 h")}, ${upText(windows["90d"], "90 d")}`),
    });
  }
}
